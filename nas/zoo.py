"""Published networks, written as stages of plugin blocks, and the way from a name or a text to an `Architecture`.

`input_shape` is the published crop at which a network was evaluated; dropout, drop path and norms are as published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.canonical import canonicalise
from nas.choices import Params
from nas.errors import BlockError, SpecError, nearest
from nas.plugins import Plugins, load_plugins

ELSEWHERE = ("torchvision:", "timm:")
"""Prefixes of networks that other libraries build."""


def names() -> tuple[str, ...]:
    """The names of the published networks."""
    return tuple(_networks())


def load(name_or_text: str, plugins: Sequence[str | Path] = ()) -> Architecture:
    """A published network by name, or the architecture that a text writes out; canonical, every parameter filled in.

    `plugins` are local plugin files whose blocks the text may name, besides those that are installed.

    Raises:
        SpecError: no network has this name; the text is malformed.
        BlockError: a block is unknown, of another version, or refuses its place.
        PluginError: a plugin file does not load.
    """
    if not isinstance(name_or_text, str):
        raise SpecError(f"a network is a name or an architecture's text, got {type(name_or_text).__name__}")
    return canonical_with(_find(name_or_text.strip()), load_plugins(plugins))


def canonical_with(arch: Architecture, plugins: Plugins) -> Architecture:
    """The canonical twin of `arch`; where a block is unknown, the message tells which plugins did not load.

    Raises:
        BlockError: a block is unknown, of another version, or refuses its place.
        SpecError: an activation is unknown, or the input is smaller than the strides need.
    """
    try:
        return canonicalise(arch, plugins.blocks)
    except BlockError as error:
        if all(stage.block in plugins.blocks for stage in arch.stages):
            raise
        raise BlockError(f"{error}{plugins.hint()}") from None


def _find(name_or_text: str) -> Architecture:
    if name_or_text.startswith(ELSEWHERE):
        raise SpecError(f"{name_or_text!r}: networks of other libraries cannot be loaded; "
                        f"the published ones here are {', '.join(names())}")
    if "(" in name_or_text:
        return Architecture.parse(name_or_text)
    if name_or_text not in _networks():
        raise SpecError(f"unknown network {name_or_text[:60]!r}{nearest(name_or_text[:60], names())}; "
                        f"there are {', '.join(names())}, or write an architecture's text")
    return _networks()[name_or_text]


@cache
def _networks() -> dict[str, Architecture]:
    return {
        "efficientnet_v2_s": _efficientnet_v2(384, 24, V2_S, dropout=0.2),
        "efficientnet_v2_m": _efficientnet_v2(480, 24, V2_M, dropout=0.3),
        "efficientnet_v2_l": _efficientnet_v2(480, 32, V2_L, dropout=0.4),
        **{f"efficientnet_b{size}": _efficientnet(*row) for size, row in enumerate(B)},
        "mobilenet_v2": _mobilenet_v2(),
    }


Row = tuple[str, int, int, int, int, int, float]
"""Block, repeats, channels, stride, kernel, expand, se."""


def _stage(row: Row) -> Stage:
    block, repeats, channels, stride, kernel, expand, se = row
    return Stage(block, 1, repeats, channels, stride, Params({"kernel": kernel, "expand": expand, "se": se}))


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
        stages=tuple(_stage(row) for row in rows),
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
    stages = [
        _stage((block, math.ceil(depth * repeats), _to_eights(width * channels), stride, kernel, expand, se))
        for block, repeats, channels, stride, kernel, expand, se in B0
    ]
    return Architecture(
        input_shape=(3, crop, crop),
        stages=tuple(stages),
        stem=Stem(channels=_to_eights(width * 32)),
        head=Head(channels=_to_eights(width * 1280), dropout=dropout),
        norm=norm,
    )


def _to_eights(channels: float) -> int:
    """The nearest multiple of 8, one more where that loses over a tenth: how the EfficientNets scale their width."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


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


def _mobilenet_v2() -> Architecture:
    return Architecture(
        input_shape=(3, 224, 224),
        stages=tuple(_stage(row) for row in MOBILENET_V2),
        stem=Stem(channels=32, act="relu6"),
        head=Head(dropout=0.2, act="relu6"),
        act="relu6",
        norm=Norm(eps=1e-5, momentum=0.1),
        drop_path=0.0,
    )
