"""`Dataset`, the value that networks are trained and judged on, and how it is made of a source's labelled images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.errors import SpecError

if TYPE_CHECKING:
    from torch import Tensor

Shape: TypeAlias = tuple[int, int, int]
"""(channels, height, width) of one image, as the study's networks take it."""

RECIPE = "1"
"""Part of every fingerprint: raise it when the same files begin to give other splits or other pixels."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images as their source holds them, before they are resized and normalised.

    Attributes:
        images: (N, channels, height, width); uint8 counts from 0 to 255, anything else is taken as it is.
        labels: (N,) int64, the index of each image's class.
        digests: a digest of each image's content: images of one digest and class never part at a split.
    """

    images: NDArray[np.generic]
    labels: NDArray[np.int64]
    digests: tuple[str, ...]

    def pick(self, index: NDArray[np.int64]) -> Labelled:
        """The images at these positions."""
        return Labelled(self.images[index], self.labels[index], tuple(self.digests[i] for i in index))


@dataclass(frozen=True, eq=False)
class Parts:
    """A source's images in their three splits."""

    train: Labelled
    validation: Labelled
    test: Labelled
    class_names: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Sha256 of the content and label of every image, split by split, and of the recipe that made them."""
        digest = hashlib.sha256(f"recipe {RECIPE}\n".encode())
        for name in ("train", "validation", "test"):
            part: Labelled = getattr(self, name)
            images = zip(part.labels, part.digests, strict=True)
            lines = [f"{self.class_names[label]} {content}" for label, content in images]
            digest.update("\n".join([name, *lines, ""]).encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """Images that are used together.

    Attributes:
        images: float32 (N, channels, height, width), normalised per channel with the statistics of the train split.
        labels: int64 (N,), each an index into the data set's `class_names`.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in three splits, at the shape that a study's networks take.

    Attributes:
        source: what the study file calls it, such as "digits" or "folder:photos".
        train: what networks learn from.
        validation: what a search judges them by.
        test: what no search sees; only a last word on a chosen network may open it.
        class_names: the name of each label.
        fingerprint: 64 hex digits, of content and splits. The shape is not in it: that is the network's own.
        mean, std: per channel, of the train split before it was normalised, where black is 0 and white is 1.
    """

    source: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def assemble(source: str, parts: Parts, shape: Shape) -> Dataset:
    """Resizes and normalises the splits of a source.

    A grey image is repeated over the three channels that a colour network takes. A channel that is the same
    everywhere is centred and not scaled.

    Raises:
        SpecError: the images have other channels than the networks take.
    """
    train, validation, test = (_fit(part.images, shape, source) for part in (parts.train, parts.validation, parts.test))
    mean = train.double().mean(dim=(0, 2, 3))
    std = train.double().std(dim=(0, 2, 3), correction=0)
    std[std == 0] = 1.0
    shift, scale = (value.float()[:, None, None] for value in (mean, std))
    for images in (train, validation, test):
        images.sub_(shift).div_(scale)
    return Dataset(
        source,
        _split(train, parts.train),
        _split(validation, parts.validation),
        _split(test, parts.test),
        parts.class_names,
        parts.fingerprint,
        tuple(mean.tolist()),
        tuple(std.tolist()),
    )


def _split(images: Tensor, part: Labelled) -> Split:
    import torch

    return Split(images, torch.from_numpy(part.labels))


def _fit(images: NDArray[np.generic], shape: Shape, source: str) -> Tensor:
    """The images as float32 of the shape: averaged over areas where they shrink, bilinear where a side grows."""
    import torch
    from torch.nn import functional as F  # noqa: N812  # torch's own name for it

    channels, height, width = shape
    has = images.shape[1]
    if has != channels and (has, channels) != (1, 3):
        raise SpecError(
            f'data = "{source}" has images of {has} channel{"s" * (has > 1)}, the study\'s networks take {channels}.\n'
            f"Set [input] shape to [{has}, {height}, {width}]; only grey images are turned into colour ones."
        )
    pixels = torch.from_numpy(np.array(images, dtype=np.float32))
    if images.dtype == np.uint8:
        pixels /= 255
    if pixels.shape[2:] != (height, width):
        shrinks = height <= pixels.shape[2] and width <= pixels.shape[3]
        pixels = (
            F.interpolate(pixels, (height, width), mode="area")
            if shrinks
            else F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
        )
    return pixels.expand(-1, channels, -1, -1).contiguous()
