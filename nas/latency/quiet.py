"""What is held still while timing, and put back afterwards: torch's settings, autocast and garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from nas.errors import MeasureError
from nas.latency.numerics import compute_as, numerics


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

    with torch_as_it_was(), cpu_threads(threads), torch.no_grad(), torch.autocast(kind, enabled=False):
        yield


def refuse_other_threads(asked: int) -> None:
    """What ran just now left torch the number of threads that was asked for.

    Raises:
        MeasureError: `invalid`: it did not, so that its time would stand under conditions that it was not taken under.
    """
    import torch

    if (found := torch.get_num_threads()) != asked:
        raise MeasureError(
            f"the network or its runtime calls torch.set_num_threads: torch computes with {found} threads now, and "
            f"{asked} were asked for. Remove that call; the option threads says how many there are", "invalid"
        )


@contextmanager
def torch_as_it_was() -> Iterator[None]:
    """What networks and runtimes set for the whole process is as it was for the next one, whatever happens: the number
    of threads, the default dtype and device, gradients, deterministic algorithms, which libraries compute, and how they
    multiply float32.
    """
    settings = _settings()
    before = [get() for get, _ in settings]
    try:
        yield
    finally:
        for (get, put), was in zip(settings, before, strict=True):
            if get() != was:
                put(was)


def _settings() -> list[tuple[Callable[[], Any], Callable[[Any], object]]]:
    """How each is read, and how it is set."""
    import torch

    backends: Any = torch.backends  # of which not everything is typed
    switches = [(backends.mkldnn, "enabled"), (backends.cudnn, "enabled"), (backends.cudnn, "deterministic")]

    def deterministic() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    return [
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_default_device, torch.set_default_device),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (deterministic, lambda was: torch.use_deterministic_algorithms(was[0], warn_only=was[1])),
        *((partial(getattr, place, name), partial(setattr, place, name)) for place, name in switches),
        (numerics, compute_as),
    ]


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
