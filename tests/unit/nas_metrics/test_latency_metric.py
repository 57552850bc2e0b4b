"""Latency as a column of a study: options checked before it starts, conditions in its key, an estimate with samples."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
import nas_metrics.latency
import nas_runtimes.eager
from nas.errors import MeasureError
from nas.latency import lock
from nas.latency.device import resolve_device
from nas.latency.environment import describe, fingerprint
from nas.plugins import load_plugins
from nas.registry import Origin
from nas.runtimes import RuntimeRegistry
from nas.search.prepare import prepare

SHAPE = (3, 16, 16)
SPECS = {spec.name: spec for spec in nas_metrics.latency.nas_metrics()}
QUICK = {"device": "cpu", "threads": 1, "max_seconds": 0.2, "max_samples": 30}


@pytest.fixture
def runtimes() -> RuntimeRegistry:
    registry = RuntimeRegistry()
    [eager] = nas_runtimes.eager.nas_runtimes()
    registry.add(eager, Origin("a plugin", "0123456789ab"))
    return registry


def setting(runtimes: RuntimeRegistry, **options: object) -> nas.Setting:
    table = {**(SPECS["latency_ms"].options or {}), **options}
    return nas.Setting(table, input_shapes=(SHAPE, (3, 224, 224)), classes=10, runtimes=runtimes)


def context(runtimes: RuntimeRegistry, network: nn.Module, **options: object) -> nas.MetricContext:
    arch = nas.Architecture.from_rows([[1, 3, 1, 1, 8, 8, 0, 0]], input_shape=SHAPE)
    table: dict[str, Any] = {**(SPECS["latency_ms"].options or {}), **QUICK, **options}
    return nas.MetricContext(arch, SHAPE, table, 0, "cpu", lambda: network, runtimes)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_a_lock_that_cannot_be_opened_refuses_the_setting_before_any_trial(
    runtimes: RuntimeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_common", lambda: tmp_path)
    check = SPECS["latency_ms"].check
    assert check(setting(runtimes, **QUICK)) is None
    for file in (tmp_path / f"nas-locks-{os.getuid()}").iterdir():
        file.unlink()
        file.mkdir()
    said = check(setting(runtimes, **QUICK))
    assert said is not None
    assert "this lock of the device cannot be opened: Is a directory; remove what is there" in said


def test_the_columns_are_what_the_reference_says() -> None:
    latency, throughput = SPECS["latency_ms"], SPECS["throughput"]
    assert (latency.unit, latency.direction, latency.cost, latency.seeded) == ("ms", "minimize", "cheap", False)
    assert (throughput.unit, throughput.direction, throughput.cost) == ("images/s", "maximize", "cheap")
    assert latency.options is not None
    assert latency.options.items() >= {
        "device": "auto", "runtime": "eager", "batch": 1, "dtype": "float32", "memory_format": "contiguous",
        "threads": "auto", "fuse": True,
    }.items()


def test_they_are_registered_by_entry_point() -> None:
    metrics = load_plugins().metrics
    assert {"latency_ms", "throughput"} <= set(metrics)


def test_naming_the_metrics_loads_no_torch() -> None:
    code = ("import sys, nas_metrics.latency as m, nas_runtimes.eager as e; m.nas_metrics(); e.nas_runtimes();"
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_step_has_a_deadline_the_first_look_at_the_device_too(runtimes: RuntimeRegistry) -> None:
    phases: list[tuple[str, bool]] = []
    asked = replace(context(runtimes, network()), on_phase=lambda name, limit_s: phases.append((name, bool(limit_s))))
    SPECS["latency_ms"].compute(asked)
    assert [phase for phase in phases if phase[0] != "waiting for the device"] == [
        ("asking the device", True), ("preparing", True), ("timing", True)
    ]


def test_a_good_setting_is_accepted(runtimes: RuntimeRegistry) -> None:
    assert SPECS["latency_ms"].check(setting(runtimes)) is None
    assert SPECS["latency_ms"].check(setting(runtimes, **QUICK, batch=8, dtype="bfloat16")) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "device = 'gpu'"),
        ({"device": "cuda:99"}, "device = 'cuda:99'"),
        ({"device": "ssh:-v"}, "device = 'ssh:-v'"),
        ({"device": "ssh:jetson/gpu"}, "give ssh:jetson for its CPU, or ssh:jetson/cuda:0"),
        ({"runtime": "egaer"}, "runtime = 'egaer': unknown (did you mean 'eager'?)"),
        ({"dtype": "float8"}, "dtype = 'float8'"),
        ({"batch": 0}, "batch = 0"),
        ({"batch": 60_000}, "60000x3x224x224"),
        ({"memory_format": "nhwc"}, "memory_format = 'nhwc'"),
        ({"threads": 0}, "threads = 0"),
        ({"threads": 10_000}, "threads = 10000: this process may use"),
        ({"fuse": "maybe"}, "fuse = 'maybe'"),
        ({"bathc": 1}, "unknown option 'bathc' (did you mean 'batch'?)"),
    ],
)
def test_bad_settings_are_refused_before_a_study_starts(
    runtimes: RuntimeRegistry, options: dict[str, object], message: str
) -> None:
    for spec in SPECS.values():
        assert message in str(spec.check(setting(runtimes, **options)))


def test_the_cache_key_holds_what_the_options_mean_on_this_machine(runtimes: RuntimeRegistry) -> None:
    found = SPECS["latency_ms"].conditions(setting(runtimes, **QUICK))
    assert found == {
        "device": "cpu",
        "threads": 1,
        "environment": fingerprint(describe(resolve_device("cpu"))),
        "runtime_version": 2,
        "runtime_libraries": {},
        "runtime_source": "0123456789ab",
    }
    assert SPECS["latency_ms"].conditions(setting(runtimes, **QUICK)) == found


def test_the_library_behind_a_runtime_is_part_of_the_cache_key() -> None:
    def found(version: str) -> Mapping[str, object]:
        registry = RuntimeRegistry()
        spec = nas.RuntimeSpec("turbo", 1, print, libraries=lambda _options: {"libturbo": version})
        registry.add(spec, Origin("a plugin", "0123456789ab"))
        return SPECS["latency_ms"].conditions(setting(registry, **QUICK, runtime="turbo"))

    assert found("1.2")["runtime_libraries"] == {"libturbo": "1.2"}
    assert found("1.2") == found("1.2") != found("1.3")


STUDY = """
[study]
name = "keys"
[input]
shape = [3, 16, 16]
classes = 10
[[stages]]
block = "conv"
channels = [8, 16]
[objectives]
latency_ms = "minimize"
[columns.latency_ms]
device = "cpu"
threads = 1
"""


def keys(folder: Path, *lines: str) -> set[str]:
    """The key of one and the same network in the column of such a study, with these lines in its table."""
    (folder / "keys.toml").write_text("\n".join([STUDY, *lines]))
    return {column.key("a" * 12, {}, 0) for column in prepare(folder / "keys.toml").columns}


def test_every_condition_of_a_measurement_is_part_of_its_key(tmp_path: Path) -> None:
    changes = ["batch = 2", 'dtype = "bfloat16"', 'memory_format = "channels_last"', "fuse = false",
               'runtime = "openvino"', 'runtime = "onnxruntime"', 'runtime = "compile"']
    plain = keys(tmp_path)
    assert keys(tmp_path) == plain
    different = [keys(tmp_path, change) for change in changes]
    different.append(keys(tmp_path, 'caches = "warm"  # the default, written out'))
    assert different.pop() == plain
    try:
        torch.set_float32_matmul_precision("medium")
        different.append(keys(tmp_path))
    finally:
        torch.set_float32_matmul_precision("highest")
    if len(os.sched_getaffinity(0)) > 1:
        (tmp_path / "keys.toml").write_text(STUDY.replace("threads = 1", "threads = 2"))
        different.append({column.key("a" * 12, {}, 0) for column in prepare(tmp_path / "keys.toml").columns})
    assert len({*plain}.union(*different)) == 1 + len(different)


def test_the_estimate_holds_median_interval_samples_conditions_and_environment(runtimes: RuntimeRegistry) -> None:
    estimate = SPECS["latency_ms"].compute(context(runtimes, network()))
    assert isinstance(estimate, nas.Estimate)
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 < estimate.low <= estimate.value <= estimate.high
    assert len(estimate.samples) >= 1
    assert estimate.iqr is not None
    assert estimate.conditions.items() >= {
        "device": "cpu", "runtime": "eager", "batch": 1, "dtype": "float32", "memory_format": "contiguous",
        "threads": 1, "fused": True,
    }.items()
    assert {"reference_ratio", "stopped_by", "seconds", "state", "reference_samples_ms"} <= set(estimate.conditions)
    assert estimate.environment is not None
    assert fingerprint(estimate.environment) == estimate.conditions["environment"]


def test_the_environment_is_equal_for_all_candidates_that_share_a_machine(runtimes: RuntimeRegistry) -> None:
    first, second = (SPECS["latency_ms"].compute(context(runtimes, network())) for _ in range(2))
    assert isinstance(first, nas.Estimate)
    assert isinstance(second, nas.Estimate)
    assert first.environment == second.environment


def test_warnings_reach_the_row(runtimes: RuntimeRegistry) -> None:
    unfoldable = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3))
    estimate = SPECS["latency_ms"].compute(context(runtimes, unfoldable))
    assert isinstance(estimate, nas.Estimate)
    assert estimate.conditions["fused"] is False
    assert "batch norms are not folded" in estimate.message


def test_what_the_column_tells_of_its_device_is_not_told_of_every_measurement(
    runtimes: RuntimeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told = SPECS["latency_ms"].notice(setting(runtimes, device="auto"))
    assert "no CUDA device" in told
    unfoldable = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3))
    estimate = SPECS["latency_ms"].compute(context(runtimes, unfoldable, device="auto"))
    assert isinstance(estimate, nas.Estimate)
    assert told not in estimate.message
    assert "batch norms are not folded" in estimate.message


def test_throughput_is_images_over_latency_with_its_interval_turned_round(runtimes: RuntimeRegistry) -> None:
    estimate = SPECS["throughput"].compute(context(runtimes, network(), batch=4))
    assert isinstance(estimate, nas.Estimate)
    assert estimate.low is not None
    assert estimate.high is not None
    assert 0 < estimate.low <= estimate.value <= estimate.high
    assert min(estimate.samples) <= estimate.value <= max(estimate.samples)
    assert estimate.conditions["batch"] == 4


def test_a_candidate_that_cannot_run_raises_its_outcome(runtimes: RuntimeRegistry) -> None:
    with pytest.raises(MeasureError) as caught:
        SPECS["latency_ms"].compute(context(runtimes, nn.Conv2d(7, 2, 3)))
    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize("outcome", ["contaminated", "throttled"])
@pytest.mark.parametrize("name", ["latency_ms", "throughput"])
def test_no_study_takes_a_value_of_a_machine_that_was_not_itself(
    runtimes: RuntimeRegistry, monkeypatch: pytest.MonkeyPatch, name: str, outcome: str
) -> None:
    import nas.latency.measure as room

    measure_module = room.measure_module

    def spoilt(*given: Any, **named: Any) -> Any:
        return replace(measure_module(*given, **named), outcome=outcome, warnings=("the machine moved",))

    monkeypatch.setattr(room, "measure_module", spoilt)
    with pytest.raises(MeasureError, match=r"ms \[.*\], n = \d+: the machine moved") as caught:
        SPECS[name].compute(context(runtimes, network()))
    assert caught.value.outcome == outcome
