"""What a Gaussian process takes for alike in networks; scikit-learn comes with it, where a model is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]


VARIANCES = (1e-6, 1e3)
LENGTHS = (0.3, 30.0)


class OfBlocks(Kernel):  # type: ignore[misc]  # scikit-learn ships no types
    """Times that add up over blocks, and a smooth function of what a network is as a whole.

    `sum_g linear[g] <x_g, y_g> + smooth exp(-|x_s - y_s|^2 / (2 length^2))`: `groups` are slices of columns (start,
    stop), of whose weights `linear` holds the variance before anything is measured; `whole` is the slice of x_s.
    """

    def __init__(
        self, groups: Sequence[tuple[int, int]], whole: tuple[int, int], linear: Sequence[float] | None = None,
        smooth: float = 0.1, length: float = 1.0,
    ) -> None:
        self.groups, self.whole, self.smooth, self.length = groups, whole, smooth, length
        self.linear = [1.0] * len(groups) if linear is None else linear

    @property
    def hyperparameter_linear(self) -> Hyperparameter:
        """The variances of the groups' weights."""
        return Hyperparameter("linear", "numeric", VARIANCES, len(self.groups))

    @property
    def hyperparameter_smooth(self) -> Hyperparameter:
        """The variance of the smooth function."""
        return Hyperparameter("smooth", "numeric", VARIANCES)

    @property
    def hyperparameter_length(self) -> Hyperparameter:
        """How far the smooth function goes without changing much."""
        return Hyperparameter("length", "numeric", LENGTHS)

    def __call__(
        self, X: Matrix, Y: Matrix | None = None, eval_gradient: bool = False  # noqa: N803  # scikit-learn's names
    ) -> Matrix | tuple[Matrix, Matrix]:
        """(rows of X, rows of Y), and where it is asked for the gradient by the logarithm of each hyperparameter, which
        scikit-learn sorts by name: length, linear, smooth.
        """
        other = X if Y is None else Y
        lines = [value * X[:, at:to] @ other[:, at:to].T for value, (at, to) in self._of_groups()]
        at, to = self.whole
        distance = ((X[:, None, at:to] - other[None, :, at:to]) ** 2).sum(-1) / self.length**2
        curve = self.smooth * np.exp(-0.5 * distance)
        together = np.sum([*lines, curve], axis=0)
        return (together, np.stack([curve * distance, *lines, curve], axis=-1)) if eval_gradient else together

    def diag(self, X: Matrix) -> Matrix:  # noqa: N803
        """The diagonal of `self(X)`."""
        found = np.full(len(X), self.smooth)
        for value, (at, to) in self._of_groups():
            found += value * (X[:, at:to] ** 2).sum(1)
        return found

    def is_stationary(self) -> bool:
        """It is not: a longer network takes longer."""
        return False

    def weights(self) -> Matrix:
        """The variance of every column's weight before anything is measured."""
        found = np.zeros(max(to for _, to in self.groups))
        for value, (at, to) in self._of_groups():
            found[at:to] = value
        return found

    def _of_groups(self) -> Iterator[tuple[float, tuple[int, int]]]:
        return zip(np.atleast_1d(self.linear).tolist(), self.groups, strict=True)
