"""A network as standalone Python source over `torch.ops.aten`: what a torch without `nas` can run."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import nas
from nas.latency.faults import outcome_of
from nas.latency.numerics import numerics
from nas.latency.remote.there import bytes_of, name_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram
    from torch.fx import Node

ASSERTIONS = "aten::_assert_"
"""Operators that check what was true while exporting, and compute nothing: older torches have none of them."""


def torch_source(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> nas.Sent:
    """Source of `network(x, weights, device)` and the weights; the operators are those that eager mode calls, in its
    order, and each value is let go after its last use, as there.

    Raises:
        MeasureError: torch cannot export the network, or it calls something else than operators of `torch.ops.aten`
            (`invalid`); memory is too small for it (`oom`).
    """
    import torch

    with torch.no_grad():
        try:
            program = torch.export.export(network, (x,), strict=False)
        except Exception as error:  # what it raises is not documented
            first_line = (str(error).strip() or "no message").splitlines()[0]
            raise nas.MeasureError(f"torch.export: {type(error).__name__}: {first_line}", outcome_of(error)) from error
    source, weights = written(program)
    table = [_facts(weight) for weight in weights]
    blob = b"".join(map(bytes_of, weights))
    return nas.Sent("torch", (source.encode(), blob), {"weights": table, **numerics()})


def _facts(weight: Tensor) -> dict[str, object]:
    overlaps = any(step == 0 and size > 1 for size, step in zip(weight.shape, weight.stride(), strict=True))
    laid_out = weight.contiguous() if overlaps else weight
    return {"dtype": name_of(weight.dtype), "shape": list(weight.shape), "stride": list(laid_out.stride())}


def written(program: ExportedProgram) -> tuple[str, list[Tensor]]:
    """The source of an exported program, and its weights in the order of `weights[0]`, `weights[1]`, ...

    Raises:
        MeasureError: `invalid`, something in it is no operator of `torch.ops.aten`.
    """
    names: dict[Node, str] = {}
    weights: list[Tensor] = []
    lines = ["def network(x, weights, device):"]
    given = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    nodes = list(program.graph.nodes)
    last_use = {value: node for node in nodes for value in node.all_input_nodes}
    for node in nodes:
        if node.op == "placeholder":
            names[node] = _input(program, given[node.name], weights)
        elif node.op == "call_function":
            if _is_assertion(node):
                continue
            name = names[node] = f"v{len(lines) - 1}"
            gone = [names[v] for v in node.all_input_nodes if last_use[v] is node and names[v].startswith("v")]
            freed = "".join(f"; {other} = None" for other in gone)
            lines.append(f"    {name} = {_call(node, names)}{freed}")
        elif node.op == "output":
            answers = ", ".join(names[value] for value in _answers(program, node))
            lines.append(f"    return ({answers},)")
        else:
            raise nas.MeasureError(f"the exported network holds {node.op} {node.target}", "invalid")
    return "\n".join(lines) + "\n", weights


def _is_assertion(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.name.startswith(ASSERTIONS)


def _input(program: ExportedProgram, spec: Any, weights: list[Tensor]) -> str:
    from torch.export.graph_signature import InputKind

    if spec.kind == InputKind.USER_INPUT:
        return "x"
    value = program.state_dict.get(spec.target, program.constants.get(spec.target))
    if value is None or spec.kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
        raise nas.MeasureError(f"the exported network takes {spec.target}, which is no tensor", "invalid")
    weights.append(value)
    return f"weights[{len(weights) - 1}]"


def _answers(program: ExportedProgram, output: Node) -> Iterator[Node]:
    """Those of the network itself, and of these the tensors."""
    from torch.export.graph_signature import OutputKind
    from torch.fx import Node

    for spec, value in zip(program.graph_signature.output_specs, output.args[0], strict=True):  # type: ignore[arg-type]
        if spec.kind == OutputKind.USER_OUTPUT and isinstance(value, Node):
            yield value


def _call(node: Node, names: dict[Node, str]) -> str:
    import torch

    if node.target is operator.getitem:
        value, index = node.args
        return f"{_text(value, names)}[{index}]"
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
        raise nas.MeasureError(f"the network calls {node.target}, which is no operator of torch.ops.aten", "invalid")
    given = [_text(value, names) for value in node.args]
    named = [f"{key}={_text(value, names)}" for key, value in node.kwargs.items()]
    return f"torch.ops.{node.target}({', '.join([*given, *named])})"


def _text(value: object, names: dict[Node, str]) -> str:
    """An argument as source."""
    import torch
    from torch.fx import Node

    if isinstance(value, Node):
        return names[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(one, names) for one in value)}]"
    if isinstance(value, torch.device):
        return "device"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, torch.dtype | torch.memory_format | torch.layout):
        return str(value)
    raise nas.MeasureError(f"the exported network holds {value!r}, for which there is no source", "invalid")
