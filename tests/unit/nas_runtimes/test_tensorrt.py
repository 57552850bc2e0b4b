"""What TensorRT's engine is handed, with a stand-in for TensorRT: the real one needs a GPU."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
import nas_runtimes.tensorrt
from nas.errors import MeasureError


class Context:
    """Of an engine with the input `x` and two outputs."""

    def __init__(self) -> None:
        self.addresses: dict[str, int] = {}
        self.stream: int | None = None
        self.well = True

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        self.stream = stream
        return self.well


class Engine:
    names = ("x", "first", "second")
    num_io_tensors = len(names)

    def __init__(self, context: Context | None) -> None:
        self.context = context

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def create_execution_context(self) -> Context | None:
        return self.context


class Two(nn.Module):
    """Its first answer is not laid out row after row."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.permute(0, 2, 3, 1), x.half()


def prepared(monkeypatch: pytest.MonkeyPatch, engine: Engine | None) -> Any:
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda _plan: engine)
    logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, severity: None})
    stand_in = SimpleNamespace(Logger=logger, Runtime=lambda _logger: runtime)
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    monkeypatch.setattr(nas_runtimes.tensorrt, "onnx_graph", lambda _network, _x: b"graph")
    monkeypatch.setattr(nas_runtimes.tensorrt, "build", lambda _graph, _logger, tf32: b"plan")
    monkeypatch.setattr(nas_runtimes.tensorrt, "device_call", lambda run, _options: run)
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    return x, nas_runtimes.tensorrt.prepare(Two(), x, nas.RuntimeOptions("cuda:0"))


def test_it_reads_the_input_where_it_lies_and_writes_rows_of_each_output_s_own_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = Context()
    x, run = prepared(monkeypatch, Engine(context))
    first, second = run()
    assert context.addresses == {"x": x.data_ptr(), "first": first.data_ptr(), "second": second.data_ptr()}
    assert (first.shape, first.dtype, second.shape, second.dtype) == (
        (1, 3, 4, 2), torch.float32, (1, 2, 3, 4), torch.float16
    )
    assert first.is_contiguous()
    assert context.stream == 7


def test_an_engine_that_the_gpu_has_no_memory_for_is_oom(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasureError, match="no memory for what TensorRT's engine computes") as caught:
        prepared(monkeypatch, Engine(None))
    assert caught.value.outcome == "oom"


def test_an_engine_that_does_not_load_or_does_not_run_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasureError, match="does not load the engine") as caught:
        prepared(monkeypatch, None)
    assert caught.value.outcome == "invalid"
    context = Context()
    _, run = prepared(monkeypatch, Engine(context))
    context.well = False
    with pytest.raises(MeasureError, match="does not run its engine") as caught:
        run()
    assert caught.value.outcome == "invalid"
