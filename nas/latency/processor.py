"""What the CPU is and what it is busy with, read from Linux's own files; None where a system does not say.

No torch here.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CPU = Path("/sys/devices/system/cpu")
PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


@lru_cache(maxsize=1)
def model() -> str:
    """The CPU's name, such as "AMD EPYC 7763 64-Core Processor"."""
    for line in (_text(PROC / "cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or "unknown CPU"


def available_cpus() -> frozenset[int]:
    """Logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def quota_cpus() -> float | None:
    """CPUs' worth of time that a container's limit grants, or None where there is no limit."""
    fields = (_text(CGROUP / "cpu.max") or "max").split()
    if fields[0] != "max" and len(fields) == 2:
        return int(fields[0]) / int(fields[1])
    quota, period = _text(CGROUP / "cpu" / "cpu.cfs_quota_us"), _text(CGROUP / "cpu" / "cpu.cfs_period_us")
    if quota and period and int(quota) > 0:
        return int(quota) / int(period)
    return None


def physical_cores() -> int:
    """Physical cores that this process may use: siblings of one core count once, and a container's limit holds."""
    cores = {
        (_text(CPU / f"cpu{cpu}/topology/physical_package_id"), _text(CPU / f"cpu{cpu}/topology/core_id") or str(cpu))
        for cpu in available_cpus()
    }
    quota = quota_cpus()
    return len(cores) if quota is None else max(1, min(len(cores), int(quota)))


def governor() -> str | None:
    """How the clock is governed ("performance", "powersave"); several words where the CPUs differ."""
    found = {_text(CPU / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in available_cpus()} - {None}
    return ",".join(sorted(str(word) for word in found)) or None


def load_average() -> float | None:
    """Processes that ran or waited to run, averaged over the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


@dataclass(frozen=True)
class CpuTime:
    """A moment, with the CPU seconds that the machine and this process had spent until then."""

    moment_s: float
    machine_s: float | None
    process_s: float

    @classmethod
    def now(cls) -> CpuTime:
        """Reads all three."""
        return cls(time.monotonic(), _busy_seconds(), time.process_time())


def foreign_cpus(before: CpuTime, after: CpuTime) -> float | None:
    """How many CPUs others kept busy between two moments, time stolen by the hypervisor included.

    None where the system does not say, or where the moments are too close for its clock ticks.
    """
    span = after.moment_s - before.moment_s
    if before.machine_s is None or after.machine_s is None or span < 0.1:
        return None
    others = (after.machine_s - before.machine_s) - (after.process_s - before.process_s)
    return round(max(0.0, others / span), 2)


def _busy_seconds() -> float | None:
    """CPU seconds spent on anything but idling since boot, over the CPUs that this process may run on."""
    mine = available_cpus()
    ticks = [sum(busy) for cpu, busy in _ticks() if cpu in mine]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _ticks() -> Iterator[tuple[int, list[int]]]:
    """Per CPU its ticks of user, nice, system, irq, softirq and steal, as proc(5) orders them."""
    for line in (_text(PROC / "stat") or "").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu" and len(fields) >= 8:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            yield int(name[3:]), [user, nice, system, irq, softirq, steal]
