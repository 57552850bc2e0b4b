"""Processes that do what must not happen in the one that owns the study: run networks, and strangers' metrics.

A worker is a spawned process of its own session. It is asked for one job after the other over a private pipe, one JSON
object a line, and is killed with all its children where a job does not keep to the time that it announced.
"""

from nas.worker.messages import Job as Job
from nas.worker.messages import Tell as Tell
from nas.worker.pool import borrowed as borrowed
from nas.worker.pool import start as start
from nas.worker.process import Worker as Worker
