"""What NVIDIA's library says of a GPU, asked of a stand-in with its names."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from nas.latency import gpu


class NVMLError(Exception):
    pass


def library(**changed: object) -> SimpleNamespace:
    """A stand-in for `pynvml` with one GPU, `GPU-1234`, on which this process and process 77 run."""
    state = SimpleNamespace(open=0)

    def by_uuid(uuid: str) -> str:
        if uuid != "GPU-1234":
            raise NVMLError("Not Found")
        return "handle"

    def shutdown() -> None:
        state.open -= 1

    def init() -> None:
        state.open += 1

    names: dict[str, object] = {
        "state": state,
        "NVMLError": NVMLError,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlClocksThrottleReasonSwPowerCap": 4,
        "nvmlClocksThrottleReasonHwSlowdown": 8,
        "nvmlClocksThrottleReasonSwThermalSlowdown": 32,
        "nvmlInit": init,
        "nvmlShutdown": shutdown,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetPowerManagementLimit": lambda _handle: 72_000,
        "nvmlDeviceGetMaxClockInfo": lambda _handle, clock: {1: 2040, 2: 6251}[clock],
        "nvmlDeviceGetClockInfo": lambda _handle, clock: {1: 1500, 2: 6251}[clock],
        "nvmlDeviceGetTemperature": lambda _handle, _sensor: 61,
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _handle: 1 | 4,  # idle, power cap
        "nvmlDeviceGetComputeRunningProcesses": lambda _handle: [SimpleNamespace(pid=pid) for pid in (77, os.getpid())],
    }
    return SimpleNamespace(**(names | changed))


def use(monkeypatch: pytest.MonkeyPatch, stand_in: object) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)


def test_facts_that_last_and_facts_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = library()
    use(monkeypatch, nvml)
    lasting, now, unavailable = gpu.facts("1234")
    assert lasting == {"driver": "580.1", "power_limit_w": 72, "max_sm_clock_mhz": 2040, "max_memory_clock_mhz": 6251}
    assert now == {
        "sm_clock_mhz": 1500,
        "memory_clock_mhz": 6251,
        "temperature_c": 61,
        "throttle_reasons": ["sw_power_cap"],
        "foreign_processes": [77],
    }
    assert unavailable is None
    assert nvml.state.open == 0


def test_one_fact_that_a_card_does_not_tell_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: object) -> int:
        raise NVMLError("Not Supported")

    nvml = library(nvmlDeviceGetPowerManagementLimit=unsupported)
    del nvml.nvmlDeviceGetCurrentClocksThrottleReasons
    use(monkeypatch, nvml)
    lasting, now, unavailable = gpu.facts("GPU-1234")
    assert (lasting["power_limit_w"], lasting["driver"]) == (None, "580.1")
    assert (now["throttle_reasons"], now["temperature_c"]) == (None, 61)
    assert unavailable is None


def test_a_library_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, None)
    lasting, now, unavailable = gpu.facts("1234")
    assert (lasting, now) == ({}, {})
    assert unavailable == ("GPU clocks, temperature, throttling and other processes are unknown: "
                           "the package nvidia-ml-py is not installed")


def test_a_gpu_unknown_to_the_library_is_said_and_the_library_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = library()
    use(monkeypatch, nvml)
    assert gpu.facts("9999")[2] == ("GPU clocks, temperature, throttling and other processes are unknown: "
                                    "NVMLError: Not Found")
    assert nvml.state.open == 0
