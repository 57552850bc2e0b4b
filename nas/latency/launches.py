"""Whether a network waits for the host that launches its kernels: eager time against the device's own time."""

from __future__ import annotations

from nas.latency.statistics import median
from nas.latency.timing import Call, Timer
from nas.runtimes import DeviceCall

LAUNCH_BOUND = 1.25
"""From this ratio of eager time to device time on. The device is idle for a fifth of the time then."""

WARM_UP_CALLS = 3
CALLS = 21


def launch_bound(eager_s: float, device_s: float) -> bool:
    """Whether launching takes so much longer than computing that eager time says little of the device."""
    return eager_s >= LAUNCH_BOUND * device_s


def launched_s(call: Call, timer: Timer) -> float | None:
    """The median pass as the host launches it, in seconds, or None where the call names no such pass."""
    if not isinstance(call, DeviceCall) or call.launched is None:
        return None
    for _ in range(WARM_UP_CALLS):
        timer(call.launched)
    return median([timer(call.launched) for _ in range(CALLS)])
