"""What NVIDIA's library says of a GPU, asked of a stand-in with its names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
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
        "NVML_DEVICE_MIG_ENABLE": 1,
        "nvmlInit": init,
        "nvmlShutdown": shutdown,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetPowerManagementLimit": lambda _handle: 72_000,
        "nvmlDeviceGetMaxClockInfo": lambda _handle, clock: {1: 2040, 2: 6251}[clock],
        "nvmlDeviceGetClockInfo": lambda _handle, clock: {1: 1500, 2: 6251}[clock],
        "nvmlDeviceGetTemperature": lambda _handle, _sensor: 61,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda _handle: 1 | 4,  # idle, power cap
        "nvmlDeviceIsMigDeviceHandle": lambda _handle: 0,
        "nvmlDeviceGetMigMode": lambda _handle: [0, 1],  # now, and after the next reset
        "nvmlDeviceGetComputeRunningProcesses": lambda _handle: [SimpleNamespace(pid=pid) for pid in (77, os.getpid())],
    }
    return SimpleNamespace(**(names | changed))


@pytest.fixture(autouse=True)
def on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    in_namespace(monkeypatch, gpu.FIRST_PID_NAMESPACE)


def in_namespace(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Of processes; Linux numbers it so."""
    monkeypatch.setattr(gpu, "PID_NAMESPACE", SimpleNamespace(stat=lambda: SimpleNamespace(st_ino=number)))


@pytest.fixture(autouse=True)
def pipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the multi-process service would have its pipes."""
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", raising=False)
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, stand_in: object) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)


def test_facts_that_last_and_facts_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = library()
    use(monkeypatch, nvml)
    lasting, now, unavailable = gpu.facts("1234")
    assert lasting == {
        "driver": "580.1", "power_limit_w": 72, "max_sm_clock_mhz": 2040, "max_memory_clock_mhz": 6251,
        "mig": False, "mps": False, "mps_thread_percentage": None,
    }
    assert now == {
        "sm_clock_mhz": 1500,
        "memory_clock_mhz": 6251,
        "temperature_c": 61,
        "throttle_reasons": ["sw_power_cap"],
        "other_processes": 1,
        "foreign_processes": [77],
    }
    assert unavailable is None
    assert nvml.state.open == 0


def test_one_fact_that_a_card_does_not_tell_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: object) -> int:
        raise NVMLError("Not Supported")

    nvml = library(nvmlDeviceGetPowerManagementLimit=unsupported)
    del nvml.nvmlDeviceGetCurrentClocksEventReasons
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


def test_a_gpu_that_is_split_and_an_instance_of_one_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, library(nvmlDeviceGetMigMode=lambda _handle: [1, 1]))
    assert gpu.facts("1234")[0]["mig"] is True

    def of_an_instance(handle: object) -> list[int]:
        raise NVMLError("Invalid Argument")

    use(monkeypatch, library(nvmlDeviceIsMigDeviceHandle=lambda _handle: 1, nvmlDeviceGetMigMode=of_an_instance))
    assert gpu.facts("1234")[0]["mig"] is True


def test_a_card_that_knows_no_splitting_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: object) -> list[int]:
        raise NVMLError("Not Supported")

    use(monkeypatch, library(nvmlDeviceGetMigMode=unsupported))
    assert gpu.facts("1234")[0]["mig"] is None


def test_the_multi_process_service_and_its_share_are_told(monkeypatch: pytest.MonkeyPatch, pipes: Path) -> None:
    use(monkeypatch, library())
    (pipes / "control").touch()
    monkeypatch.setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "50")
    found = gpu.facts("1234")[0]
    assert (found["mps"], found["mps_thread_percentage"]) == (True, "50")


@pytest.mark.parametrize("name", ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"])
@pytest.mark.parametrize(
    ("mask", "reasons"),
    [
        (0, []), (1, []), (0x04, ["sw_power_cap"]), (0x08 | 0x40, ["hw_slowdown", "hw_thermal_slowdown"]),
        (0x80, ["hw_power_brake"]), (0x20, ["sw_thermal_slowdown"]),
    ],
)
def test_throttling_is_read_by_the_name_of_today_and_by_that_of_old_drivers(
    monkeypatch: pytest.MonkeyPatch, name: str, mask: int, reasons: list[str]
) -> None:
    nvml = library()
    del nvml.nvmlDeviceGetCurrentClocksEventReasons
    setattr(nvml, name, lambda _handle: mask)
    use(monkeypatch, nvml)
    assert gpu.facts("1234")[1]["throttle_reasons"] == reasons


@pytest.mark.parametrize("reason", ["hw_slowdown", "hw_thermal_slowdown", "hw_power_brake", "sw_thermal_slowdown"])
def test_heat_and_failing_power_are_severe(reason: str) -> None:
    assert reason in gpu.SEVERE


def test_the_cards_own_power_limit_is_not() -> None:
    assert "sw_power_cap" not in gpu.SEVERE


ME = os.getpid()


@pytest.mark.parametrize(
    ("pids", "contained", "count", "others"),
    [
        ([77, ME], False, 1, [77]),
        ([ME], False, 0, []),
        ([77], False, 1, [77]),
        ([], False, 0, []),
        ([77, ME], True, 1, [77]),
        ([4711], True, 0, []),  # this process itself, under the host's number
        ([4711, 4712, 4713], True, 2, None),
        ([], True, None, None),  # and yet this process uses it
    ],
)
def test_this_process_is_none_of_the_others_under_the_host_s_number_either(
    monkeypatch: pytest.MonkeyPatch, pids: list[int], contained: bool, count: int | None, others: list[int] | None
) -> None:
    use(monkeypatch, library(
        nvmlDeviceGetComputeRunningProcesses=lambda _handle: [SimpleNamespace(pid=pid) for pid in pids]
    ))
    in_namespace(monkeypatch, gpu.FIRST_PID_NAMESPACE - contained)
    now = gpu.facts("1234")[1]
    assert (now["other_processes"], now["foreign_processes"]) == (count, others)


def test_a_system_without_namespaces_numbers_processes_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, library())
    monkeypatch.setattr(gpu, "PID_NAMESPACE", tmp_path / "pid")
    assert gpu.facts("1234")[1]["foreign_processes"] == [77]


def test_processes_that_a_card_does_not_tell_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: object) -> list[object]:
        raise NVMLError("Not Supported")

    use(monkeypatch, library(nvmlDeviceGetComputeRunningProcesses=unsupported))
    now = gpu.facts("1234")[1]
    assert (now["other_processes"], now["foreign_processes"]) == (None, None)
