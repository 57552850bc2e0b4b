"""Predicts the time of networks that were never measured from that of others, with an interval that holds.

A time is taken for a sum over blocks, each with an overhead and a time for its arithmetic, its maps and its weights,
which differ by kind of block and by place, and for a smooth function of the input's size. How much there is of each,
the measurements decide: a Gaussian process at the most probable hyperparameters. Errors of times are relative, so it is
fitted to the logarithm of the time over a rough guess at it; how wide an interval must be is seen from each network
left out in turn.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.errors import MeasureError
from nas.latency.features import TOTALS, Additive, Network, log_side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

FEWEST = 8
"""Networks below which nothing is predicted."""
VAGUE = 2.0
"""Standard deviation of what is thought of a hyperparameter beforehand, in units of e: without it, the parts of a time
that a few measurements do not tell apart come out as exactly nothing, or as everything."""
NOISE = 0.3
"""What share of the variance is taken for noise beforehand."""
TAILS = 5
"""Degrees of freedom of Student's t, which says how far out a quantile is that too few networks were left out for."""
SURE = 0.9
"""The quantile from which it goes out."""


class Prediction(NamedTuple):
    """Predicted values, one a network, in the unit of the measurements, and the interval that was asked for."""

    value: Vector
    low: Vector
    high: Vector


@dataclass(frozen=True)
class LatencyModel:
    """What `fit` makes of measurements.

    Attributes:
        networks: how many it was fitted to.
        additive: which features of blocks it has.
        rough: the rough guess, in the measurements' unit: of every network, and of each of `QUANTITIES` in all.
        typical: the median of the rough guesses.
        side: mean and standard deviation of the logarithm of the input's side.
        centre, spread: of the logarithm of the time over the rough guess.
        process: scikit-learn's GaussianProcessRegressor.
        scores: how far each network was from its prediction by all others, in standard deviations; sorted.
    """

    networks: int
    additive: Additive
    rough: Vector
    typical: float
    side: tuple[float, float]
    centre: float
    spread: float
    process: Any
    scores: Vector

    def predict(self, networks: Sequence[Network], level: float = SURE) -> Prediction:
        """The values of networks, and an interval that holds the share `level` of what will be measured of them."""
        import numpy as np

        guess, features = self._seen(networks)
        mean, deviation = self.process.predict(features, return_std=True)
        value = guess * np.exp(self.centre + self.spread * mean)
        wide = np.exp(self.spread * deviation * self.factor(level))
        return Prediction(value, value / wide, value * wide)

    def factor(self, level: float) -> float:
        """How many standard deviations the interval of a level goes to each side."""
        from scipy.stats import t

        place = math.ceil((self.networks + 1) * level)
        if place <= self.networks:
            return float(self.scores[place - 1])
        inner = min(level, SURE)
        known = float(self.scores[min(self.networks, math.ceil((self.networks + 1) * inner)) - 1])
        further = t.ppf((1 + level) / 2, TAILS) / t.ppf((1 + inner) / 2, TAILS)
        return max(known * float(further), float(self.scores[-1]))

    def of_blocks(self, network: Network, level: float = SURE) -> Prediction:
        """What each entry of a network takes, one block of it: its part of the sum, with its interval.

        What no block takes, and what the sum leaves over, is in none of them.
        """
        import numpy as np
        from scipy.linalg import solve_triangular

        rows = self.additive.blocks(network)
        variances = self.process.kernel_.k1.weights()[: rows.shape[1]]
        seen = self.process.X_train_[:, : rows.shape[1]]
        weights = variances * (seen.T @ self.process.alpha_.ravel())
        told = solve_triangular(self.process.L_, seen @ (variances * rows).T, lower=True)
        variance = np.clip((variances * rows**2).sum(1) - (told**2).sum(0), 0.0, None)
        size = math.exp(self.centre)
        value = size * (rows[:, :TOTALS] @ self.rough + self.spread * self.typical * (rows @ weights))
        half = size * self.spread * self.typical * np.sqrt(variance) * self.factor(level)
        return Prediction(np.clip(value, 0.0, None), np.clip(value - half, 0.0, None), np.clip(value + half, 0.0, None))

    def _seen(self, networks: Sequence[Network]) -> tuple[Vector, Matrix]:
        return _seen(self.additive.rows(networks), log_side(networks), self.rough, self.typical, self.side)


def fit(networks: Sequence[Network], values: Sequence[float]) -> LatencyModel:
    """A model of measured values, which are above 0 and the smaller the faster: a median each, in any unit.

    The same measurements give the same model.

    Raises:
        MeasureError: there are too few to predict anything, or a value is no time.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import WhiteKernel

    from nas.latency.kernel import OfBlocks

    measured = np.asarray(values, dtype=np.float64)
    if len(measured) < FEWEST:
        raise MeasureError(f"{len(measured)} measured networks are too few to predict others from: it takes {FEWEST}")
    if not (np.isfinite(measured).all() and (measured > 0).all()):
        raise MeasureError("a time is a finite number above 0: a model cannot be fitted to others")
    additive, sides = Additive.of(networks), log_side(networks)
    rows = additive.rows(networks)
    rough = _rough(rows[:, :TOTALS], measured)
    typical = float(np.median(rows[:, :TOTALS] @ rough))
    side = (float(sides.mean()), float(sides.std()) or 1.0)
    guess, features = _seen(rows, sides, rough, typical, side)
    ratio = np.log(measured / guess)
    centre, spread = float(ratio.mean()), max(float(ratio.std()), 1e-6)
    width = rows.shape[1]
    kernel = OfBlocks([(group.start, group.stop) for group in additive.groups], (width, width + 1)) + WhiteKernel(NOISE)
    process = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=_most_probable)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that a bound of a hyperparameter was met: they are meant
        process.fit(features, (ratio - centre) / spread)
    inverse = np.linalg.inv(process.L_ @ process.L_.T)
    scores = np.sort(np.abs(process.alpha_.ravel()) / np.sqrt(np.diag(inverse)))
    scores *= math.sqrt(len(measured) / (len(measured) - TOTALS))  # the rough guess has seen those left out, too
    return LatencyModel(len(measured), additive, rough, typical, side, centre, spread, process, scores)


def _seen(
    rows: Matrix, sides: Vector, rough: Vector, typical: float, side: tuple[float, float]
) -> tuple[Vector, Matrix]:
    """The rough guess, and what the process sees: the sums over blocks as shares of it, and the input's side."""
    import numpy as np

    guess = rows[:, :TOTALS] @ rough
    mean, deviation = side
    return guess, np.column_stack([rows * (typical / guess)[:, None], (sides - mean) / deviation])


def _rough(totals: Matrix, measured: Vector) -> Vector:
    """The times that go with the totals of a network, none below 0, by least squares of the relative errors."""
    import numpy as np
    from scipy.optimize import nnls

    found: Vector = nnls(totals / measured[:, None], np.ones(len(measured)))[0]
    return found


Likelihood = Callable[..., "tuple[float, Vector]"]


def _most_probable(negative: Likelihood, start: Vector, bounds: Matrix) -> tuple[Vector, float]:
    """The hyperparameters' logarithms that are most probable by the measurements and by what was thought of them
    beforehand: `start`, give or take `VAGUE`. The signature is scikit-learn's.
    """
    from scipy.optimize import minimize

    def objective(theta: Vector) -> tuple[float, Vector]:
        value, slope = negative(theta)
        off = (theta - start) / VAGUE
        return value + 0.5 * float(off @ off), slope + off / VAGUE

    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return found.x, float(found.fun)
