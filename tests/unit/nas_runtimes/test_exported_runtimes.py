"""ONNX Runtime and OpenVINO run the network that they are handed, as they are told, and say what they cannot do."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import nas
import nas_runtimes.onnx_graph
import nas_runtimes.onnxruntime
import nas_runtimes.openvino
from nas.errors import MeasureError, SpecError
from nas.latency.fold import fold_batch_norms
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins

NAMES = ("onnxruntime", "openvino")
SHAPE = (3, 16, 16)
QUICK = LatencyOptions(device="cpu", threads=1, max_seconds=0.2, max_samples=30)
RUNTIMES = {name: load_plugins().runtimes[name] for name in NAMES}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval().requires_grad_(False)


def tensors(answer: object) -> list[Tensor]:
    assert isinstance(answer, list)
    return answer


@functools.cache
def folded(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A published network with its batch norms folded, an input, and the answer that it gave before."""
    net = nas.build(nas.load(name), seed=1).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for module in net.modules():  # statistics as training leaves them, not the ones that change nothing
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=random)
            module.running_var.uniform_(0.8, 1.2, generator=random)
    x = torch.randn(2, 3, 64, 64, generator=random)
    with torch.inference_mode():
        expected = net(x)
    assert fold_batch_norms(net, x).complete
    return net, x, expected


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "efficientnet_b0"])
@pytest.mark.parametrize("runtime", NAMES)
def test_published_networks_answer_as_in_eager_mode(runtime: str, name: str) -> None:
    net, x, expected = folded(name)
    [answer] = tensors(RUNTIMES[runtime].prepare(net, x, nas.RuntimeOptions())())
    assert answer.shape == expected.shape
    assert float((answer - expected).abs().max()) <= 1e-3 * float(expected.abs().max())


@pytest.mark.parametrize("runtime", NAMES)
def test_a_call_computes_anew_from_the_input_where_it_lies(runtime: str) -> None:
    net, x = network(), torch.randn(1, *SHAPE)
    call = RUNTIMES[runtime].prepare(net, x, nas.RuntimeOptions())
    for _ in range(2):
        x.normal_()
        [answer] = tensors(call())
        torch.testing.assert_close(answer, net(x), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("runtime", NAMES)
def test_every_output_is_computed(runtime: str) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x.relu(), x.mean((2, 3))

    net, x = Two().eval(), torch.randn(1, *SHAPE)
    first, second = tensors(RUNTIMES[runtime].prepare(net, x, nas.RuntimeOptions())())
    torch.testing.assert_close(first, x.relu())
    torch.testing.assert_close(second, x.mean((2, 3)), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("runtime", NAMES)
def test_a_measurement_goes_the_whole_road_and_names_the_libraries(runtime: str) -> None:
    latency = measure_module(network(), SHAPE, QUICK, RUNTIMES[runtime])
    assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
    assert latency.fused
    assert not any("answers otherwise" in warning for warning in latency.warnings)
    libraries = latency.conditions["runtime_libraries"]
    assert isinstance(libraries, dict)
    assert libraries.keys() == {runtime, "onnx", "onnxscript"}
    assert libraries["onnx"] == onnx.__version__
    assert libraries[runtime].startswith(importlib.import_module(runtime).__version__)
    assert latency.conditions["launch_bound"] is None


def test_the_graph_has_the_inputs_shape_and_no_batch_norm_where_it_was_folded() -> None:
    net, x = network(), torch.randn(2, *SHAPE)
    fold_batch_norms(net, x)
    graph = onnx.load_model_from_string(nas_runtimes.onnx_graph.onnx_graph(net, x)).graph
    [given] = graph.input
    assert given.name == "x"
    assert [side.dim_value for side in given.type.tensor_type.shape.dim] == [2, *SHAPE]
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert [node.op_type for node in graph.node].count("Conv") == 1


def other_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/task is Linux's")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_onnxruntime_starts_as_many_threads_as_it_is_told(threads: int) -> None:
    model = nas_runtimes.onnx_graph.onnx_graph(nn.Conv2d(3, 4, 3).eval(), torch.randn(1, *SHAPE))
    settings = nas_runtimes.onnxruntime.session_options(nas.RuntimeOptions(threads=threads))
    before = other_threads()
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    assert other_threads() - before == threads - 1, "the caller's own thread is one of them"
    assert session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("threads", [1, 2])
def test_openvino_computes_in_float32_with_as_many_threads_as_it_is_told(threads: int) -> None:
    model = nas_runtimes.openvino.compiled(network(), torch.randn(1, *SHAPE), nas.RuntimeOptions(threads=threads))
    assert model.get_property("INFERENCE_NUM_THREADS") == threads
    assert model.get_property("NUM_STREAMS") == 1
    assert model.get_property("INFERENCE_PRECISION_HINT").to_dtype() == np.float32


@pytest.mark.parametrize("runtime", NAMES)
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dtype": "float16"}, r"dtype = 'float16': .* in float32.*; give float32"),
        ({"dtype": "bfloat16"}, r"dtype = 'bfloat16': .* in float32.*; give float32"),
        ({"memory_format": "channels_last"}, "it lays out memory itself; give contiguous"),
        ({"fuse": False}, "fuse = false: it folds batch norm itself, whatever it is handed; give true"),
    ],
)
def test_conditions_that_it_would_not_keep_are_refused_before_anything_is_built(
    runtime: str, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(SpecError, match=f"runtime = '{runtime}': .*{said}"):
        replace(QUICK, **changed).resolve(RUNTIMES[runtime])  # type: ignore[arg-type]


@pytest.mark.parametrize("runtime", NAMES)
@pytest.mark.parametrize("lacking", ["itself", "onnx", "onnxscript"])
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, runtime: str, lacking: str
) -> None:
    module = runtime if lacking == "itself" else lacking
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else found(name))
    with pytest.raises(SpecError) as caught:
        QUICK.resolve(RUNTIMES[runtime])
    assert str(caught.value) == (
        f"runtime = '{runtime}': {module} is not installed; pip install 'stagenas[{runtime}]'"
    )


