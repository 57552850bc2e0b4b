"""What TensorRT's engine is handed, with a stand-in for TensorRT: the real one needs a GPU."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
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


SHAPES = {"x": (1, 2, 3, 4), "first": (1, 3, 4, 2), "second": (1, 2, 3, 4)}


class Engine:
    """Its input comes last: nobody says that it comes first."""

    def __init__(self, context: Context | None, names: tuple[str, ...] = ("first", "second", "x")) -> None:
        self.context, self.names, self.num_io_tensors = context, names, len(names)
        self.shapes = dict(SHAPES)

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name.startswith("x") else "output"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def create_execution_context(self) -> Context | None:
        return self.context


class ILogger:
    """Of the stand-in, to which a test speaks as TensorRT does."""

    INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)
    last: Any

    def __init__(self) -> None:
        ILogger.last = self


@pytest.fixture(autouse=True)
def fresh_logger() -> Iterator[None]:
    nas_runtimes.tensorrt.said_by_tensorrt.cache_clear()
    yield
    nas_runtimes.tensorrt.said_by_tensorrt.cache_clear()


class Two(nn.Module):
    """Its first answer is not laid out row after row."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.permute(0, 2, 3, 1), x.half()


def prepared(monkeypatch: pytest.MonkeyPatch, engine: Engine | None, *said: tuple[int, str]) -> Any:
    """The network, of which TensorRT makes this engine, and says so much while it loads it."""

    def load(_plan: bytes) -> Engine | None:
        for severity, message in said:
            ILogger.last.log(severity, message)
        return engine

    stand_in = SimpleNamespace(
        ILogger=ILogger,
        Runtime=lambda _logger: SimpleNamespace(deserialize_cuda_engine=load),
        TensorIOMode=SimpleNamespace(INPUT="input", OUTPUT="output"),
    )
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    monkeypatch.setattr(nas_runtimes.tensorrt, "onnx_graph", lambda _network, _x: b"graph")
    monkeypatch.setattr(nas_runtimes.tensorrt, "build", lambda _graph, _said, tf32: b"plan")
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


@pytest.mark.parametrize(
    ("severity", "message", "outcome"),
    [
        (ILogger.ERROR, "[defaultAllocator.cpp::allocate::57] Error Code 1: Cuda Runtime (out of memory)", "oom"),
        (ILogger.ERROR, "[runtime.cpp::load::9] Error Code 2: OutOfMemory (Requested size was 9 bytes.)", "oom"),
        (ILogger.WARNING, "Skipping tactic 0x3 due to insufficient memory on requested size of 9 detected", "oom"),
        (ILogger.INTERNAL_ERROR, "[runtime.cpp::load::9] Error Code 1: Serialization (version tag)", "invalid"),
        (ILogger.INFO, "not out of memory at all", "invalid"),
    ],
)
def test_memory_that_runs_out_while_an_engine_is_loaded_is_oom(
    monkeypatch: pytest.MonkeyPatch, severity: int, message: str, outcome: str
) -> None:
    with pytest.raises(MeasureError, match="does not load the engine that it built: ") as caught:
        prepared(monkeypatch, None, (severity, message))
    assert caught.value.outcome == outcome
    assert (message in str(caught.value)) is (severity != ILogger.INFO)


def test_what_was_said_of_one_network_does_not_count_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasureError):
        prepared(monkeypatch, None, (ILogger.ERROR, "out of memory"))
    with pytest.raises(MeasureError, match="no reason given") as caught:
        prepared(monkeypatch, None)
    assert caught.value.outcome == "invalid"


class Builder:
    """Builds nothing, and says why."""

    said = "Error Code 10: Internal Error (Could not find any implementation for node {conv}.)"

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def create_network(self, _flags: int) -> None:
        return None

    def create_builder_config(self) -> Any:
        return SimpleNamespace(set_flag=str, clear_flag=str)

    def build_serialized_network(self, _network: object, _config: object) -> None:
        self.logger.log(ILogger.WARNING, "Skipping tactic 0x3 due to insufficient memory on requested size of 9")
        self.logger.log(ILogger.ERROR, self.said)


def build(monkeypatch: pytest.MonkeyPatch, builder: Any, parses: bool = True) -> Any:
    parser = SimpleNamespace(parse=lambda _graph: parses, num_errors=1, get_error=lambda _index: SimpleNamespace(
        desc=lambda: "no importer for Foo"
    ))
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(
        ILogger=ILogger,
        Builder=builder,
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
        BuilderFlag=SimpleNamespace(TF32=1),
        OnnxParser=lambda _network, _logger: parser,
    ))
    return nas_runtimes.tensorrt.build(b"graph", nas_runtimes.tensorrt.said_by_tensorrt(), tf32=False)


def test_memory_that_runs_out_while_an_engine_is_built_is_oom(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasureError, match=r"builds no engine of this network: .*any implementation for") as caught:
        build(monkeypatch, Builder)
    assert caught.value.outcome == "oom"


def test_a_graph_that_it_does_not_take_is_invalid_with_its_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasureError, match="does not take the graph: no importer for Foo") as caught:
        build(monkeypatch, Builder, parses=False)
    assert caught.value.outcome == "invalid"


def test_one_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(logger: Any) -> None:
        logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pytest.raises(MeasureError, match="TensorRT does not start: CUDA initialization failure with error: 35"):
        build(monkeypatch, none)


@pytest.mark.parametrize("names", [("x", "first"), ("x", "first", "second", "x2"), ("x", "first", "second", "third")])
def test_an_engine_with_other_tensors_than_the_network_is_invalid(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    with pytest.raises(MeasureError, match=r"has the tensors x, first.*, and the network 2 outputs") as caught:
        prepared(monkeypatch, Engine(Context(), names))
    assert caught.value.outcome == "invalid"


def test_an_engine_that_would_write_past_an_output_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(Context())
    engine.shapes["second"] = (2, 2, 3, 4)
    with pytest.raises(MeasureError, match=r"has second of \(2, 2, 3, 4\), and the network of \(1, 2, 3, 4\)"):
        prepared(monkeypatch, engine)
