"""ONNX Runtime on the CPU, from its own wheel; on another machine, and its GPU, from what is installed there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nas
from nas_runtimes.checks import missing, multiplies_in_tf32, own_layout, unusable, versions
from nas_runtimes.onnx_graph import INPUT, NEEDS, onnx_graph

if TYPE_CHECKING:
    from torch import Tensor, nn

ERRORS_ONLY = 3


def prepare(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Callable[[], object]:
    """A session with all of its optimisations; a call reads `x` where it lies, and answers in the same tensors."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(
        onnx_graph(network, x), session_options(options), providers=["CPUExecutionProvider"]
    )
    given = x.numpy()
    binding = session.io_binding()
    binding.bind_input(INPUT, "cpu", 0, given.dtype, given.shape, given.ctypes.data)
    names = [output.name for output in session.get_outputs()]
    answers = [torch.from_numpy(answer) for answer in session.run(names, {INPUT: given})]
    for name, answer in zip(names, answers, strict=True):
        array = answer.numpy()
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(_keeps_alive: object = given) -> list[Tensor]:
        session.run_with_iobinding(binding)
        return answers

    return run


def session_options(options: nas.RuntimeOptions) -> Any:
    """The session's threads, all inside of operators."""
    import onnxruntime

    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = options.threads
    session.inter_op_num_threads = 1
    session.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session.log_severity_level = ERRORS_ONLY
    # Its threads spin for a while after a pass, in the hope of the next: what is timed in between, such as the
    # reference, would be timed against them.
    session.add_session_config_entry("session.force_spinning_stop", "1")
    return session


def check(options: nas.RuntimeOptions) -> str | None:
    """It computes in float32 alone: in float16 the CPU provider converts before and after each operator."""
    if reason := missing(NEEDS, "onnxruntime"):
        return reason
    if not _elsewhere(options) and (
        reason := missing(["onnxruntime"], "onnxruntime") or unusable("onnxruntime", "onnxruntime")
    ):
        return reason
    if options.dtype != "float32":
        return f"dtype = '{options.dtype}': ONNX Runtime is timed in float32; give float32"
    return own_layout(options)


def libraries(options: nas.RuntimeOptions) -> dict[str, str]:
    """ONNX Runtime, and what made the graph; another machine tells of its own ONNX Runtime."""
    if _elsewhere(options):
        return versions(NEEDS)
    import onnxruntime

    return {"onnxruntime": str(onnxruntime.__version__), **versions(NEEDS)}


def sent(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> nas.Sent:
    """The graph, for another machine's CPU or for the CUDA provider there."""
    return nas.Sent("onnxruntime", (onnx_graph(network, x),), {"tf32": multiplies_in_tf32()})


def _elsewhere(options: nas.RuntimeOptions) -> bool:
    return options.device.startswith("ssh:")


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`onnxruntime`."""
    return [
        nas.RuntimeSpec(
            "onnxruntime", version=1, prepare=prepare, devices=frozenset({"cpu", "ssh"}), check=check,
            libraries=libraries, sent=sent,
        )
    ]
