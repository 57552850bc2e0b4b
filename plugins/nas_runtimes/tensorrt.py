"""TensorRT: an engine built for this GPU, its launches in one CUDA graph, so that the device alone is timed.

On another machine `nas.latency.remote.worker` does the same, with the TensorRT that is installed there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nas
from nas_runtimes.checks import missing, multiplies_in_tf32, own_layout, unusable, versions
from nas_runtimes.graphs import device_call
from nas_runtimes.onnx_graph import INPUT, NEEDS, onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> nas.DeviceCall:
    """An engine in the network's own dtype, at TensorRT's default optimisation level, captured in a CUDA graph.

    Float32 is computed in TF32 where torch's convolutions are.

    Raises:
        MeasureError: `invalid`, TensorRT does not take the graph, builds no engine of it or does not run it; `oom`,
            it builds one that the GPU has no memory for.
    """
    import tensorrt
    import torch
    from torch.utils._pytree import tree_leaves

    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    with torch.cuda.device(x.device), torch.inference_mode():
        plan = build(onnx_graph(network, x), logger, tf32=multiplies_in_tf32())
        runtime = tensorrt.Runtime(logger)  # which has to outlive its engines
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise nas.MeasureError("TensorRT does not load the engine that it built", "invalid")
        context = engine.create_execution_context()
        if context is None:
            raise nas.MeasureError("the GPU has no memory for what TensorRT's engine computes in between", "oom")
        answers = [leaf for leaf in tree_leaves(network(x)) if isinstance(leaf, torch.Tensor)]
        # whatever torch's own are laid out like: the engine writes row after row
        outputs = [torch.empty_like(answer, memory_format=torch.contiguous_format) for answer in answers]
        free = iter(outputs)
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            tensor = x if name == INPUT else next(free)
            context.set_tensor_address(name, tensor.data_ptr())

        def run(_keeps_alive: object = (runtime, engine, x)) -> list[Tensor]:
            if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
                raise nas.MeasureError("TensorRT does not run its engine; it says why on standard error", "invalid")
            return outputs

        return device_call(run, options)


def build(graph: bytes, logger: Any, *, tf32: bool) -> Any:
    """The serialised engine of an ONNX graph, in the types that the graph says.

    Raises:
        MeasureError: `invalid`, with TensorRT's first complaint.
    """
    import tensorrt

    builder = tensorrt.Builder(logger)
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph):
        complaint = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise nas.MeasureError(f"TensorRT does not take the graph: {complaint}", "invalid")
    config = builder.create_builder_config()
    if tf32:
        config.set_flag(tensorrt.BuilderFlag.TF32)
    else:
        config.clear_flag(tensorrt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise nas.MeasureError("TensorRT builds no engine of this network; it says why on standard error", "invalid")
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
