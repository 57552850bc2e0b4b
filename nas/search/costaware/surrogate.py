"""A Gaussian process over networks: what is not known of an objective, with how sure that is.

Its covariance is a sum of two squared exponentials, one over what can be chosen and one over the logarithms of what it
costs: networks are alike where they are built alike, and a little where they cost alike. Hyperparameters are those of
maximum posterior density: with ten observations the likelihood alone has no opinion, and takes an extreme one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """Where a hyperparameter lies before anything is seen: its logarithm is normal around that of `center`."""

    center: float
    spread: float
    low: float
    high: float


BELIEFS: Mapping[str, Belief] = {
    "choice_length": Belief(2.0, 0.7, 0.1, 50.0),
    "choice_variance": Belief(0.5, 1.0, 1e-4, 1e3),
    "cost_length": Belief(1.5, 0.7, 0.05, 50.0),
    "cost_variance": Belief(0.5, 1.0, 1e-4, 1e3),
    "noise": Belief(1e-2, 1.5, 1e-6, 1.0),
}
"""Of targets of mean 0 and variance 1, features from 0 to 1, and logarithms of costs of mean 0 and variance 1; in the
order of their names, as scikit-learn has hyperparameters.
"""


class Alike(Kernel):  # type: ignore[misc]  # scikit-learn has no types
    """Covariance of networks given as rows: the first `split` columns what was chosen, the others what it costs.

    `choice_variance exp(-d1^2 / 2 choice_length^2) + cost_variance exp(-d2^2 / 2 cost_length^2)`, and `noise` on the
    diagonal, where d1 and d2 are the Euclidean distances of the two halves.
    """

    def __init__(self, split: int, choice_length: float = 2.0, choice_variance: float = 0.5, cost_length: float = 1.5,
                 cost_variance: float = 0.5, noise: float = 1e-2) -> None:
        self.split = split
        self.choice_length, self.choice_variance = choice_length, choice_variance
        self.cost_length, self.cost_variance = cost_length, cost_variance
        self.noise = noise

    def __getattr__(self, name: str) -> Hyperparameter:
        """scikit-learn asks for `hyperparameter_NAME`."""
        key = name.removeprefix("hyperparameter_")
        if key == name or key not in BELIEFS:
            raise AttributeError(name)
        belief = BELIEFS[key]
        return Hyperparameter(key, "numeric", (belief.low, belief.high))

    @property
    def hyperparameters(self) -> list[Hyperparameter]:  # noqa: D102
        return [getattr(self, f"hyperparameter_{name}") for name in BELIEFS]

    def __call__(self, X: Vector, Y: Vector | None = None, eval_gradient: bool = False) -> Any:  # noqa: N803, D102
        first = _exponent(X, Y, slice(None, self.split), self.choice_length)
        second = _exponent(X, Y, slice(self.split, None), self.cost_length)
        if not eval_gradient:
            total = np.exp(first, out=first)
            total *= self.choice_variance
            np.exp(second, out=second)
            second *= self.cost_variance
            total += second
            if Y is None:
                total[np.diag_indices_from(total)] += self.noise
            return total
        built, cost = self.choice_variance * np.exp(first), self.cost_variance * np.exp(second)
        noise = self.noise * np.eye(len(X))
        by_name = {"choice_length": -2.0 * built * first, "choice_variance": built,
                   "cost_length": -2.0 * cost * second, "cost_variance": cost, "noise": noise}
        return built + cost + noise, np.stack([by_name[name] for name in BELIEFS], axis=2)

    def diag(self, X: Vector) -> Vector:  # noqa: N803, D102
        return np.full(len(X), self.choice_variance + self.cost_variance + self.noise)

    def is_stationary(self) -> bool:  # noqa: D102
        return True


def _exponent(one: Vector, other: Vector | None, columns: slice, length: float) -> Vector:
    """(n, m): minus half of the squared distance in lengths; in place, since here is where a proposal's time goes."""
    first = one[:, columns] / length
    second = first if other is None else other[:, columns] / length
    found: Vector = first @ second.T
    found -= 0.5 * (first**2).sum(axis=1)[:, None]
    found -= 0.5 * (second**2).sum(axis=1)[None, :]
    return np.minimum(found, 0.0, out=found)


class MaximumPosterior(GaussianProcessRegressor):  # type: ignore[misc]  # as above
    """Fits hyperparameters to likelihood times belief."""

    def log_marginal_likelihood(  # noqa: D102
        self, theta: Vector | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> Any:
        found = super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
        if theta is None:
            return found
        beliefs = [BELIEFS[name] for name in BELIEFS]
        away = np.array([(value - np.log(belief.center)) / belief.spread
                         for value, belief in zip(theta, beliefs, strict=True)])
        if not eval_gradient:
            return found - 0.5 * (away**2).sum()
        slope = np.array([one / belief.spread for one, belief in zip(away, beliefs, strict=True)])
        return found[0] - 0.5 * (away**2).sum(), found[1] - slope


def fitted(points: Vector, targets: Vector, split: int, kernel: Alike | None = None) -> MaximumPosterior:
    """The process behind (n, d) points and (n,) targets of mean 0 and variance 1; with a kernel, as that one is."""
    model = MaximumPosterior(kernel or Alike(split), alpha=1e-8, optimizer=None if kernel else _climbed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: that feature tells nothing
        model.fit(points, targets)
    return model


def _climbed(loss: Callable[[Vector], tuple[float, Vector]], start: Vector, bounds: Vector) -> tuple[Vector, float]:
    """Where the loss, given with its gradient, is least, to the accuracy that a model needs."""
    found = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": 30, "ftol": 1e-4})
    return found.x, found.fun
