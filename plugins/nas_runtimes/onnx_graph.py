"""A network as an ONNX graph: what runtimes outside torch are handed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.errors import MeasureError
from nas.latency.faults import outcome_of

if TYPE_CHECKING:
    from torch import Tensor, nn

NEEDS = ("onnx", "onnxscript")
"""What torch's exporter imports."""

INPUT = "x"


def onnx_graph(network: nn.Module, x: Tensor) -> bytes:
    """The serialised graph, with one input `INPUT` of exactly the shape of `x`; whole, or an error.

    Raises:
        MeasureError: the exporter cannot express the network, or the graph is larger than the format allows
            (`invalid`); memory is too small for it (`oom`).
    """
    import torch

    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(network, (x,), input_names=[INPUT], dynamo=True, verbose=False)
        except torch.onnx.OnnxExporterError as error:  # whose own text tells its next steps, not what went wrong
            cause = error.__cause__ or error
            first_line = (str(cause).strip() or "no message").splitlines()[0]
            raise MeasureError(f"torch.onnx.export: {type(cause).__name__}: {first_line}", outcome_of(cause)) from error
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
