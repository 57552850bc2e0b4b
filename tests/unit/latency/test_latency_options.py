"""Options are refused before anything is built, with a message that says what to write instead."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

import nas
from nas.errors import SpecError
from nas.latency import options as room
from nas.latency import processor
from nas.latency.device import Device
from nas.latency.options import LatencyOptions, find_runtime
from nas.registry import Origin
from nas.runtimes import RuntimeRegistry

SHAPE = (3, 224, 224)


def test_defaults_are_the_ones_of_the_study_file_reference() -> None:
    named = {"device": "auto", "runtime": "eager", "batch": 1, "dtype": "float32", "memory_format": "contiguous",
             "threads": "auto", "fuse": True, "caches": "warm"}
    assert LatencyOptions().as_dict().items() >= named.items()
    assert LatencyOptions.of({}) == LatencyOptions()


def test_options_of_a_table_keep_what_it_says() -> None:
    options = LatencyOptions.of({"batch": 8, "fuse": False, "target": 0.05})
    assert (options.batch, options.fuse, options.target, options.dtype) == (8, False, 0.05, "float32")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"bacth": 8}, "unknown option 'bacth' (did you mean 'batch'?)"),
        ({"batch": 0}, "batch = 0: give a whole number from 1"),
        ({"batch": -3}, "batch = -3"),
        ({"batch": 2.5}, "batch = 2.5"),
        ({"batch": True}, "batch = True"),
        ({"batch": "8"}, "batch = '8'"),
        ({"batch": 10**9}, "batch = 1000000000: give a whole number from 1 to 65536"),
        ({"dtype": "float23"}, "'float23': unknown (did you mean 'float32'?); give float32 or float16 or bfloat16"),
        ({"dtype": "int8"}, "dtype = 'int8'"),
        ({"memory_format": "channel_last"}, "(did you mean 'channels_last'?)"),
        ({"threads": 0}, 'threads = 0: give a whole number from 1 to 65536, or "auto"'),
        ({"threads": "all"}, "threads = 'all'"),
        ({"threads": 1.5}, "threads = 1.5"),
        ({"fuse": 1}, "fuse = 1: give true or false"),
        ({"fuse": "yes"}, "fuse = 'yes'"),
        ({"caches": "cold"}, "caches = 'cold': unknown; give warm or flushed"),
        ({"target": 0}, "target = 0: give a number above 0"),
        ({"target": float("nan")}, "target = nan"),
        ({"max_seconds": -1}, "max_seconds = -1"),
        ({"max_seconds": float("inf")}, "max_seconds = inf"),
        ({"max_samples": 0}, "max_samples = 0"),
        ({"device": 0}, "device = 0: give a name"),
        ({"runtime": None}, "runtime = None: give a name"),
    ],
)
def test_refused_values_name_the_option_the_value_and_the_remedy(table: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        LatencyOptions.of(table)
    assert message in str(caught.value)


def test_auto_threads_leave_a_core_to_others(monkeypatch: pytest.MonkeyPatch, eager: nas.RuntimeSpec) -> None:
    for cores, threads in ((1, 1), (2, 1), (8, 7)):
        monkeypatch.setattr(processor, "physical_cores", lambda cores=cores: cores)
        assert LatencyOptions(device="cpu").resolve(eager).threads == threads


def test_more_threads_than_cpus_are_refused(eager: nas.RuntimeSpec) -> None:
    there = len(os.sched_getaffinity(0))
    assert LatencyOptions(device="cpu", threads=there).resolve(eager).threads == there
    with pytest.raises(SpecError, match=f"threads = {there + 1}: this process may use {there} CPUs"):
        LatencyOptions(device="cpu", threads=there + 1).resolve(eager)


def test_an_input_that_no_kernel_indexes_is_refused(eager: nas.RuntimeSpec) -> None:
    options = LatencyOptions(device="cpu", batch=60_000)
    assert options.resolve(eager, [(3, 32, 32)])
    with pytest.raises(SpecError, match="batch = 60000: an input of 60000x3x224x224"):
        options.resolve(eager, [(3, 32, 32), SHAPE])


def test_a_runtime_that_does_not_know_the_device_is_refused(eager: nas.RuntimeSpec) -> None:
    graphs = replace(eager, name="cuda_graph", devices=frozenset({"cuda"}))
    with pytest.raises(SpecError, match="runtime = 'cuda_graph': runs on cuda, not on cpu"):
        LatencyOptions(device="cpu").resolve(graphs)


def test_what_a_runtime_refuses_is_said_with_its_name_and_it_is_told_the_conditions(eager: nas.RuntimeSpec) -> None:
    told: list[nas.RuntimeOptions] = []

    def check(options: nas.RuntimeOptions) -> str | None:
        told.append(options)
        return "turbo is not installed; pip install turbo"

    options = LatencyOptions(device="cpu", dtype="bfloat16", memory_format="channels_last", threads=1, fuse=False)
    with pytest.raises(SpecError, match="^runtime = 'fast': turbo is not installed; pip install turbo$"):
        options.resolve(replace(eager, name="fast", check=check))
    assert told == [nas.RuntimeOptions("cpu", "bfloat16", "channels_last", 1, fuse=False)]


def test_the_libraries_of_a_runtime_are_asked_for_once_it_accepts(eager: nas.RuntimeSpec) -> None:
    assert LatencyOptions(device="cpu").resolve(eager).libraries == {}
    spec = replace(eager, libraries=lambda _options: {"turbo": "1.2"})
    assert LatencyOptions(device="cpu").resolve(spec).libraries == {"turbo": "1.2"}
    refusing = replace(spec, check=lambda _options: "no", libraries=lambda _options: pytest.fail("asked too early"))
    with pytest.raises(SpecError):
        LatencyOptions(device="cpu").resolve(refusing)


def test_flushed_caches_are_refused_on_a_cpu(monkeypatch: pytest.MonkeyPatch, eager: nas.RuntimeSpec) -> None:
    with pytest.raises(SpecError, match="caches = 'flushed': the L2 of CUDA devices can be flushed, .* give warm"):
        LatencyOptions(device="cpu", caches="flushed").resolve(eager)
    monkeypatch.setattr(room, "lacks_dtype", lambda _device, _dtype: None)
    monkeypatch.setattr(room, "resolve_device", lambda _device: Device("cuda:0", "NVIDIA T4"))
    assert LatencyOptions(caches="flushed").resolve(eager).told.caches == "flushed"


def test_a_dtype_that_the_device_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, eager: nas.RuntimeSpec) -> None:
    monkeypatch.setattr(room, "lacks_dtype", lambda device, dtype: f"{device.name} has no {dtype} arithmetic")
    monkeypatch.setattr(room, "resolve_device", lambda _device: Device("cuda:0", "NVIDIA T4"))
    with pytest.raises(SpecError, match="dtype = 'bfloat16': NVIDIA T4 has no bfloat16 arithmetic; give float32"):
        LatencyOptions(dtype="bfloat16").resolve(eager)


def test_an_unknown_runtime_tells_the_nearest_and_all(eager: nas.RuntimeSpec) -> None:
    runtimes = RuntimeRegistry()
    runtimes.add(eager, Origin("here", "0"))
    assert find_runtime("eager", runtimes) is eager
    with pytest.raises(SpecError, match=r"runtime = 'eagre': unknown \(did you mean 'eager'\?\); there are eager"):
        find_runtime("eagre", runtimes)
    with pytest.raises(SpecError, match="there are none"):
        find_runtime("eager", RuntimeRegistry())
