"""A network as an ONNX graph: what runtimes outside torch are handed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.errors import MeasureError

if TYPE_CHECKING:
    from torch import Tensor, nn

NEEDS = ("onnx", "onnxscript")
"""What torch's exporter imports."""

INPUT = "x"


def onnx_graph(network: nn.Module, x: Tensor) -> bytes:
    """The serialised graph, with one input `INPUT` of exactly the shape of `x`; whole, or an error.

    Raises:
        MeasureError: `invalid`, the graph is larger than the format allows.
        Exception: whatever torch's exporter raises for a network that it cannot express.
    """
    import torch

    with _quiet(), torch.no_grad():
        program = torch.onnx.export(network, (x,), input_names=[INPUT], dynamo=True, verbose=False)
    if program is None:
        raise MeasureError("torch.onnx.export gave no graph", "invalid")
    try:
        return bytes(program.model_proto.SerializeToString())
    except ValueError as error:
        raise MeasureError(f"the network is too large for one ONNX file: {error}", "invalid") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs what it does at length; what goes wrong, it raises."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
