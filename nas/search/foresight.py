"""Turns down, before they become trials, networks that are sure to be too slow, by what was measured before.

A proposal is turned down where the far end of a wide interval of its predicted time breaks a bound, or leaves it
dominated by a network that was measured. Nothing else is made of a prediction: what is on the front was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from nas.cost.count import count_blocks
from nas.cost.table import CostTable
from nas.front import pareto_mask
from nas.latency.features import Network
from nas.latency.prediction import LatencyModel, fit
from nas.latency.training import Conditions, Measured, Training
from nas.numbers import rounded
from nas.search.columns import Column
from nas.search.costs import StoredCosts
from nas.space import SearchSpace
from nas.spec import StudySpec
from nas.store import Store
from nas.store.rows import TrialRecord

if TYPE_CHECKING:
    from nas.search.propose import Candidate

FROM = 24
"""Measured networks from which a model is believed."""
GROWTH = 1.1
"""A model is fitted anew when there are so many times as many."""
LEVEL = 0.99
"""Of the intervals: of the networks that lie just at a bound, one in 200 is turned down wrongly."""
MOST = 100
"""Proposals turned down for one trial, after which the least hopeless of them is measured: so a model that has gone
wrong is set right, and a search ends by what was measured alone."""


class Foresight:
    """What is foreseen of the candidates of one study, by the database that lies behind its table of costs.

    Without a database nothing is, nor of a study without a noisy column that is bounded or an objective.
    """

    def __init__(self, spec: StudySpec, space: SearchSpace, columns: Sequence[Column], table: CostTable) -> None:
        self._spec, self._space, self._table = spec, space, table
        self._store: Store | None = table.store if isinstance(table, StoredCosts) else None
        self._records: list[TrialRecord] = []
        self._models = [] if self._store is None else [
            _Models(column, Training(self._store, conditions(column, spec.study.seed), space.blocks, table))
            for column in columns if column.metric is not None and column.metric.noisy and not column.free
            and (column.name in spec.objectives or column.name in spec.constraints)
        ]

    def now(self) -> Outlook:
        """What is foreseen by all that is measured by now, for the proposals for one trial.

        Raises:
            StoreError: the database cannot be read.
        """
        believed = [found for models in self._models if (found := models.now()) is not None]
        return Outlook(self._spec, believed, self._members() if believed else [], self._network)

    def _network(self, candidate: Candidate) -> Network:
        return count_blocks(candidate.arch, self._space.blocks, self._table)

    def _members(self) -> list[TrialRecord]:
        """The front, of which one dominates what any trial dominates; a trial that has ended does not change any more,
        and is read once.
        """
        study = self._store.find_study(self._spec.study.name) if self._store else None
        if self._store is None or study is None:
            return []
        known = self._records
        open_ = (place for place, record in enumerate(known) if record.outcome is None)
        del known[next(open_, len(known)):]
        known += self._store.trials(study, after=known[-1].number if known else -1)
        objectives = self._spec.objectives
        complete = [record for record in known if record.outcome == "ok" and record.feasible
                    and objectives.keys() <= record.values.keys()]
        if not complete:
            return []
        values = [[record.values[name] for name in objectives] for record in complete]
        return list(compress(complete, pareto_mask(values, list(objectives.values()))))


class Outlook:
    """What is foreseen of the proposals for one trial.

    Attributes:
        least: of those that were turned down, the one that came nearest to being worth a measurement.
        turned_down: how many were.
    """

    def __init__(
        self, spec: StudySpec, believed: Sequence[_Believed], members: Sequence[TrialRecord],
        network: Callable[[Candidate], Network],
    ) -> None:
        self._spec, self._believed, self._members, self._network = spec, believed, members, network
        self._margin = math.inf
        self.least: Candidate | None = None
        self.turned_down = 0

    @property
    def spent(self) -> bool:
        """Whether so much was turned down that `least` is to be measured."""
        return self.turned_down >= MOST

    def against(self, candidate: Candidate) -> str | None:
        """Why the candidate is not worth a measurement, with the interval of its predicted value; None where it is."""
        if not self._believed:
            return None
        network = self._network(candidate)
        told = [found for one in self._believed if (found := self._judged(one, candidate, network)) is not None]
        if not told:
            return None
        margin, reason = max(told)
        self.turned_down += 1
        if margin < self._margin:
            self._margin, self.least = margin, candidate
        return reason

    def _judged(self, one: _Believed, candidate: Candidate, network: Network) -> tuple[float, str] | None:
        """How far beyond hope the candidate is, as a share, and why; None where it may be worth a measurement."""
        if candidate.arch.arch_id in one.measured:
            return None  # its value is known, and costs nothing
        if not one.model.additive.knows(network):
            return None
        value, low, high = one.predicted(network)
        name, unit = one.column.name, f" {one.column.unit}" if one.column.unit else ""
        told = f"{name} is predicted as {rounded(value)}{unit} [{rounded(low)}, {rounded(high)}]"
        for bound in self._spec.bounds:
            best = low if bound.operator == "<=" else high
            if bound.column == name and (excess := bound.violation(best)) > 0:
                return excess, f"{told}, which breaks {bound}"
        best = low if one.column.direction == "minimize" else high
        gaps = [(abs(best - member.values[name]) / best, member.number) for member in self._members
                if self._dominates(member, candidate, name, best)]
        if not gaps:
            return None
        margin, number = max(gaps)
        return margin, f"{told}, and is dominated by trial {number} even at {rounded(best)}"

    def _dominates(self, member: TrialRecord, candidate: Candidate, name: str, best: float) -> bool:
        """Whether a trial is at least as good in every objective, and better in one, were the candidate's value of the
        column `best`. Not where another objective of the candidate is to be measured.
        """
        known = {**candidate.free, name: best}
        objectives = self._spec.objectives
        if name not in objectives or not objectives.keys() <= known.keys():
            return False
        signs = {objective: 1 if direction == "minimize" else -1 for objective, direction in objectives.items()}
        gains = [sign * (known[objective] - member.values[objective]) for objective, sign in signs.items()]
        return min(gains) >= 0 and max(gains) > 0


class _Believed(NamedTuple):
    """A model of a column, and the networks whose value is known."""

    column: Column
    model: LatencyModel
    measured: frozenset[str]

    def predicted(self, network: Network) -> tuple[float, float, float]:
        """Value, low and high, in the column's unit."""
        found = self.model.predict([network], LEVEL)
        value, low, high = (float(end[0]) for end in found)
        return (value, low, high) if self.column.direction == "minimize" else (1 / value, 1 / high, 1 / low)


