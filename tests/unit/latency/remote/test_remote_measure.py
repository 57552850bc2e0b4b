"""`device = "ssh:HOST"`: the whole road, against a real sshd on this machine. Structure alone, never a duration."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import nas
from nas.errors import MeasureError, SpecError
from nas.latency import measure as room
from nas.latency.device import resolve_device
from nas.latency.environment import STATE, describe, fingerprint
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.latency.remote.link import link_to
from nas.latency.remote.there import There, sent_by
from nas.plugins import load_plugins
from nas.worker.canary import sings
from nas.worker.messages import Tell

if TYPE_CHECKING:
    from conftest import Server

SHAPE = (3, 16, 16)
QUICK = LatencyOptions("ssh:loopback", "onnxruntime", threads=1, max_seconds=0.3, max_samples=40)
RUNTIMES = load_plugins().runtimes
ONNXRUNTIME = RUNTIMES["onnxruntime"]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval()


class AnswersNan(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) * float("nan")


@pytest.fixture(autouse=True)
def fresh_link(server: Server) -> None:
    link_to("loopback").close()


def test_a_network_is_measured_there_and_told_as_if_it_were_here() -> None:
    given = network().train()
    found = nas.measure(given, "ssh:loopback", runtime="onnxruntime", input_shape=SHAPE, batch=2, threads=1,
                        max_seconds=0.3, max_samples=40)
    assert given.training
    assert 0 < found.low_ms <= found.median_ms <= found.high_ms
    assert 1 <= found.n == len(found.samples_ms) <= 40
    assert found.reference_ratio > 0
    assert len(found.reference_samples_ms) >= 1
    assert found.fused
    assert found.stopped_by in {"precision", "cap"}
    here = measure_module(network(), SHAPE, LatencyOptions("cpu", threads=1, max_seconds=0.1), RUNTIMES["eager"])
    assert found.conditions.keys() == here.conditions.keys()
    told = {"device", "runtime", "batch", "threads", "reference_runtime"}
    assert {name: found.conditions[name] for name in told} == {
        "device": "ssh:loopback", "runtime": "onnxruntime", "batch": 2, "threads": 1,
        "reference_runtime": "onnxruntime",
    }
    assert here.conditions["reference_runtime"] == "eager"


def test_the_environment_is_that_of_the_machine_that_measures() -> None:
    there, here = describe(resolve_device("ssh:loopback")), describe(resolve_device("cpu"))
    assert {"device", "host", "os", "machine", "python", "cpu", "cpus", "physical_cores", "governor"} <= there.keys()
    assert there.keys().isdisjoint({"onnxruntime", "torch"})  # which are in the key: another one is measured anew
    state = there[STATE]
    assert isinstance(state, dict)
    assert state.keys() >= {"affinity", "load_average", "process"}
    assert state["process"] != os.getpid()
    assert fingerprint(there) != fingerprint(here)
    assert fingerprint(there) == fingerprint(describe(resolve_device("ssh:loopback")))


def test_the_library_that_computes_there_is_in_the_key() -> None:
    libraries = QUICK.resolve(ONNXRUNTIME, [SHAPE]).libraries
    assert libraries.keys() == {"onnx", "onnxscript", "onnxruntime", "numpy"}
    eager = replace(QUICK, runtime="eager").resolve(RUNTIMES["eager"], [SHAPE]).libraries
    assert eager == {"torch": torch.__version__, "torch.export": torch.__version__}


def test_one_process_there_measures_one_candidate_after_the_other() -> None:
    states = [measure_module(network(), SHAPE, QUICK, ONNXRUNTIME).environment[STATE] for _ in range(2)]
    assert len({moment["process"] for state in states for moment in (state["before"], state["after"])}) == 1


def test_a_network_that_answers_nan_there_is_nan() -> None:
    with pytest.raises(MeasureError, match="on ssh:loopback: its output holds NaN") as caught:
        measure_module(AnswersNan(), SHAPE, QUICK, ONNXRUNTIME)
    assert caught.value.outcome == "nan"


def test_phases_are_told_with_their_limits() -> None:
    phases: list[tuple[str, float | None]] = []
    measure_module(network(), SHAPE, QUICK, ONNXRUNTIME, phase=lambda *told: phases.append(told))
    own = [told for told in phases if told[0] != "waiting for the device"]  # somebody else may be timing
    assert [name for name, _ in own] == ["preparing", "timing"]
    assert all(limit is not None for _, limit in own)


def test_a_worker_that_dies_while_timing_is_worker_died_and_the_next_measurement_is_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = There.time

    def shot(self: There, options: LatencyOptions, limit_s: float) -> object:
        os.kill(self.look()[0][STATE]["process"], signal.SIGKILL)
        return honest(self, options, limit_s)

    with monkeypatch.context() as patched:
        patched.setattr(There, "time", shot)
        with pytest.raises(MeasureError, match="timing the network: ssh loopback: while it did \"time\"") as caught:
            measure_module(network(), SHAPE, QUICK, ONNXRUNTIME)
    assert caught.value.outcome == "worker_died"
    assert measure_module(network(), SHAPE, QUICK, ONNXRUNTIME).n >= 1


def test_a_timing_without_an_end_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TIMING_SLACK_S", -2 * QUICK.max_seconds + 0.01)
    with pytest.raises(MeasureError, match="nothing was heard in time \\(time\\)") as caught:
        measure_module(network(), SHAPE, QUICK, ONNXRUNTIME)
    assert caught.value.outcome == "timeout"


@pytest.mark.parametrize(("options", "runtime", "said"), [
    ({"runtime": "openvino"}, "openvino", "it does not run on other machines, as ssh:loopback is; give eager, onnxrun"),
    ({"runtime": "compile"}, "compile", "give eager, onnxruntime or tensorrt"),
    ({"runtime": "tensorrt"}, "tensorrt", "not on ssh:loopback's CPU; give device = 'ssh:loopback/cuda:0'"),
    ({"dtype": "float16"}, "onnxruntime", "give float32"),
    ({"fuse": False}, "onnxruntime", "fuse = false"),
    ({"memory_format": "channels_last"}, "onnxruntime", "give contiguous"),
    ({"caches": "flushed"}, "onnxruntime", "give warm"),
    ({"threads": 4096}, "onnxruntime", "threads = 4096: this process may use"),
])
def test_what_cannot_be_done_there_is_refused_with_the_remedy(
    options: dict[str, object], runtime: str, said: str
) -> None:
    table = {"device": "ssh:loopback", "runtime": "onnxruntime", **options}
    with pytest.raises(SpecError) as caught:
        LatencyOptions.of(table).resolve(RUNTIMES[runtime], [SHAPE])
    assert said in str(caught.value)


def test_a_reference_that_does_not_run_there_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(ONNXRUNTIME, sent=lambda *_: nas.Sent("onnxruntime", (b"no graph",), {"tf32": False}))
    with pytest.raises(MeasureError, match="the reference network cannot be run") as caught:
        QUICK.resolve(broken, [SHAPE])
    assert caught.value.outcome == "device_error"


def test_the_canary_asks_the_other_machine(server: Server) -> None:
    tell = Tell(lambda _message: None)
    assert sings({"device": "ssh:loopback"}, tell)
    link_to("loopback").close()
    server.write_config(port=1)
    with pytest.raises(MeasureError):
        sings({"device": "ssh:loopback"}, tell)


def test_a_network_for_a_library_that_nobody_there_is_asked_for_is_refused() -> None:
    strange = replace(ONNXRUNTIME, sent=lambda _network, _x, _told: nas.Sent("tflite", ()))
    with pytest.raises(MeasureError, match="sends a network for tflite; .* by torch, onnxruntime, tensorrt") as caught:
        sent_by(strange, network(), torch.zeros(1, *SHAPE), nas.RuntimeOptions())
    assert caught.value.outcome == "invalid"
