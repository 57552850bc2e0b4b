"""ResNet-18, 34 and 50: He et al. 2016, Deep Residual Learning for Image Recognition (arXiv:1512.03385), table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.arch import Architecture, Head, Norm, Stage, Stem

WIDTHS = (64, 128, 256, 512)
FOURFOLD = 4
"""A bottleneck puts out so many times its width inside."""


def _basic(depths: Sequence[int]) -> Architecture:
    stages = [
        Stage("basic", 1, depth, width, 1 if width == WIDTHS[0] else 2, {"kernel": 3})
        for width, depth in zip(WIDTHS, depths, strict=True)
    ]
    return _resnet(stages)


def _bottleneck(depths: Sequence[int]) -> Architecture:
    """The first block of each stage takes in other channels than the rest, and so another ratio is its width inside."""
    stages, before = [], WIDTHS[0]
    for width, depth in zip(WIDTHS, depths, strict=True):
        channels = FOURFOLD * width
        stride = 1 if width == WIDTHS[0] else 2
        stages.append(Stage("bottleneck", 1, 1, channels, stride, {"kernel": 3, "expand": width / before}))
        stages.append(Stage("bottleneck", 1, depth - 1, channels, 1, {"kernel": 3, "expand": width / channels}))
        before = channels
    return _resnet(stages)


def _resnet(stages: Sequence[Stage]) -> Architecture:
    return Architecture(
        input_shape=(3, 224, 224),
        stages=tuple(stages),
        stem=Stem(channels=64, kernel=7, stride=2, pool=True, act="relu"),
        head=Head(channels=0, dropout=0.0, act="relu"),
        act="relu",
        norm=Norm(eps=1e-5, momentum=0.1),
        drop_path=0.0,
    )


NETWORKS: Mapping[str, Architecture] = {
    "resnet18": _basic((2, 2, 2, 2)),
    "resnet34": _basic((3, 4, 6, 3)),
    "resnet50": _bottleneck((3, 4, 6, 3)),
}
