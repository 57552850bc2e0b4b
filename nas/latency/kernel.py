"""What a Gaussian process takes for alike in networks: loaded where a model is fitted, since scikit-learn comes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]


class OfBlocks(Kernel):  # type: ignore[misc]  # scikit-learn ships no types
    """Times that add up over blocks, and smooth functions of what a network is as a whole.

    `sum_g linear[g] <x_g, y_g> + sum_s smooth[s] exp(-|x_s - y_s|^2 / (2 length[s]^2))`: `groups` and `smooths` are
    slices of columns. A group's weights thus have the variance `linear[g]` before anything is measured.
    """

    def __init__(
        self, groups: Sequence[tuple[int, int]], smooths: Sequence[tuple[int, int]], linear: Sequence[float],
        smooth: Sequence[float], length: Sequence[float], variances: tuple[float, float] = (1e-6, 1e2),
        lengths: tuple[float, float] = (0.3, 30.0),
    ) -> None:
        self.groups, self.smooths, self.linear, self.smooth, self.length = groups, smooths, linear, smooth, length
        self.variances, self.lengths = variances, lengths

    @property
    def hyperparameter_linear(self) -> Hyperparameter:
        return Hyperparameter("linear", "numeric", self.variances, len(self.groups))

    @property
    def hyperparameter_smooth(self) -> Hyperparameter:
        return Hyperparameter("smooth", "numeric", self.variances, len(self.smooths))

    @property
    def hyperparameter_length(self) -> Hyperparameter:
        return Hyperparameter("length", "numeric", self.lengths, len(self.smooths))

    def __call__(
        self, X: Matrix, Y: Matrix | None = None, eval_gradient: bool = False  # noqa: N803  # scikit-learn's names
    ) -> Matrix | tuple[Matrix, Matrix]:
        """(rows of X, rows of Y), and where it is asked for the gradient by the logarithm of each hyperparameter, which
        scikit-learn sorts by name: length, linear, smooth.
        """
        other = X if Y is None else Y
        lines = [value * X[:, at:to] @ other[:, at:to].T for (at, to), value in self._pairs(self.groups, self.linear)]
        curves, slopes = [], []
        for (at, to), value, length in zip(
            self.smooths, np.atleast_1d(self.smooth), np.atleast_1d(self.length), strict=True
        ):
            distance = ((X[:, None, at:to] - other[None, :, at:to]) ** 2).sum(-1) / length**2
            curves.append(value * np.exp(-0.5 * distance))
            slopes.append(curves[-1] * distance)
        together = np.sum([*lines, *curves], axis=0)
        return (together, np.stack([*slopes, *lines, *curves], axis=-1)) if eval_gradient else together

    def diag(self, X: Matrix) -> Matrix:  # noqa: N803
        """The diagonal of `self(X)`."""
        parts = [value * (X[:, at:to] ** 2).sum(1) for (at, to), value in self._pairs(self.groups, self.linear)]
        return np.asarray(np.sum([*parts, np.full(len(X), np.sum(self.smooth))], axis=0), dtype=np.float64)

    def is_stationary(self) -> bool:
        """It is not: a longer network has a longer time."""
        return False

    def weights(self) -> Matrix:
        """The variance of every column's weight before anything is measured; 0 of columns that are in no group."""
        width = max(to for _, to in (*self.groups, *self.smooths))
        found = np.zeros(width)
        for (at, to), value in self._pairs(self.groups, self.linear):
            found[at:to] += value
        return found

    @staticmethod
    def _pairs(slices: Sequence[tuple[int, int]], values: Sequence[float]) -> zip[tuple[tuple[int, int], float]]:
        return zip(slices, np.atleast_1d(values), strict=True)
