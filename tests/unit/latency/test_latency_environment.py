"""The machine as a value: what lasts makes its fingerprint, what passes does not."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from nas.latency import environment as room
from nas.latency.device import resolve_device
from nas.latency.environment import describe, doubts, fingerprint, joined, lasting, throttled

CPU = resolve_device("cpu")


def test_the_cpu_is_described_in_values_that_json_holds() -> None:
    environment = describe(CPU)
    assert json.loads(json.dumps(environment)) == environment
    assert environment["device"] == environment["cpu"] == CPU.name
    assert environment["torch"] == str(torch.__version__)
    for fact in ("host", "os", "python", "cpus", "physical_cores", "governor", "matmul_precision"):
        assert fact in environment
    assert {"load_average", "affinity", "process"} <= set(environment["state"])  # type: ignore[call-overload]


def test_two_looks_at_one_machine_have_one_fingerprint() -> None:
    first, second = describe(CPU), describe(CPU)
    assert fingerprint(first) == fingerprint(second)
    assert len(fingerprint(first)) == 12
    int(fingerprint(first), 16)


def test_the_fingerprint_knows_nothing_of_the_moment() -> None:
    environment = describe(CPU)
    busy = environment | {"state": {"load_average": 99.0, "temperature_c": 90}}
    assert fingerprint(busy) == fingerprint(environment) == fingerprint(lasting(environment))
    assert "state" not in lasting(environment)


@pytest.mark.parametrize("fact", ["torch", "host", "cpus", "device", "matmul_precision"])
def test_the_fingerprint_knows_what_lasts(fact: str) -> None:
    environment = describe(CPU)
    assert fingerprint(environment | {fact: "another"}) != fingerprint(environment)


def test_the_order_of_facts_does_not_matter() -> None:
    environment = describe(CPU)
    assert fingerprint(dict(reversed(environment.items()))) == fingerprint(environment)


def test_a_change_of_the_precision_of_float32_is_another_environment() -> None:
    before = torch.get_float32_matmul_precision()
    first = fingerprint(describe(CPU))
    try:
        torch.set_float32_matmul_precision("medium")
        assert fingerprint(describe(CPU)) != first
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_gpu_is_described_with_its_uuid_and_what_its_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(uuid="1234", major=8, minor=9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _name: card)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _name: (20 * 2**30, 24 * 2**30))
    monkeypatch.setattr(room.gpu, "facts", lambda _uuid: ({"driver": "580.1"}, {"temperature_c": 50}, None))
    gpu = room.Device("cuda:0", "NVIDIA L4")
    environment = describe(gpu)
    assert environment.items() >= {
        "device": "NVIDIA L4", "gpu_uuid": "1234", "compute_capability": "8.9", "gpu_memory_mib": 24576,
        "driver": "580.1",
    }.items()
    assert {"cuda", "cudnn", "cudnn_benchmark", "convolution_precision"} <= set(environment)
    assert environment["state"].items() >= {"temperature_c": 50, "gpu_memory_free_mib": 20480}.items()  # type: ignore[attr-defined]
    first = fingerprint(environment)
    monkeypatch.setattr(room.gpu, "facts", lambda _uuid: ({"driver": "580.1"}, {"temperature_c": 80}, None))
    assert fingerprint(describe(gpu)) == first
    monkeypatch.setattr(room.gpu, "facts", lambda _uuid: ({"driver": "590.0"}, {"temperature_c": 80}, None))
    assert fingerprint(describe(gpu)) != first


def state(foreign: float | None = 0.0, **after: object) -> dict[str, object]:
    return {"cpus": 2, "state": {"before": {}, "after": after, "foreign_cpus": foreign}}


def test_a_measurement_joins_what_was_before_with_what_was_after() -> None:
    before, after = describe(CPU), describe(CPU)
    both = joined(before, after, 0.5)
    assert both["state"] == {"before": before["state"], "after": after["state"], "foreign_cpus": 0.5}
    assert fingerprint(both) == fingerprint(before)


@pytest.mark.parametrize(
    ("foreign", "threads", "doubted"),
    [(0.0, 2, False), (1.0, 1, False), (1.0, 2, True), (1.9, 1, True), (None, 2, False)],
)
def test_others_are_a_doubt_where_they_take_what_the_threads_need(
    foreign: float | None, threads: int, doubted: bool
) -> None:
    found = list(doubts(state(foreign), threads))
    assert bool(found) is doubted
    if doubted:
        timed = "1 thread was timed" if threads == 1 else f"{threads} threads were timed"
        assert f"kept {foreign:g} of 2 CPUs busy while {timed}: " in found[0]


def test_a_gpus_state_is_a_doubt_where_it_is_throttled_shared_or_unknown() -> None:
    after = state(unavailable="nothing is known", throttle_reasons=["sw_power_cap"], foreign_processes=[77])
    found = list(doubts(after, 1))
    assert found == ["nothing is known", "the GPU was throttled: sw_power_cap", "other processes use this GPU: 77"]
    assert list(doubts(state(throttle_reasons=[], other_processes=0, foreign_processes=[]), 1)) == []


def test_what_a_driver_does_not_tell_of_a_gpu_is_a_doubt() -> None:
    assert list(doubts(state(throttle_reasons=None, other_processes=None, foreign_processes=None), 1)) == [
        "whether the GPU was throttled is unknown: its driver does not tell",
        "whether other processes use this GPU is unknown: its driver does not tell",
    ]


def test_other_processes_whose_numbers_a_container_hides_are_counted() -> None:
    hidden = state(throttle_reasons=[], other_processes=2, foreign_processes=None)
    assert list(doubts(hidden, 1)) == ["other processes use this GPU: 2, whose numbers this container hides"]


@pytest.mark.parametrize(("foreign", "doubted"), [(1.0, False), (1.9, True)])
def test_on_a_gpu_the_host_needs_one_cpu_to_launch_however_many_threads_it_has(foreign: float, doubted: bool) -> None:
    found = list(doubts(state(foreign) | {"gpu_uuid": "1234"}, 2))
    assert bool(found) is doubted
    if doubted:
        assert "kept 1.9 of 2 CPUs busy while one thread launched the GPU's work" in found[0]


def test_a_precision_set_for_one_library_alone_is_told_and_stops_nobody() -> None:
    code = """
