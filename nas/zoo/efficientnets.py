"""EfficientNet-B0 to B7 and EfficientNetV2-S, M and L."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nas.arch import Architecture, Head, Norm, Stem
from nas.zoo.rows import Row, stages_of, to_eights

# Tan and Le 2021, EfficientNetV2: Smaller Models and Faster Training (arXiv:2104.00298), table 4, and its code.
V2_S: Sequence[Row] = (
    ("fused_mbconv", 2, 24, 1, 3, 1, 0),
    ("fused_mbconv", 4, 48, 2, 3, 4, 0),
    ("fused_mbconv", 4, 64, 2, 3, 4, 0),
    ("mbconv", 6, 128, 2, 3, 4, 0.25),
    ("mbconv", 9, 160, 1, 3, 6, 0.25),
    ("mbconv", 15, 256, 2, 3, 6, 0.25),
)
V2_M: Sequence[Row] = (
    ("fused_mbconv", 3, 24, 1, 3, 1, 0),
    ("fused_mbconv", 5, 48, 2, 3, 4, 0),
    ("fused_mbconv", 5, 80, 2, 3, 4, 0),
    ("mbconv", 7, 160, 2, 3, 4, 0.25),
    ("mbconv", 14, 176, 1, 3, 6, 0.25),
    ("mbconv", 18, 304, 2, 3, 6, 0.25),
    ("mbconv", 5, 512, 1, 3, 6, 0.25),
)
V2_L: Sequence[Row] = (
    ("fused_mbconv", 4, 32, 1, 3, 1, 0),
    ("fused_mbconv", 7, 64, 2, 3, 4, 0),
    ("fused_mbconv", 7, 96, 2, 3, 4, 0),
    ("mbconv", 10, 192, 2, 3, 4, 0.25),
    ("mbconv", 19, 224, 1, 3, 6, 0.25),
    ("mbconv", 25, 384, 2, 3, 6, 0.25),
    ("mbconv", 7, 640, 1, 3, 6, 0.25),
)


def _efficientnet_v2(crop: int, stem: int, rows: Sequence[Row], dropout: float) -> Architecture:
    return Architecture(
        input_shape=(3, crop, crop),
        stages=stages_of(rows),
        stem=Stem(channels=stem),
        head=Head(dropout=dropout),
        norm=Norm(eps=1e-3, momentum=0.1),
    )


# Tan and Le 2019, EfficientNet: Rethinking Model Scaling (arXiv:1905.11946), table 1.
B0: Sequence[Row] = (
    ("mbconv", 1, 16, 1, 3, 1, 0.25),
    ("mbconv", 2, 24, 2, 3, 6, 0.25),
    ("mbconv", 2, 40, 2, 5, 6, 0.25),
    ("mbconv", 3, 80, 2, 3, 6, 0.25),
    ("mbconv", 3, 112, 1, 5, 6, 0.25),
    ("mbconv", 4, 192, 2, 5, 6, 0.25),
    ("mbconv", 1, 320, 1, 3, 6, 0.25),
)
_B_NORM, _B_LARGE_NORM = Norm(eps=1e-5, momentum=0.1), Norm(eps=1e-3, momentum=0.01)
B: Sequence[tuple[int, float, float, float, Norm]] = (
    (224, 1.0, 1.0, 0.2, _B_NORM),
    (240, 1.0, 1.1, 0.2, _B_NORM),
    (288, 1.1, 1.2, 0.3, _B_NORM),
    (300, 1.2, 1.4, 0.3, _B_NORM),
    (380, 1.4, 1.8, 0.4, _B_NORM),
    (456, 1.6, 2.2, 0.4, _B_LARGE_NORM),
    (528, 1.8, 2.6, 0.5, _B_LARGE_NORM),
    (600, 2.0, 3.1, 0.5, _B_LARGE_NORM),
)
"""B0 to B7: crop, width multiplier, depth multiplier, dropout, norm."""


def _efficientnet(crop: int, width: float, depth: float, dropout: float, norm: Norm) -> Architecture:
    rows: list[Row] = [
        (block, math.ceil(depth * repeats), to_eights(width * channels), stride, kernel, expand, se)
        for block, repeats, channels, stride, kernel, expand, se in B0
    ]
    return Architecture(
        input_shape=(3, crop, crop),
        stages=stages_of(rows),
        stem=Stem(channels=to_eights(width * 32)),
        head=Head(channels=to_eights(width * 1280), dropout=dropout),
        norm=norm,
    )


NETWORKS: Mapping[str, Architecture] = {
    "efficientnet_v2_s": _efficientnet_v2(384, 24, V2_S, dropout=0.2),
    "efficientnet_v2_m": _efficientnet_v2(480, 24, V2_M, dropout=0.3),
    "efficientnet_v2_l": _efficientnet_v2(480, 32, V2_L, dropout=0.4),
    **{f"efficientnet_b{size}": _efficientnet(*row) for size, row in enumerate(B)},
}