@pytest.mark.parametrize("runtime", NAMES)
def test_an_installation_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    def broken(name: str) -> types.ModuleType:
        raise ImportError(f"lib{name}.so: undefined symbol\nand more")

    monkeypatch.setattr(importlib, "import_module", broken)
    said = f"{runtime} cannot be imported: ImportError: lib{runtime}.so: undefined symbol; pip install --force-reinstall"
    with pytest.raises(SpecError, match=said):
        QUICK.resolve(RUNTIMES[runtime])


class Branches(nn.Module):
    """Its road depends on what it reads: no graph has that."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu() if float(x.sum()) > 0 else x


class Rare(nn.Module):
    """Has an operation that ONNX has not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x[..., :3, :3]).real


@pytest.mark.parametrize("runtime", NAMES)
@pytest.mark.parametrize(
    ("net", "why"), [(Branches(), "data-dependent expression"), (Rare(), "Error when translating node %linalg_eig")]
)
def test_a_network_that_no_graph_expresses_is_invalid_and_it_is_said_why(
    runtime: str, net: nn.Module, why: str
) -> None:
    with pytest.raises(MeasureError) as caught:
        measure_module(net, SHAPE, QUICK, RUNTIMES[runtime])
    assert caught.value.outcome == "invalid"
    told = str(caught.value)
    assert told.startswith(f"preparing runtime '{runtime}': torch.onnx.export: ")
    assert why in told
    assert "\n" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("runtime", NAMES)
def test_a_network_that_answers_nan_is_not_timed(runtime: str) -> None:
    net = network()
    nn.init.constant_(net[-1].bias, float("nan"))  # type: ignore[index]
    with pytest.raises(MeasureError, match="holds NaN"):
        measure_module(net, SHAPE, QUICK, RUNTIMES[runtime])
