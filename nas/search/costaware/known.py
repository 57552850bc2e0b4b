"""What is free to know of networks: their costs, and metrics whose `cost` is "free"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nas.search.costaware.decoder import Decoder
from nas.search.costaware.features import Vector
from nas.search.costaware.networks import COSTS, Networks
from nas.space import Values
from nas.spec import Bound

Ask = Callable[[Values], Mapping[str, float] | None]
"""The free metrics of a choice of every dimension; None where one fails."""


class Free:
    """The free columns of a study that matter: its objectives, and those with bounds."""

    def __init__(self, decoder: Decoder, metrics: Sequence[str], ask: Ask, bounds: Sequence[Bound]) -> None:
        self._decoder, self._metrics, self._ask = decoder, tuple(metrics), ask
        self._bounds = [bound for bound in bounds if bound.column in (*COSTS, *metrics)]
        self._asked: dict[bytes, Mapping[str, float] | None] = {}

    @property
    def at_once(self) -> bool:
        """Whether all is known from parts, thousands of networks at a time; else each is decoded and asked about."""
        return not self._metrics

    def of(self, networks: Networks, column: str) -> Vector:
        """(n,) values of a free column; of a network of which a metric cannot say it, NaN."""
        if column in COSTS:
            return networks.costs[:, COSTS.index(column)]
        nan = float("nan")
        return np.array([found[column] if found else nan for found in self._answers(networks)], dtype=np.float64)

    def excess(self, networks: Networks) -> Vector:
        """(n,): by how much they break the bounds, as a share of these; 0 where they keep all, and infinite where a
        metric fails.
        """
        total = np.zeros(len(networks))
        costs = [bound for bound in self._bounds if bound.column in COSTS]
        for bound in costs:
            total += _excess(self.of(networks, bound.column), bound)
        keep = np.flatnonzero(total == 0)
        if self._metrics and len(keep):  # those that a cost rules out need not be asked about
            few = networks.take(keep)
            for bound in (bound for bound in self._bounds if bound not in costs):
                total[keep] += _excess(self.of(few, bound.column), bound)
            total[keep[[found is None for found in self._answers(few)]]] = np.inf
        return total

    def _answers(self, networks: Networks) -> list[Mapping[str, float] | None]:
        keys = networks.keys()
        for row, key in enumerate(keys):
            if key not in self._asked:
                self._asked[key] = self._ask(self._decoder.values(networks.codes[row]))
        return [self._asked[key] for key in keys]


def _excess(values: Vector, bound: Bound) -> Vector:
    over = values - bound.bound if bound.operator == "<=" else bound.bound - values
    share: Vector = np.maximum(np.nan_to_num(over, nan=np.inf), 0.0) / (abs(bound.bound) or 1.0)
    return share
