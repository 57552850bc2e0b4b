"""What runs networks on another machine: torch there is the real one, TensorRT and CUDA's driver are stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

import nas
import nas_runtimes.torch_source
from nas.errors import MeasureError
from nas.latency.environment import doubts, throttled
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.latency.remote import worker
from nas.latency.remote.link import link_to
from nas.latency.remote.there import There
from nas.plugins import load_plugins

if TYPE_CHECKING:
    from conftest import Server

SHAPE = (3, 16, 16)
EAGER = LatencyOptions("ssh:loopback", "eager", threads=1, max_seconds=0.3, max_samples=30)
RUNTIMES = load_plugins().runtimes
STAND_INS = Path(__file__).parent / "stand_ins"
WITH_CUDA = "#!/bin/sh\nLD_LIBRARY_PATH={folder} PYTHONPATH={stand_ins} exec {{}} \"$@\"\n"


class Branches(nn.Module):
    """In-place, grouped and padded operations, a buffer, constants, infinity, and two answers of which one is integer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.register_buffer("scale", torch.rand(8, 1, 1))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.stem(x)
        first, second = (self.depthwise(y) * self.scale + y).chunk(2, 1)
        z = torch.cat([nn.functional.silu(first), second.masked_fill(second < 0, float("-inf")).clamp(min=-1.0)], 1)
        z = z + torch.arange(z.shape[3], device=x.device, dtype=x.dtype) / 16
        return self.head(z.mean((2, 3))), z.flatten(1).argmax(1)


def branches() -> nn.Module:
    torch.manual_seed(0)
    return Branches().eval()


@pytest.fixture(autouse=True)
def fresh_link(server: Server) -> None:
    link_to("loopback").close()


