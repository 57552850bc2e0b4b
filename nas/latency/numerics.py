"""How float32 is multiplied, as this process was told: what a worker has to be told as well.

By torch's own older interface alone: torch refuses to answer where both of its interfaces were used in one process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress


def numerics() -> dict[str, object]:
    """What was set; nothing where torch was never imported, and so nobody can have set anything.

    A precision that was set for one library alone, by torch's newer interface, is not told.
    """
    if "torch" not in sys.modules:
        return {}
    import torch

    told: dict[str, object] = {"cudnn_benchmark": torch.backends.cudnn.benchmark}
    with suppress(RuntimeError):  # one library alone was set
        told["matmul_precision"] = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        told["cudnn_tf32"] = torch.backends.cudnn.allow_tf32
    return told


def compute_as(told: Mapping[str, object]) -> None:
    """Makes this process compute as another one, which `numerics` told of."""
    import torch

    now = numerics()
    if "matmul_precision" in told and told["matmul_precision"] != now.get("matmul_precision"):
        torch.set_float32_matmul_precision(str(told["matmul_precision"]))
    if "cudnn_tf32" in told and told["cudnn_tf32"] != now.get("cudnn_tf32"):
        torch.backends.cudnn.allow_tf32 = bool(told["cudnn_tf32"])
    if "cudnn_benchmark" in told:
        torch.backends.cudnn.benchmark = bool(told["cudnn_benchmark"])
