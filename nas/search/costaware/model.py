"""The models of the columns that must be measured: one Gaussian process a column, on what was found of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.search.costaware.features import Vector
from nas.search.costaware.gain import LogNormal
from nas.search.costaware.networks import COSTS, Networks
from nas.search.costaware.surrogate import Alike, MaximumPosterior, fitted

MARGIN = 0.3
"""How far below the best value a network may be believed to be, as a share of the distance from the best to the median.

Values are warped, log(value - best + margin): the bad tail, of which there is no end in some spaces, would rule the
fit.
"""
FINEST = 1e-9
"""The least margin, as a share of the best value: beside it a smaller one would be lost in rounding."""
MOST = 300
"""Observations that a model is fitted to; of more the best half, and others at random."""
COST_FEATURES = tuple(COSTS.index(name) for name in ("params", "macs"))


class View:
    """What a model sees of networks: what was chosen, and how the logarithms of their costs stand among others'.

    Args:
        others: (m, 4) costs, the same ones throughout a search, so that what was seen once looks the same later on.
    """

    def __init__(self, others: Vector) -> None:
        logs = _logs(others) if len(others) else np.zeros((1, len(COST_FEATURES)))
        self._center, spread = logs.mean(axis=0), logs.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)

    def of(self, networks: Networks) -> Vector:
        """(n, features), those of the choices first."""
        return np.hstack([networks.features, (_logs(networks.costs) - self._center) / self._spread])


def _logs(costs: Vector) -> Vector:
    logs: Vector = np.log(np.maximum(costs[:, COST_FEATURES], 1.0))
    return logs


class ColumnModel:
    """Of a column to be minimised, from what was found of n networks.

    Args:
        seen: (n, features), see `View`.
        values: (n,), finite.
        split: how many of the features are choices.
        kernel: hyperparameters that were fitted before; None: they are fitted now.
        levels: bounds, none of which may be beyond belief.
    """

    def __init__(
        self, seen: Vector, values: Vector, split: int, kernel: Alike | None = None, levels: Sequence[float] = ()
    ) -> None:
        self._split = split
        best, middle = float(values.min()), float(np.median(values))
        margin = MARGIN * (middle - best) or 1e-3 * abs(best) or 1e-3
        lowest = min(best, *levels, best)
        self.floor = lowest - max(margin, FINEST * abs(lowest))
        warped = np.log(values - self.floor)
        self._mean, self._spread = float(warped.mean()), float(warped.std()) or 1.0
        self._seen, self._targets = seen, (warped - self._mean) / self._spread
        self._process: MaximumPosterior = fitted(seen, self._targets, split, kernel)

    @property
    def kernel(self) -> Alike:
        """The hyperparameters."""
        found: Alike = self._process.kernel_
        return found

    def at(self, where: Vector) -> LogNormal:
        """What is believed of m networks, given as (m, features)."""
        mean, deviation = self._process.predict(where, return_std=True)
        own = np.sqrt(np.maximum(deviation**2 - self.kernel.noise, 1e-12))  # not that of one more measurement
        return LogNormal(mean * self._spread + self._mean, own * self._spread, self.floor)

    def believing(self, where: Vector) -> ColumnModel:
        """With m running networks at what is believed of them, so that their neighbours promise less."""
        mean = self._process.predict(where)
        twin: ColumnModel = object.__new__(ColumnModel)
        twin.__dict__ |= self.__dict__
        twin._seen, twin._targets = np.vstack([self._seen, where]), np.concatenate([self._targets, mean])
        twin._process = fitted(twin._seen, twin._targets, self._split, self.kernel)
        return twin


class Hyperparameters:
    """Fits models of columns; hyperparameters anew only where a tenth of the observations has been added since."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[str, bytes], Alike] = {}

    def fitted(
        self, column: str, seen: Vector, values: Vector, split: int, levels: Sequence[float] = ()
    ) -> ColumnModel:
        """The model of (n,) values that were found of (n, features), in their order."""
        first = _step(len(values))
        key = column, hashlib.sha256(seen[:first].tobytes() + values[:first].tobytes()).digest()
        if key not in self._known:
            rows = self._chosen(values[:first])
            self._known[key] = ColumnModel(seen[rows], values[rows], split, levels=levels).kernel
        rows = self._chosen(values)
        return ColumnModel(seen[rows], values[rows], split, self._known[key], levels)

    def _chosen(self, values: Vector) -> NDArray[np.intp]:
        """Places of at most `MOST` values, in order: the best half, and of the others some at random."""
        if len(values) <= MOST:
            return np.arange(len(values))
        order = np.argsort(values, kind="stable")
        rng = np.random.default_rng([self._seed, len(values)])
        others = rng.choice(order[MOST // 2:], MOST - MOST // 2, replace=False)
        return np.sort(np.concatenate([order[: MOST // 2], others]))


def _step(number: int) -> int:
    """The largest of 2, 3, ..., 10, 11, 13, 15, ... (each a tenth more) up to `number`."""
    step = 2
    while (further := max(step + 1, step + step // 10)) <= number:
        step = further
    return step
