"""Predicts the time of networks that were never measured, from those that were, with an interval that holds.

A time is taken for a sum over blocks, each with an overhead and a time for its arithmetic, its maps and its weights,
which differ by kind of block and by place, and a smooth rest that depends on what the network is as a whole. How much
of each there is, the measurements decide: a Gaussian process whose hyperparameters maximise the marginal likelihood.
Errors of times are relative, so all is fitted to the logarithm of the time over a rough guess at it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.errors import MeasureError
from nas.latency.features import QUANTITIES, Additive, Network, shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

FEWEST = 8
"""Networks below which nothing is predicted."""


class Prediction(NamedTuple):
    """Predicted values, one a network, in the unit of the measurements, and the interval that was asked for."""

    value: Vector
    low: Vector
    high: Vector


@dataclass(frozen=True)
class LatencyModel:
    """What `fit` makes of measurements."""

    additive: Additive
    guess: Vector
    centre: Vector
    spread: Vector
    process: Any  # a GaussianProcessRegressor
    scores: Vector
    mean: float
    median: float
    size: float

    def predict(self, networks: Sequence[Network], level: float) -> Prediction:
        import numpy as np
        from scipy.stats import norm, t
        rows = self.additive.rows(networks)
        whole = shape(networks)
        scale = rows[:, : len(self.guess)] @ self.guess
        X = np.hstack([rows / scale[:, None] * self.median, (whole - self.centre) / self.spread])
        mean, sd = self.process.predict(X, return_std=True)
        if True:
            q = self.factor(level)
        f = self.mean + self.size * mean
        h = self.size * sd * q
        return scale * np.exp(f), scale * np.exp(f - h), scale * np.exp(f + h)

    def factor(self, level):
        from scipy.stats import t
        n = len(self.scores)
        at = math.ceil((n + 1) * level)
        if at <= n and n * (1 - level) >= 1:
            return float(self.scores[at - 1])
        ref = min(level, 0.9)
        base = float(self.scores[min(n, math.ceil((n + 1) * ref)) - 1])
        return max(base * t.ppf(0.5 + level / 2, 5) / t.ppf(0.5 + ref / 2, 5), float(self.scores[-1]))


def fit(networks: Sequence[Network], values: Sequence[float]) -> LatencyModel:
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import WhiteKernel

    from nas.latency.kernel import OfBlocks

    measured = np.asarray(values, dtype=np.float64)
    if len(measured) < FEWEST:
        raise MeasureError("too few")
    additive = Additive.of(networks)
    rows = additive.rows(networks)
    guess = _rough(rows, measured)
    whole = shape(networks)
    centre, spread = whole.mean(0), whole.std(0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    scale = rows[:, : len(guess)] @ guess
    ratio = np.log(measured / scale)
    mean, size = float(ratio.mean()), float(ratio.std()) or 1.0
    groups = [(group.start, group.stop) for group in additive.groups]
    width = groups[-1][1]
    pooled = [(0, 1 + len(QUANTITIES)), *groups[1 + len(QUANTITIES):]]
    smooths = [(width, width + 1), (width, width + whole.shape[1])]
    kernel = OfBlocks(pooled, smooths, [0.1] * len(pooled), [0.1] * len(smooths), [1.0] * len(smooths))
    process = GaussianProcessRegressor(kernel + WhiteKernel(0.3, (1e-4, 2.0)), alpha=1e-8)
    X = np.hstack([rows / scale[:, None] * np.median(scale), (whole - centre) / spread])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(X, (ratio - mean) / size)
    inverse = np.linalg.inv(process.L_ @ process.L_.T)
    scores = np.abs(process.alpha_.ravel()) / np.sqrt(np.diag(inverse))
    return LatencyModel(additive, guess, centre, spread, process, np.sort(scores), mean, float(np.median(scale)), size)


def _rough(rows, measured):
    import numpy as np
    from scipy.optimize import nnls
    pooled = rows[:, : 1 + len(QUANTITIES)]
    w, _ = nnls(pooled / measured[:, None], np.ones(len(measured)))
    return w
