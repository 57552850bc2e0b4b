"""The space that both sides search: EfficientNetV2-like networks for 224 x 224 images, of 36 parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPEATS = ((1, 2), (1, 2, 3, 4), (1, 2, 3, 4), (2, 4, 6), (3, 6, 9), (3, 6, 9, 12, 15))
CHANNELS = ((16, 24), (32, 48), (48, 64), (96, 128), (128, 160), (192, 256))
STRIDES = (1, 2, 2, 2, 1, 2)
BLOCKS = ("fused_mbconv", "mbconv")
KERNELS, EXPANDS, SQUEEZES = (3, 5), (2, 4), (0, 0.25)
STEM, HEAD, CLASSES, RESOLUTION = 24, 1280, 1000, 224


def study(
    name: str,
    objectives: Mapping[str, str],
    *,
    sampler: str = "auto",
    more: bool = False,
    columns: Mapping[str, Any] | None = None,
    constraints: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A study file of ours as a mapping; with `more` of 40 parameters."""
    network: dict[str, Any] = {
        "act": "silu",
        "stem": {"channels": STEM, "kernel": 3, "stride": 2},
        "head": {"channels": HEAD, "dropout": 0.0},
        "drop_path": 0.0,
    }
    if more:
        network["stem"] |= {"channels": [16, 24], "kernel": [3, 5]}
        network["head"] |= {"channels": [1024, 1280], "dropout": [0.0, 0.2]}
    return {
        "study": {"name": name, "trials": 1, "sampler": sampler, "seed": 0},
        "input": {"shape": [3, RESOLUTION, RESOLUTION], "classes": CLASSES},
        "network": network,
        "stages": [
            {"block": list(BLOCKS), "repeats": list(repeats), "channels": list(channels), "stride": stride,
             "kernel": list(KERNELS), "expand": list(EXPANDS), "se": list(SQUEEZES)}
            for repeats, channels, stride in zip(REPEATS, CHANNELS, STRIDES, strict=True)
        ],
        "objectives": dict(objectives),
        "constraints": dict(constraints or {}),
        "columns": dict(columns or {}),
    }