@pytest.fixture
def cuda_there(server: Server, tmp_path: Path) -> None:
    """The other machine has a device `cuda:0`, which is none, and a TensorRT, which is none either."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the stand-in of CUDA's driver")
    library = tmp_path / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(STAND_INS / "libcuda.c")], check=True)
    server.write_python(WITH_CUDA.format(folder=tmp_path, stand_ins=STAND_INS))


@pytest.mark.parametrize(("dtype", "memory_format"), [
    ("float32", "contiguous"), ("float32", "channels_last"), ("bfloat16", "contiguous"),
])
def test_torch_there_answers_what_the_network_answers_here(dtype: str, memory_format: str) -> None:
    options = replace(EAGER, dtype=dtype, memory_format=memory_format, batch=2)
    found = measure_module(branches(), SHAPE, options, RUNTIMES["eager"])
    assert found.n >= 1
    assert not [warning for warning in found.warnings if "answers otherwise" in warning]
    assert (found.conditions["runtime"], found.conditions["reference_runtime"]) == ("eager", "eager")
    assert found.conditions["runtime_libraries"] == {"torch": torch.__version__, "torch.export": torch.__version__}
    assert found.fused


def test_the_source_is_that_of_the_eager_operators_and_stands_alone() -> None:
    network, x = branches(), torch.rand(2, *SHAPE)
    sent = nas_runtimes.torch_source.torch_source(network.requires_grad_(False), x, nas.RuntimeOptions("ssh:pi"))
    source = sent.parts[0].decode()
    assert (sent.library, len(sent.parts)) == ("torch", 2)
    for operator in ("conv2d.default(x, weights[0]", "hardtanh_.default", "batch_norm.default"):
        assert f"torch.ops.aten.{operator}" in source
    assert "device=device" in source
    assert "v0 = None" in source, "values are let go as in eager mode"
    assert "_assert_" not in source
    request = {"device": "cpu", "threads": 1, "settings": sent.settings, "shape": list(x.shape),
               "stride": list(x.stride()), "dtype": "float32"}
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            ran = worker.TorchNetwork(request, bytes(x[:1].numpy().tobytes()), *sent.parts)()
            expected = network(x[:1].repeat(2, 1, 1, 1))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(ran, expected, strict=True))


def test_a_network_of_other_operators_is_invalid_before_it_is_sent() -> None:
    import torchvision

    class Boxes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            boxes = torch.zeros(1, 5, device=x.device)
            return torchvision.ops.roi_align(x, boxes, 2).mean((2, 3))

    with pytest.raises(MeasureError, match="torchvision.roi_align.default, which is no operator of torch.ops.aten") as no:
        measure_module(Boxes(), SHAPE, EAGER, RUNTIMES["eager"])
    assert no.value.outcome == "invalid"


def test_an_operator_that_an_older_torch_lacks_is_the_machines_fault() -> None:
    source = b"def network(x, weights, device):\n    return (torch.ops.aten.nowhere.default(x),)\n"
    there, x = There.on("ssh:loopback"), torch.rand(1, *SHAPE)
    with pytest.raises(MeasureError, match="lacks an operator; install a newer one there") as caught:
        there.take_candidate(nas.Sent("torch", (source, b""), {"weights": []}), x, 1)
    assert caught.value.outcome == "device_error"


def test_a_graph_that_an_older_onnxruntime_lacks_is_the_machines_fault() -> None:
    import onnx

    x = torch.rand(1, *SHAPE)
    graph = onnx.load_model_from_string(nas_runtimes.onnx_graph.onnx_graph(nn.ReLU().eval(), x))
    graph.opset_import[0].version = 999
    there = There.on("ssh:loopback")
    with pytest.raises(MeasureError, match="is too old for the graph; pip install -U onnxruntime there") as caught:
        there.take_candidate(nas.Sent("onnxruntime", (graph.SerializeToString(),), {"tf32": False}), x, 1)
    assert caught.value.outcome == "device_error"


def test_a_machine_without_cuda_is_told_before_anything_is_built() -> None:
    for name in ("eager", "onnxruntime", "tensorrt"):
        with pytest.raises(MeasureError, match="on loopback: there is no CUDA device: libcuda") as caught:
            replace(EAGER, device="ssh:loopback/cuda", runtime=name).resolve(RUNTIMES[name], [SHAPE])
        assert caught.value.outcome == "device_error"


@pytest.mark.usefixtures("cuda_there")
@pytest.mark.parametrize(("runtime", "device", "said"), [
    ("eager", "cuda:0", "sees no cuda:0; install one that is built for CUDA there"),
    ("onnxruntime", "cuda:0", "has no CUDA provider; pip install onnxruntime-gpu there"),
    ("tensorrt", "cuda:1", "there is no cuda:1: it has 1 CUDA devices"),
])
def test_a_library_without_cuda_is_told_before_anything_is_built(runtime: str, device: str, said: str) -> None:
    if torch.cuda.is_available() and runtime == "eager":
        pytest.skip("this torch has CUDA")
    with pytest.raises(MeasureError, match=said) as caught:
        replace(EAGER, device=f"ssh:loopback/{device}", runtime=runtime).resolve(RUNTIMES[runtime], [SHAPE])
    assert caught.value.outcome == "device_error"


@pytest.mark.usefixtures("cuda_there")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_tensorrt_there_is_driven_as_its_interface_says(dtype: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    options = replace(EAGER, device="ssh:loopback/cuda:0", runtime="tensorrt", dtype=dtype, batch=2)
    found = measure_module(network, SHAPE, options, RUNTIMES["tensorrt"])
    assert found.median_ms > 0
    assert not [warning for warning in found.warnings if "answers otherwise" in warning]
    assert found.conditions["device"] == "ssh:loopback/cuda:0"
    assert 1 < found.conditions["passes_per_call"] <= worker.MAX_PASSES
    assert found.conditions["runtime_libraries"]["tensorrt"] == "10.3.0"
    facts = {"device": "Stand-in", "gpu_uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f", "gpu_memory_mib": 64,
             "compute_capability": "8.7", "driver_cuda": "12.4"}
    assert {name: found.environment[name] for name in facts} == facts
    assert "cudnn_tf32" in found.environment


@pytest.mark.usefixtures("cuda_there")
def test_what_tensorrt_does_not_take_or_has_no_memory_for_has_a_word_of_the_report() -> None:
    there, x = There.on("ssh:loopback/cuda:0"), torch.rand(1, *SHAPE)
    with pytest.raises(MeasureError, match="TensorRT does not take the graph: complaint 0") as caught:
        there.take_candidate(nas.Sent("tensorrt", (b"no graph",), {"tf32": True}), x, 1)
    assert caught.value.outcome == "invalid"
    large = torch.rand(1, 1, 1, 1).expand(1, 3, 2048, 4096)
    sent = RUNTIMES["tensorrt"].sent
    assert sent is not None
    with pytest.raises(MeasureError, match="CUDA out of memory") as caught:
        there.take_candidate(sent(nn.AvgPool2d(64).eval(), large, nas.RuntimeOptions(dtype="float32")), large, 1)
    assert caught.value.outcome == "oom"


def test_a_boards_own_limits_make_a_measurement_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/sys/devices/platform/soc/soc:firmware/get_throttled": "50005"}
    monkeypatch.setattr(worker, "_text", files.get)
    monkeypatch.setattr(worker.os.path, "isdir", lambda _path: True)
    monkeypatch.setattr(worker.os, "listdir", lambda _path: ["cooling_device1", "cooling_device0", "thermal_zone0"])
    assert worker.board_limits() == ["under-voltage", "throttled"]
    files |= {"/sys/class/thermal/cooling_device0/type": "thermal-cpufreq-0",
              "/sys/class/thermal/cooling_device0/cur_state": "3",
              "/sys/class/thermal/cooling_device1/type": "pwm-fan",
              "/sys/class/thermal/cooling_device1/cur_state": "2"}
    files["/sys/devices/platform/soc/soc:firmware/get_throttled"] = "f0000"
    assert worker.board_limits() == ["thermal-cpufreq-0 at 3"]
    state = {"board_limits": worker.board_limits()}
    found = {"cpus": 4, "state": {"before": {}, "after": state, "foreign_cpus": 0.0}}
    assert throttled(found)
    assert list(doubts(found, 1)) == ["the clocks of the CPU were held down: thermal-cpufreq-0 at 3"]
    assert not throttled({"state": {"before": {}, "after": {"board_limits": []}}})
