"""What NVIDIA's management library says of a GPU, through the package `nvidia-ml-py` where it is installed.

Every fact is asked for on its own, since cards and drivers differ in what they tell; one that is not told is None.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNAVAILABLE = "GPU clocks, temperature, throttling and other processes are unknown: {cause}"

PID_NAMESPACE = Path("/proc/self/ns/pid")
FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of the kernel's proc_ns.h

_REASONS = {
    "hw_slowdown": 0x08,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake": 0x80,
    "sw_thermal_slowdown": 0x20,
    "sw_power_cap": 0x04,
}
"""Their bits in the driver's interface (nvml.h). The library's names for them have changed, the bits have not."""

SEVERE = frozenset(_REASONS) - {"sw_power_cap"}
"""Reasons that speak of a card that is too hot, or gets too little power."""


def count() -> int:
    """How many CUDA devices this process may use, without a context on any: the owner of a study may ask, too.

    Torch asks NVIDIA's library, or, where that is not there, the driver.
    """
    import torch

    return torch.cuda.device_count()


def may_be_there() -> bool:
    """Whether NVIDIA's driver has made a device on this machine, without loading torch to ask for more."""
    return any(Path("/dev").glob("nvidia*")) or Path("/dev/dxg").exists()  # the latter is what WSL has


@contextmanager
def _library() -> Iterator[Any]:
    import pynvml

    pynvml.nvmlInit()
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def facts(uuid: str) -> tuple[dict[str, object], dict[str, object], str | None]:
    """What a GPU is, what it is doing, and why that is unknown where it is.

    `uuid` is the GPU's, as torch tells it, since indices differ between torch and the library. The first mapping
    (driver, power limit, maximal clocks, MIG, MPS) lasts; the second (clocks, temperature, throttle reasons, processes
    other than this one) is of this moment. This process has a CUDA context on that GPU.
    """
    try:
        with _library() as nvml:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")
            return _lasting(nvml, handle), _momentary(nvml, handle), None
    except ImportError:
        return {}, {}, UNAVAILABLE.format(cause="the package nvidia-ml-py is not installed")
    except Exception as error:  # noqa: BLE001  # the library's own errors; its module may be another of that name
        return {}, {}, UNAVAILABLE.format(cause=f"{type(error).__name__}: {error}")


def _asked(nvml: Any, question: Callable[[], Any]) -> Any:
    """The answer, or None where this card or driver does not tell."""
    try:
        return question()
    except (nvml.NVMLError, AttributeError):  # an older library lacks newer questions
        return None


def _lasting(nvml: Any, handle: Any) -> dict[str, object]:
    milliwatts = _asked(nvml, lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle))
    driver = _asked(nvml, nvml.nvmlSystemGetDriverVersion)
    return {
        "driver": driver.decode() if isinstance(driver, bytes) else driver,
        "power_limit_w": None if milliwatts is None else round(milliwatts / 1000),
        "max_sm_clock_mhz": _asked(nvml, lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "max_memory_clock_mhz": _asked(nvml, lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "mig": _asked(nvml, lambda: _is_slice(nvml, handle)),
        "mps": _mps_runs(),
        "mps_thread_percentage": os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"),
    }


def _is_slice(nvml: Any, handle: Any) -> bool:
    """Whether the device is an instance of a GPU that is split (MIG), or a GPU that is."""
    if nvml.nvmlDeviceIsMigDeviceHandle(handle):
        return True
    current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _mps_runs() -> bool:
    """Whether NVIDIA's multi-process service is there, through which CUDA then runs: its control pipe says so."""
    return (Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")) / "control").exists()  # its own default


def _momentary(nvml: Any, handle: Any) -> dict[str, object]:
    mask = _asked(nvml, lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    if mask is None:  # its name before driver 535
        mask = _asked(nvml, lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    pids = _asked(nvml, lambda: [each.pid for each in nvml.nvmlDeviceGetComputeRunningProcesses(handle)])
    return {
        "sm_clock_mhz": _asked(nvml, lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory_clock_mhz": _asked(nvml, lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        "temperature_c": _asked(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        "throttle_reasons": None if mask is None else [name for name, bit in _REASONS.items() if mask & bit],
        **_others(pids),
    }


def _others(pids: list[int] | None) -> dict[str, object]:
    """How many other processes use the GPU, and which: None where that is not told.

    In a container the driver may tell the host's numbers, or none. One of those is this process then; nobody here can
    know which.
    """
    if not pids and (pids is None or _in_container()):
        return {"other_processes": None, "foreign_processes": None}
    if os.getpid() not in pids and _in_container():
        return {"other_processes": len(pids) - 1, "foreign_processes": [] if len(pids) == 1 else None}
    others = sorted(pid for pid in pids if pid != os.getpid())
    return {"other_processes": len(others), "foreign_processes": others}


def _in_container() -> bool:
    """Whether processes have other numbers here than on the host: Linux numbers its first namespace so."""
    try:
        return PID_NAMESPACE.stat().st_ino != FIRST_PID_NAMESPACE
    except OSError:  # not Linux
        return False