import torch
from nas.latency.device import resolve_device
from nas.latency.environment import describe, fingerprint
cpu = resolve_device("cpu")
before = describe(cpu)
torch.backends.cuda.matmul.fp32_precision = "tf32"    # after which torch.get_float32_matmul_precision() raises
assert fingerprint(describe(cpu)) == fingerprint(before)
torch.backends.mkldnn.conv.fp32_precision = "bf16"
assert describe(cpu)["convolution_precision"] == "bf16"
assert fingerprint(describe(cpu)) != fingerprint(before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_gpu_is_throttled_by_heat_before_or_after_timing_but_not_by_its_own_power_limit() -> None:
    for when in ("before", "after"):
        moments = {"before": {}, "after": {}, when: {"throttle_reasons": ["sw_thermal_slowdown"]}}
        found = {"cpus": 2, "state": {**moments, "foreign_cpus": 0.0}}
        assert throttled(found)
        assert list(doubts(found, 1)) == ["the GPU was throttled: sw_thermal_slowdown"]
    assert not throttled(state(throttle_reasons=["sw_power_cap"]))
    assert not throttled(state(throttle_reasons=None))


def test_a_process_that_had_to_wait_for_a_cpu_is_a_doubt() -> None:
    assert list(doubts(state(), 1, waited=0.33)) == ["for 33% of the time it waited for a CPU"]
    assert list(doubts(state(), 1, waited=0.04)) == []
