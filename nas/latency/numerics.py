"""How float32 is computed, as this process was told: what a worker has to be told as well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

SETTINGS = (
    ("cuda", "matmul", "fp32_precision"),
    ("cudnn", "conv", "fp32_precision"),
    ("mkldnn", "matmul", "fp32_precision"),
    ("mkldnn", "conv", "fp32_precision"),
    ("cudnn", "benchmark"),
)
"""Of `torch.backends`."""


def numerics() -> dict[str, object]:
    """Setting -> value; nothing where torch was never imported, and so nobody can have changed one."""
    if "torch" not in sys.modules:
        return {}
    return {".".join(path): getattr(_holder(path), path[-1]) for path in SETTINGS}


def compute_as(told: Mapping[str, object]) -> None:
    """Makes this process compute as another one, which `numerics` told of."""
    for path in SETTINGS:
        value = told.get(".".join(path))
        if value is not None and getattr(_holder(path), path[-1]) != value:
            setattr(_holder(path), path[-1], value)


def _holder(path: tuple[str, ...]) -> Any:
    import torch

    found: Any = torch.backends
    for name in path[:-1]:
        found = getattr(found, name)
    return found
