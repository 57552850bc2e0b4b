"""TensorRT: an engine built for this GPU, its launches in one CUDA graph, so that the device alone is timed.

On another machine `nas.latency.remote.worker` does the same, with the TensorRT that is installed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import nas
from nas_runtimes.checks import missing, multiplies_in_tf32, own_layout, unusable, versions
from nas_runtimes.graphs import device_call
from nas_runtimes.onnx_graph import INPUT, NEEDS, onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn

FULL = ("out of memory", "OutOfMemory", "OUT_OF_MEMORY", "insufficient memory", "bad_alloc", "ALLOC_FAILED")
"""What TensorRT says where memory ran out; the last but two where it passed over ways of computing a layer for that."""
LONGEST = 300
"""Characters of a complaint."""


def prepare(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> nas.DeviceCall:
    """An engine in the network's own dtype, at TensorRT's default optimisation level, captured in a CUDA graph.

    Float32 is computed in TF32 where torch's convolutions are.

    Raises:
        MeasureError: `invalid`, TensorRT does not take the graph, builds no engine of it, does not load or does not
            run it; `oom`, it does not because memory ran out; with its last complaint.
    """
    import tensorrt
    import torch
    from torch.utils._pytree import tree_leaves

    said = said_by_tensorrt()
    said.forget()
    with torch.cuda.device(x.device), torch.inference_mode():
        plan = build(onnx_graph(network, x), said, tf32=multiplies_in_tf32())
        runtime = tensorrt.Runtime(said.logger)  # which has to outlive its engines
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise said.failure("TensorRT does not load the engine that it built")
        context = engine.create_execution_context()
        if context is None:
            raise said.failure("the GPU has no memory for what TensorRT's engine computes in between", "oom")
        answers = [leaf for leaf in tree_leaves(network(x)) if isinstance(leaf, torch.Tensor)]
        # whatever torch's own are laid out like: the engine writes row after row
        outputs = [torch.empty_like(answer, memory_format=torch.contiguous_format) for answer in answers]
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        of_outputs = [name for name in names if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.OUTPUT]
        if sorted(names) != sorted([INPUT, *of_outputs]) or len(of_outputs) != len(outputs):
            told = f"TensorRT's engine has the tensors {', '.join(names)}, and the network {len(outputs)} outputs"
            raise nas.MeasureError(told, "invalid")
        for name, tensor in zip([INPUT, *of_outputs], [x, *outputs], strict=True):
            if (shape := tuple(engine.get_tensor_shape(name))) != tuple(tensor.shape):
                told = f"TensorRT's engine has {name} of {shape}, and the network of {tuple(tensor.shape)}"
                raise nas.MeasureError(told, "invalid")
            context.set_tensor_address(name, tensor.data_ptr())

        def run(_keeps_alive: object = (runtime, engine, x)) -> list[Tensor]:
            if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
                raise said.failure("TensorRT does not run its engine")
            return outputs

        return device_call(run, options)


@dataclass
class Said:
    """What TensorRT has complained of so far, warnings among it; `logger` is what TensorRT tells it to."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    logger: Any = None

    def forget(self) -> None:
        """What was said of the network before does not count for the next one."""
        self.errors.clear()
        self.warnings.clear()

    def failure(self, what: str, outcome: str | None = None) -> nas.MeasureError:
        """What did not come to be, and TensorRT's last error; the outcome is known, or else told by what it said."""
        if outcome is None:
            full = any(sign in line for line in (*self.errors, *self.warnings) for sign in FULL)
            outcome = "oom" if full else "invalid"
        last = (self.errors or self.warnings or ["no reason given"])[-1]
        return nas.MeasureError(f"{what}: {' '.join(last.split())[:LONGEST]}", outcome)


@lru_cache(maxsize=1)
def said_by_tensorrt() -> Said:
    """A logger that keeps errors and warnings, and prints nothing: TensorRT gets over most of them.

    There is one in a process, which is never freed: TensorRT keeps the address of the first one that it is given.
    """
    import tensorrt

    said = Said()

    class Logger(tensorrt.ILogger):  # type: ignore[misc]  # ships no types
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)  # the binding's own: `super()` does not reach it

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.INTERNAL_ERROR, tensorrt.ILogger.ERROR):
                said.errors.append(message)
            elif severity == tensorrt.ILogger.WARNING:
                said.warnings.append(message)

    said.logger = Logger()
    return said


def build(graph: bytes, said: Said, *, tf32: bool) -> Any:
    """The serialised engine of an ONNX graph, in the types that the graph says.

    Raises:
        MeasureError: `invalid`, with TensorRT's complaint; `oom`, memory ran out.
    """
    import tensorrt

    logger = said.logger
    try:
        builder = tensorrt.Builder(logger)
    except TypeError:  # what the binding makes of none
        raise said.failure("TensorRT does not start") from None
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph):
        complaint = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        said.errors.append(complaint)
        raise said.failure("TensorRT does not take the graph")
    config = builder.create_builder_config()
    if tf32:
        config.set_flag(tensorrt.BuilderFlag.TF32)
    else:
        config.clear_flag(tensorrt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise said.failure("TensorRT builds no engine of this network")
    return plan


def check(options: nas.RuntimeOptions) -> str | None:
    """All dtypes that the GPU has; the layout and the folding are its own."""
    if options.device.startswith("ssh:"):
        if reason := missing(NEEDS, "tensorrt"):
            return reason
        if "/cuda" not in options.device:
            return f"it runs on CUDA devices, not on {options.device}'s CPU; give device = '{options.device}/cuda:0'"
    elif reason := missing(("tensorrt", *NEEDS), "tensorrt") or unusable("tensorrt", "tensorrt"):
        return reason
    return own_layout(options)


def libraries(options: nas.RuntimeOptions) -> dict[str, str]:
    """TensorRT, and what made the graph; another machine tells of its own TensorRT."""
    if options.device.startswith("ssh:"):
        return versions(NEEDS)
    import tensorrt

    return {"tensorrt": str(tensorrt.__version__), **versions(NEEDS)}


def sent(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> nas.Sent:
    """The graph, of which an engine is built there."""
    return nas.Sent("tensorrt", (onnx_graph(network, x),), {"tf32": multiplies_in_tf32()})


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`tensorrt`."""
    return [
        nas.RuntimeSpec(
            "tensorrt", version=1, prepare=prepare, devices=frozenset({"cuda", "ssh"}), check=check,
            libraries=libraries, sent=sent,
        )
    ]
