"""OpenVINO on the CPU, from its own wheel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nas
from nas_runtimes.checks import missing, own_layout, unusable, versions
from nas_runtimes.onnx_graph import NEEDS, onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Callable[[], object]:
    """A compiled model for latency; a call reads `x` where it lies, and answers in the same tensors."""
    import openvino
    import torch

    request = compiled(network, x, options).create_infer_request()
    given = openvino.Tensor(x.numpy(), shared_memory=True)
    request.set_input_tensor(given)
    request.infer(share_outputs=True)
    answers = [torch.from_numpy(tensor.data) for tensor in request.output_tensors]

    def run(_keeps_alive: object = given) -> list[Tensor]:
        request.infer(share_outputs=True)
        return answers

    return run


def compiled(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Any:
    """The network compiled for the latency of one pass at a time, in float32."""
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": options.threads,
        "INFERENCE_PRECISION_HINT": "f32",  # left to itself it computes in bfloat16 where the CPU has it
    }
    core = openvino.Core()
    return core.compile_model(core.read_model(onnx_graph(network, x)), "CPU", settings)


def check(options: nas.RuntimeOptions) -> str | None:
    """It is asked for float32 alone: a hint for a narrower type is a hint, and ignored without a word."""
    if reason := missing(("openvino", *NEEDS), "openvino") or unusable("openvino", "openvino"):
        return reason
    if options.dtype != "float32":
        return f"dtype = '{options.dtype}': OpenVINO is run in float32 on a CPU; give float32"
    return own_layout(options)


def libraries(_options: nas.RuntimeOptions) -> dict[str, str]:
    """OpenVINO, and what made the graph."""
    import openvino

    return {"openvino": str(openvino.get_version()), **versions(NEEDS)}


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`openvino`."""
    return [
        nas.RuntimeSpec(
            "openvino", version=1, prepare=prepare, devices=frozenset({"cpu"}), check=check, libraries=libraries
        )
    ]