class _Models:
    """The models of one column, one after the other as the measurements grow.

    Which model it is depends on what is measured alone, not on when this process began to look.
    """

    def __init__(self, column: Column, training: Training) -> None:
        self._column, self._training = column, training
        self._taught: tuple[Measured, ...] = ()
        self._model: LatencyModel | None = None

    def now(self) -> _Believed | None:
        """None where too little is measured."""
        seen = self._training.read()
        taught = seen[:due(len(seen))]
        if not taught:
            return None
        if self._model is None or taught != self._taught:
            times = [one.value if self._column.direction == "minimize" else 1 / one.value for one in taught]
            self._model, self._taught = fit([one.network for one in taught], times), taught
        return _Believed(self._column, self._model, frozenset(one.arch_id for one in seen))


def due(measured: int) -> int:
    """How many of so many measured networks, the first ones, a model is fitted to: 0, 24, 27, 30, 33, ..."""
    if measured < FROM:
        return 0
    count = FROM
    while (more := math.ceil(count * GROWTH)) <= measured:
        count = more
    return count


def conditions(column: Column, seed: int) -> Conditions:
    """How a measured column measures.

    Raises:
        ValueError: it is a cost, and known.
    """
    if column.metric is None:
        raise ValueError(f"{column.name} is no measurement")
    metric = (column.metric.name, column.metric.version, column.digest)
    return Conditions(metric, column.options, column.conditions, seed if column.metric.seeded else None)
