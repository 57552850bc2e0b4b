"""How a call is timed: on the host's clock, or on the device's where the device was told all its work beforehand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from nas.runtimes import DeviceCall

Call = Callable[[], object]

MIN_SAMPLE_S = 100e-6
"""A sample of the host's clock lasts at least this long, or reading the clock would be part of what is timed."""


class Timer(Protocol):
    """Times calls of one device."""

    def __call__(self, call: Call, repeats: int = 1) -> float:
        """Seconds a call, over `repeats` calls."""

    def repeats(self, pass_s: float) -> int:
        """How many calls of `pass_s` seconds make a sample that is long enough for the clock."""


@dataclass(frozen=True)
class HostTimer:
    """Times calls that have finished when they return. `clock_ns` reads nanoseconds."""

    clock_ns: Callable[[], int] = time.perf_counter_ns

    def __call__(self, call: Call, repeats: int = 1) -> float:
        """Seconds a call, over `repeats` calls in a row."""
        if repeats == 1:
            begin = self.clock_ns()
            call()
            end = self.clock_ns()
            return (end - begin) / 1e9
        times = range(repeats)
        begin = self.clock_ns()
        for _ in times:
            call()
        end = self.clock_ns()
        return (end - begin) / 1e9 / repeats

    def repeats(self, pass_s: float) -> int:
        """How many calls last for `MIN_SAMPLE_S`."""
        return max(1, math.ceil(MIN_SAMPLE_S / max(pass_s, 1e-9)))


@dataclass
class CudaTimer:
    """Times calls that queue work on a CUDA device, which is idle before each call and has finished after it.

    A call that the host launches kernel by kernel takes what the host waits for its answer: wall time, synchronised
    around each call, in which launching counts. A `DeviceCall` takes what the device computes: by events around it, on
    the current stream. Passes are never queued behind each other: that would be throughput.

    Where caches are to be flushed, `flush` overwrites the L2 before each call, outside of what is timed.
    """

    device: str
    flush: Callable[[], object] | None = None
    clock_ns: Callable[[], int] = time.perf_counter_ns
    _begin: Any = field(init=False, repr=False)
    _end: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import torch

        event: Any = torch.cuda.Event  # untyped
        with torch.cuda.device(self.device):
            self._begin, self._end = event(enable_timing=True), event(enable_timing=True)

    def __call__(self, call: Call, repeats: int = 1) -> float:
        """Seconds a call: the mean over `repeats` calls, each timed alone."""
        import torch

        once = self._device_s if isinstance(call, DeviceCall) else self._wall_s
        total_s = 0.0
        with torch.cuda.device(self.device):
            for _ in range(repeats):
                if self.flush is not None:
                    self.flush()
                torch.cuda.synchronize()
                total_s += once(call)
        return total_s / repeats

    def _wall_s(self, call: Call) -> float:
        import torch

        begin = self.clock_ns()
        call()
        torch.cuda.synchronize()
        return (self.clock_ns() - begin) / 1e9

    def _device_s(self, call: Call) -> float:
        self._begin.record()
        call()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1e3

    def repeats(self, pass_s: float) -> int:  # noqa: ARG002  # however short it is
        """One: each call is waited for, so that several in a row would not be one long one."""
        return 1


@dataclass(frozen=True)
class PassTimer:
    """Seconds a pass, of calls that may hold several passes of a network."""

    timer: Timer

    def __call__(self, call: Call, repeats: int = 1) -> float:
        """Seconds a pass, over `repeats` calls."""
        return self.timer(call, repeats) / passes_of(call)

    def repeats(self, pass_s: float) -> int:
        """As the timer that it stands on."""
        return self.timer.repeats(pass_s)


def passes_of(call: Call) -> int:
    """How many passes of the network a call holds."""
    return call.passes if isinstance(call, DeviceCall) else 1


def timer_of(device: str, caches: str = "warm") -> Timer:
    """The timer of a device that `resolve_device` named, "cpu" or "cuda:0"; on the latter it can flush the L2."""
    if device == "cpu":
        return HostTimer()
    return CudaTimer(device, flush_of(device) if caches == "flushed" else None)


def flush_of(device: str) -> Callable[[], object]:
    """Overwrites the L2 of a CUDA device: twice its size, of which nothing of the network survives."""
    import torch

    size = 2 * torch.cuda.get_device_properties(device).L2_cache_size
    return torch.empty(size, dtype=torch.int8, device=device).zero_
