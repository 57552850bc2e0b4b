"""Whether a network waits for the host that launches its kernels: eager time against the device's own time."""

from __future__ import annotations

from nas.latency.statistics import median
from nas.latency.timing import Call, Timer
from nas.runtimes import DeviceCall

LAUNCH_BOUND = 1.25
"""From this ratio of eager time to device time on. The device is idle for a fifth of the time then."""

WARM_UP_CALLS = 3
CALLS = 21
MAX_SECONDS = 2.0
"""Of all of them. No network whose passes take so long that there is time for a few only waits for its host."""


def launch_bound(eager_s: float, device_s: float) -> bool:
    """Whether launching takes so much longer than computing that eager time says little of the device."""
    return eager_s >= LAUNCH_BOUND * device_s


def launched_s(call: Call, timer: Timer) -> float | None:
    """The median pass as the host launches it, in seconds, or None where the call names no such pass."""
    if not isinstance(call, DeviceCall) or call.launched is None:
        return None
    passes_s: list[float] = []
    while len(passes_s) < WARM_UP_CALLS + CALLS and sum(passes_s) < MAX_SECONDS:
        passes_s.append(timer(call.launched))
    return median(passes_s[WARM_UP_CALLS:] or passes_s[-1:])
