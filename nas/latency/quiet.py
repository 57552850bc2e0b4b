"""What is held still while timing, and put back afterwards: threads, gradients, autocast and garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Torch computes with this many threads inside; the caller's number is put back, whatever happens."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def as_asked(kind: str, threads: int) -> Iterator[None]:
    """Networks run on a "cpu" or on "cuda" as the options say, whatever the caller's own code is in the middle of:
    with so many threads, without gradients, and in the dtype asked for, also under the caller's `torch.autocast`.
    """
    import torch

    with cpu_threads(threads), torch.no_grad(), torch.autocast(kind, enabled=False):
        yield


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collects once, and not again inside; put back, whatever happens."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
