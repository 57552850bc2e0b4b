"""One worker a device in this process, reused from job to job and from run to run."""

from __future__ import annotations

import atexit
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from nas.worker.process import Worker

STEERING = ("CUDA", "HIP", "KMP", "LD_", "MKL", "NAS_", "NVIDIA", "OMP", "OPENBLAS", "PYTORCH", "PYTHON", "TORCH")
"""Beginnings of environment variables that only a fresh process takes notice of."""


@dataclass
class _Seat:
    lock: threading.Lock = field(default_factory=threading.Lock)
    worker: Worker = field(default_factory=Worker)
    environment: Mapping[str, str] = field(default_factory=dict)


_SEATS: dict[tuple[int, str], _Seat] = defaultdict(_Seat)


@contextmanager
def borrowed(device: str) -> Iterator[Worker]:
    """The worker of a device, for one borrower at a time. A thread waits here while another one has it."""
    seat = _SEATS[os.getpid(), device]  # a forked child has none of its parent's
    with seat.lock:
        if seat.environment != (environment := _steering()):
            seat.worker.kill()
            seat.environment = environment
        yield seat.worker


def start(device: str) -> None:
    """Starts the worker of a device before it is asked for anything."""
    with borrowed(device) as worker:
        worker.start()


def _steering() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(STEERING)}


@atexit.register
def _end() -> None:
    for (owner, _), seat in list(_SEATS.items()):
        if owner == os.getpid():
            seat.worker.kill()
