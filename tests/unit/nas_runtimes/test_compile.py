"""torch.compile: the whole network as one graph, compiled before it is timed; a missing compiler is said beforehand."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nas
import nas_runtimes.compile
from nas.errors import MeasureError, SpecError
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins

COMPILE = load_plugins().runtimes["compile"]
SHAPE = (3, 16, 16)
QUICK = LatencyOptions(device="cpu", threads=1, max_seconds=0.2, max_samples=30)


class Block(nn.Module):
    """Candidates of a search share the code of their blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution, self.act = nn.Conv2d(3, channels, 3), nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.convolution(x)).mean((2, 3))


def test_it_answers_as_in_eager_mode_and_is_compiled_when_it_is_prepared() -> None:
    net, x = Block(8).eval().requires_grad_(False), torch.randn(2, *SHAPE)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    call = COMPILE.prepare(net, x, nas.RuntimeOptions())
    compiled = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert compiled == before + 1
    with torch.inference_mode():
        for _ in range(2):
            x.normal_()
            torch.testing.assert_close(call(), net(x), rtol=1e-3, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == compiled, "a call compiles nothing"


def test_more_candidates_than_torch_keeps_graphs_of_are_compiled_one_after_the_other() -> None:
    x = torch.randn(1, *SHAPE)
    with torch._dynamo.config.patch(recompile_limit=2):
        for channels in range(1, 5):
            call = COMPILE.prepare(Block(channels).eval().requires_grad_(False), x, nas.RuntimeOptions())
            with torch.inference_mode():
                answer = call()
            assert isinstance(answer, Tensor)
            assert answer.shape == (1, channels)


def test_a_measurement_names_the_compiler() -> None:
    latency = measure_module(Block(8), SHAPE, QUICK, COMPILE)
    assert latency.n >= 1
    libraries = latency.conditions["runtime_libraries"]
    assert isinstance(libraries, dict)
    [(name, version)] = libraries.items()
    assert shutil.which(name)
    assert version[0].isdigit()


def test_a_network_that_is_no_single_graph_is_invalid_instead_of_half_compiled() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() if float(x.sum()) > 0 else x

    with pytest.raises(MeasureError, match="preparing runtime 'compile': UserError: .*data-dependent") as caught:
        measure_module(Branches(), SHAPE, QUICK, COMPILE)
    assert caught.value.outcome == "invalid"


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SpecError, match=r"'compile': torch.compile needs a C\+\+ compiler, and there is none here; inst"):
        QUICK.resolve(COMPILE)
    monkeypatch.setenv("CXX", "/absent/g++")
    with pytest.raises(SpecError, match=r"CXX = '/absent/g\+\+' is none here; install g\+\+, or name one in CXX"):
        QUICK.resolve(COMPILE)


def test_a_python_without_its_headers_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(SpecError, match=r"needs Python's headers, and .*Python.h is not there; install python3-dev"):
        QUICK.resolve(COMPILE)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\nexec sleep 60\n", r"does not say its version within 0\.2 s"),
        ("no program\n", "cannot be started: Exec format error"),
    ],
)
def test_a_compiler_that_does_not_answer_is_said_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, said: str
) -> None:
    stuck = tmp_path / "compiler"
    stuck.write_text(script)
    stuck.chmod(0o755)
    monkeypatch.setenv("CXX", str(stuck))
    monkeypatch.setattr(nas_runtimes.compile, "ANSWER_LIMIT_S", 0.2)
    with pytest.raises(SpecError, match=rf"'compile': the C\+\+ compiler {stuck} {said}.*; name another in CXX"):
        QUICK.resolve(COMPILE)
