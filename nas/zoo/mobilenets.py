"""MobileNetV2, MobileNetV3 and MnasNet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.choices import Choice
from nas.zoo.rows import Row, stages_of, to_eights

# Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv:1801.04381), table 2.
MOBILENET_V2: Sequence[Row] = (
    ("mbconv", 1, 16, 1, 3, 1, 0),
    ("mbconv", 2, 24, 2, 3, 6, 0),
    ("mbconv", 3, 32, 2, 3, 6, 0),
    ("mbconv", 4, 64, 2, 3, 6, 0),
    ("mbconv", 3, 96, 1, 3, 6, 0),
    ("mbconv", 3, 160, 2, 3, 6, 0),
    ("mbconv", 1, 320, 1, 3, 6, 0),
)

# Tan et al. 2019, MnasNet: Platform-Aware Neural Architecture Search for Mobile (arXiv:1807.11626): model B1. Its first
# separable convolution is an inverted residual without expansion.
MNASNET: Sequence[Row] = (
    ("mbconv", 1, 16, 1, 3, 1, 0),
    ("mbconv", 3, 24, 2, 3, 3, 0),
    ("mbconv", 3, 40, 2, 5, 3, 0),
    ("mbconv", 3, 80, 2, 5, 6, 0),
    ("mbconv", 2, 96, 1, 3, 6, 0),
    ("mbconv", 4, 192, 2, 5, 6, 0),
    ("mbconv", 1, 320, 1, 3, 6, 0),
)

V3Row = tuple[int, int, int, bool, str, int]
"""Kernel, width inside, channels out, squeeze-excite, activation, stride."""

# Howard et al. 2019, Searching for MobileNetV3 (arXiv:1905.02244), tables 1 and 2.
V3_LARGE: Sequence[V3Row] = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hardswish", 2),
    (3, 200, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 480, 112, True, "hardswish", 1),
    (3, 672, 112, True, "hardswish", 1),
    (5, 672, 160, True, "hardswish", 2),
    (5, 960, 160, True, "hardswish", 1),
    (5, 960, 160, True, "hardswish", 1),
)
V3_SMALL: Sequence[V3Row] = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hardswish", 2),
    (5, 240, 40, True, "hardswish", 1),
    (5, 240, 40, True, "hardswish", 1),
    (5, 120, 48, True, "hardswish", 1),
    (5, 144, 48, True, "hardswish", 1),
    (5, 288, 96, True, "hardswish", 2),
    (5, 576, 96, True, "hardswish", 1),
    (5, 576, 96, True, "hardswish", 1),
)


def _of_relu6_or_relu(rows: Sequence[Row], act: str, norm: Norm) -> Architecture:
    return Architecture(
        input_shape=(3, 224, 224),
        stages=stages_of(rows),
        stem=Stem(channels=32, act=act),
        head=Head(dropout=0.2, act=act),
        act=act,
        norm=norm,
        drop_path=0.0,
    )


def _mobilenet_v3(rows: Sequence[V3Row], head: int, hidden: int) -> Architecture:
    stages, before = [], 16
    for kernel, inside, channels, excite, act, stride in rows:
        params: dict[str, Choice] = {"kernel": kernel, "expand": inside / before, "act": act}
        params |= {"se": _ratio(inside, before), "attention": "hard_se"} if excite else {"se": 0}
        stages.append(Stage("mbconv", 1, 1, channels, stride, params))
        before = channels
    return Architecture(
        input_shape=(3, 224, 224),
        stages=tuple(stages),
        stem=Stem(channels=16, act="hardswish"),
        head=Head(channels=head, hidden=hidden, dropout=0.2, act="hardswish"),
        act="hardswish",
        norm=Norm(eps=1e-3, momentum=0.01),
        drop_path=0.0,
    )


def _ratio(inside: int, before: int) -> float:
    """The squeeze of MobileNetV3, a quarter of the width inside rounded to a multiple of 8, as a ratio of the channels
    that come in; its fourth decimal is rounded up, so that the ratio gives the squeeze back.
    """
    return math.ceil(to_eights(inside // 4) / before * 1e4) / 1e4


NETWORKS: Mapping[str, Architecture] = {
    "mobilenet_v2": _of_relu6_or_relu(MOBILENET_V2, "relu6", Norm(eps=1e-5, momentum=0.1)),
    "mobilenet_v3_large": _mobilenet_v3(V3_LARGE, head=960, hidden=1280),
    "mobilenet_v3_small": _mobilenet_v3(V3_SMALL, head=576, hidden=1024),
    "mnasnet1_0": _of_relu6_or_relu(MNASNET, "relu", Norm(eps=1e-5, momentum=3e-4)),
}
