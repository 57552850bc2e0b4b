"""`python -m nas.worker READ WRITE LIFE [MODULE ...]`: the worker's side of its pipes, given as file descriptors.

Nothing heavy is imported here before a job needs it, but for the modules that are named.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nas.worker.messages import IDLE_S, Job, Message, Tell, line_of


def main() -> None:
    """Does one job after the other, until nobody asks any more, or the owner is gone."""
    read, write, life = map(int, sys.argv[1:4])
    _guard(life, read, write)
    _die_first()
    faulthandler.enable()
    for module in sys.argv[4:]:
        with contextlib.suppress(Exception):  # the job that needs it will say what is wrong with it
            importlib.import_module(module)
    inbox, outbox = os.fdopen(read, "rb"), os.fdopen(write, "wb")
    while select.select([inbox], [], [], IDLE_S)[0] and (line := inbox.readline()):
        _do(json.loads(line), outbox)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # with the guard, and whatever a job has left behind


def _die_first() -> None:
    """Where memory runs out, Linux ends this process and not the one that owns the study."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _guard(life: int, *others: int) -> None:
    """A second process that waits for the owner's end, and ends the whole group then.

    A thread could not: a native library may hold the interpreter, and the device, for ever.
    """
    if os.fork():
        os.close(life)
        return
    for descriptor in others:
        os.close(descriptor)
    os.read(life, 1)  # nobody writes: this returns when the owner is gone, however it went
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _do(task: Message, outbox: BinaryIO) -> None:
    asked = os.getpid()

    def send(message: Message) -> None:
        line = line_of({"id": task["id"], **message})
        if os.getpid() != asked:  # a network has forked, and its copy came back: one of the two may answer
            os._exit(1)
        outbox.write(line)
        outbox.flush()

    try:
        os.chdir(task["cwd"])
        sys.path[:] = task["path"]
        send({"answer": _job(task["job"])(task["arguments"], Tell(send))})
    except BaseException as error:  # noqa: BLE001  # whatever a job raises is its answer; nobody presses Ctrl-C here
        send(_failed(error))


def _job(name: str) -> Job:
    module, _, function = name.partition(":")
    job: Job = getattr(importlib.import_module(module), function)
    return job


def _failed(error: BaseException) -> Mapping[str, Any]:
    from nas.latency.faults import as_outcome

    outcome, told = as_outcome(error)
    return {"failed": told, "outcome": outcome}


if __name__ == "__main__":
    main()
