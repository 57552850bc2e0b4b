"""`digits`: 1,797 real handwritten digits of 8 x 8 pixels, which scikit-learn ships."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.train.data.dataset import Labelled, Parts, Shape
from nas.train.data.split import digests_of, split


def handwritten() -> Parts:
    """The digits as uint8 images (N, 1, 8, 8), in their splits.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998; the copy in `sklearn.datasets.load_digits`, whose pixels count from 0 to 16.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    names = tuple(str(name) for name in bunch.target_names)
    return split(Labelled(images, bunch.target.astype(np.int64), digests_of(images)), names, 'data = "digits"')


@dataclass(frozen=True)
class Digits:
    """The source `digits`: 10 classes, 1 x 8 x 8."""

    def stamp(self) -> str:
        """Changes where the content does: never."""
        return ""

    def parts(self, shape: Shape) -> Parts:  # noqa: ARG002  # they have a size of their own
        """The images at their own size."""
        return handwritten()
