"""Runtimes on a CUDA device, where there is one."""

from __future__ import annotations

import copy
import statistics
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import MeasureError
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

RUNTIMES = load_plugins().runtimes
QUICK = LatencyOptions(device="cuda", max_seconds=2.0)
SHAPE = (3, 64, 64)
ON_CUDA = nas.RuntimeOptions("cuda:0")


def network(layers: int = 4, width: int = 16) -> nn.Module:
    torch.manual_seed(0)
    body = [layer for _ in range(layers) for layer in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
    return nn.Sequential(nn.Conv2d(3, width, 3), *body, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


@pytest.mark.parametrize("runtime", ["cuda_graph", "compile", "tensorrt"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_call_computes_anew_from_the_input_where_it_lies(runtime: str, dtype: torch.dtype) -> None:
    if runtime == "tensorrt":
        pytest.importorskip("tensorrt")
    net = network().requires_grad_(False).to("cuda", dtype)
    x = torch.randn(2, *SHAPE, device="cuda", dtype=dtype)
    call = RUNTIMES[runtime].prepare(net, x, replace(ON_CUDA, dtype=str(dtype).removeprefix("torch.")))
    with torch.inference_mode():
        for _ in range(2):
            x.normal_()
            answer = call()
            torch.cuda.synchronize()
            [answer] = answer if isinstance(answer, list) else [answer]
            assert isinstance(answer, Tensor)
            torch.testing.assert_close(answer, net(x), rtol=2e-2, atol=2e-2)


def test_many_small_layers_wait_for_their_host_and_a_few_large_ones_do_not() -> None:
    graph = RUNTIMES["cuda_graph"]
    small = measure_module(network(layers=100, width=4), SHAPE, QUICK, graph)
    assert small.conditions["launch_bound"] is True
    assert any("launch-bound" in warning for warning in small.warnings)
    large = measure_module(network(layers=4, width=256), (3, 224, 224), replace(QUICK, batch=32), graph)
    assert large.conditions["launch_bound"] is False


def test_a_network_that_reads_from_the_device_cannot_be_captured_and_the_next_one_is_timed() -> None:
    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * float(x.sum())

    with pytest.raises(MeasureError, match="cannot be captured in a CUDA graph") as caught:
        measure_module(Reads(), SHAPE, QUICK, RUNTIMES["cuda_graph"])
    assert "previous error" not in str(caught.value), "what broke it is told, not that its end failed too"
    if caught.value.outcome == "device_error":  # an older torch, which needs a fresh process after that
        return
    assert caught.value.outcome == "invalid"
    assert measure_module(network(), SHAPE, QUICK, RUNTIMES["cuda_graph"]).n >= 1


def test_flushed_caches_are_flushed_before_each_pass() -> None:
    latency = measure_module(network(), SHAPE, replace(QUICK, caches="flushed"), RUNTIMES["cuda_graph"])
    assert (latency.conditions["caches"], latency.conditions["passes_per_call"]) == ("flushed", 1)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "efficientnet_b0"])
def test_device_time_is_that_of_triton(name: str) -> None:
    """Which is asked before and after, since clocks and heat move in between."""
    testing = pytest.importorskip("triton.testing")
    net = nas.build(nas.load(name)).eval().requires_grad_(False)
    x = torch.randn(1, 3, 224, 224, device="cuda")
    on_gpu = copy.deepcopy(net).cuda()

    def theirs() -> list[float]:
        with torch.inference_mode(), torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            times: list[float] = testing.do_bench_cudagraph(lambda: on_gpu(x), rep=20, return_mode="all")
            return times

    theirs()  # raises the clocks
    before = theirs()
    ours = measure_module(net, (3, 224, 224), replace(QUICK, fuse=False, max_seconds=5.0), RUNTIMES["cuda_graph"])
    assert ours.median_ms == pytest.approx(statistics.median(before + theirs()), rel=0.02)
