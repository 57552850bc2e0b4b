"""`cluttered`: the real handwritten digits composed into 16 x 16 scenes with distractors and noise.

Plain digits are too easy to rank networks by: after a few epochs the spread between seeds is the spread between
networks. After the "cluttered translated MNIST" of V. Mnih et al., "Recurrent Models of Visual Attention", 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.train.data.dataset import Labelled, Parts, Shape
from nas.train.data.digits import handwritten
from nas.train.data.split import SEED, digests_of

SIDE = 16
DISTRACTORS = 4
PATCH = 3
NOISE = 24.0
"""Standard deviation of the noise, where white is 255."""

SCENES = {"train": 4000, "validation": 2000, "test": 2000}


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed images, and what they were composed of.

    Attributes:
        images: uint8 (N, 1, 16, 16).
        labels: int64 (N,), the class of the whole digit in each.
        origins: int64 (N, 1 + distractors), positions in the pool of originals: the digit, then the distractors.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    origins: NDArray[np.int64]


def compose(pool: Labelled, count: int, rng: np.random.Generator) -> Scenes:
    """Scenes of one whole digit and of pieces of others, from the images of this pool and no others.

    The classes take turns, so that each has the same number of scenes.

    Args:
        pool: digits, uint8 (N, 1, height, width).
        count: how many scenes.
        rng: of all choices.
    """
    classes = int(pool.labels.max()) + 1
    members = [np.flatnonzero(pool.labels == label) for label in range(classes)]
    height, width = pool.images.shape[2:]
    originals = pool.images[:, 0].astype(np.float64)
    labels = np.arange(count, dtype=np.int64) % classes
    scenes = np.zeros((count, SIDE, SIDE))
    origins = np.empty((count, 1 + DISTRACTORS), dtype=np.int64)
    for scene, label, row in zip(scenes, labels, origins, strict=True):
        row[0] = rng.choice(members[label])
        row[1:] = rng.integers(len(originals), size=DISTRACTORS)
        for other in row[1:]:
            top, left = rng.integers(height - PATCH + 1), rng.integers(width - PATCH + 1)
            _paste(scene, originals[other, top : top + PATCH, left : left + PATCH], rng)
        _paste(scene, originals[row[0]], rng)
    scenes += rng.normal(0.0, NOISE, scenes.shape)
    images = np.clip(np.round(scenes), 0, 255).astype(np.uint8)[:, None]
    return Scenes(images, labels, origins)


def _paste(scene: NDArray[np.float64], piece: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Lays a piece on a scene at a random place: the brighter pixel stays."""
    height, width = piece.shape
    top, left = rng.integers(SIDE - height + 1), rng.integers(SIDE - width + 1)
    view = scene[top : top + height, left : left + width]
    np.maximum(view, piece, out=view)


@dataclass(frozen=True)
class Cluttered:
    """The source `cluttered`: 10 classes, 1 x 16 x 16. Each split's scenes are made of that split's digits alone."""

    def stamp(self) -> str:
        """Changes where the content does: never."""
        return ""

    def parts(self, shape: Shape) -> Parts:  # noqa: ARG002  # they have a size of their own
        """The scenes at their own size."""
        digits = handwritten()
        train, validation, test = (
            _labelled(compose(getattr(digits, name), count, np.random.default_rng([SEED, number])))
            for number, (name, count) in enumerate(SCENES.items())
        )
        return Parts(train, validation, test, digits.class_names)


def _labelled(scenes: Scenes) -> Labelled:
    return Labelled(scenes.images, scenes.labels, digests_of(scenes.images))
