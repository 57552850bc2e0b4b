"""Proposes the next candidate: one that is no repetition and breaks no bound on a free column.

`costaware` names networks in the order in which it wants them; another sampler is asked a few times. Then random
neighbours of what was proposed are tried. What is rejected never becomes a trial, whatever the sampler: a pruned trial
would teach TPE, but not the Gaussian process or NSGA-II.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import optuna

from nas.arch import Architecture
from nas.cost.count import count_architecture
from nas.cost.result import Cost
from nas.cost.table import CostTable
from nas.errors import NasError, NothingFeasibleError, StoreError
from nas.metrics import Estimate, MetricContext, ask, is_finite
from nas.search.clock import Clock
from nas.search.columns import Column, broken
from nas.search.foresight import Foresight
from nas.search.pending import pending_study
from nas.search.samplers import derived_seed, distributions, make_sampler, resolve_sampler
from nas.search.seen import Seen
from nas.search.together import Together
from nas.space import SearchSpace, Values
from nas.spec import StudySpec

if TYPE_CHECKING:
    from nas.search.costaware.sampler import CostAware

MAX_REJECTED = 200
"""Rejected proposals in a row after which the search gives up."""
ENUMERABLE = 20_000
"""Spaces up to this many choices are looked through to the end before they are called exhausted."""
_ASKS = 5


class ExhaustedError(Exception):
    """No network is left to evaluate; the message says how that is known."""


@dataclass(frozen=True)
class Candidate:
    """A network that is about to be evaluated: the choice, what it decodes to, and all that is free to know of it.

    `free` holds the costs and the values of free metrics, `estimates` what these metrics said; `sampler` proposed it
    after `rejected` proposals that were turned down.
    """

    values: Values
    arch: Architecture
    cost: Cost
    free: Mapping[str, float]
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    sampler: str = ""
    rejected: int = 0
    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    retry_of: int | None = None


@dataclass(frozen=True)
class Rejected:
    """A choice that `nas run` makes no trial of: why, and as much as is known of its network."""

    reason: str
    outcome: str = ""
    """What a trial of it would end as; empty for a repetition, which would end as the first one did."""
    arch: Architecture | None = None
    free: Mapping[str, float] = field(default_factory=dict)


class Proposer:
    """Proposes candidates of one study; `tried` holds the `arch_id`s that are evaluated or running."""

    def __init__(
        self, spec: StudySpec, space: SearchSpace, columns: tuple[Column, ...],
        costs: CostTable | None = None, clock: Clock | None = None,
    ) -> None:
        self._spec, self._space, self._columns = spec, space, columns
        self._bounds = spec.bounds
        self._table = CostTable() if costs is None else costs
        self._clock = clock or Clock()
        self._together = Together()
        self._foresight = Foresight(spec, space, columns, self._table)
        self.distributions = distributions(space)

    def look(self, values: Values, tried: frozenset[str] | set[str] = frozenset()) -> Candidate | Rejected:
        """The candidate of a choice, or why it is none."""
        try:
            arch = self._space.decode(values)
            if arch.arch_id in tried:
                return Rejected("already evaluated", arch=arch)
            with self._clock("cost"):
                cost = count_architecture(arch, self._space.blocks, self._table)
        except StoreError:  # the database's fault, where the table lies in one
            raise
        except NasError as error:
            return Rejected(str(error).splitlines()[0], "invalid")
        free: dict[str, float] = {
            "params": cost.params, "macs": cost.macs, "flops": cost.flops, "activations": cost.activations
        }
        estimates: dict[str, Estimate] = {}
        for column in self._columns:
            if column.metric is not None and column.free:
                try:
                    found = column.accept(ask(column.metric, self._context(arch, cost, column)))
                except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's metric may raise anything
                    return Rejected(f"{column.name} raises {type(error).__name__}: {error}", "metric_error", arch, free)
                if not is_finite(found.value):
                    return Rejected(f"{column.name} is {found.value}", "nan", arch, free)
                free[column.name], estimates[column.name] = found.value, found
        if failed := broken(self._bounds, free):
            return Rejected(f"breaks {failed[0]}", "infeasible", arch, free)
        return Candidate(values, arch, cost, free, estimates)

    def _context(self, arch: Architecture, cost: Cost, column: Column) -> MetricContext:
        def no_network() -> None:
            raise NasError(f"a free metric has no network: {column.name} must follow from context.arch and "
                           "context.cost alone")

        return MetricContext(
            arch, arch.input_shape, column.options, self._spec.study.seed, "cpu",
            no_network,  # type: ignore[arg-type]  # it raises
            known_cost=cost,
        )

    def propose(
        self, study: optuna.Study, number: int, tried: set[str], seen: Callable[[], Sequence[Seen]]
    ) -> Candidate:
        """The candidate of trial `number`; the same one for the same history, seed and number.

        Args:
            study: Optuna's, with the trials so far.
            tried: the `arch_id` of every network that is evaluated or running.
            seen: tells the trials as `costaware` needs them; no other sampler asks.

        Raises:
            ExhaustedError: there is none left.
            NothingFeasibleError: 200 in a row were rejected, and by which constraint.
        """
        name = resolve_sampler(self._spec.study.sampler)
        self._together.look_at(study)
        reasons: Counter[str] = Counter()
        outlook = self._foresight.now()
        for values, noted in self._proposals(study, number, name, seen):
            found = self.look(values, tried)
            if isinstance(found, Candidate):
                found = replace(found, sampler=name, rejected=reasons.total(), system_attrs=dict(noted))
                if (foreseen := outlook.against(found)) is None:
                    return found
                found = Rejected(foreseen, "infeasible", found.arch, found.free)
            reasons[found.reason] += 1
            if outlook.spent or reasons.total() == MAX_REJECTED:
                break
        if outlook.least is not None:
            return replace(outlook.least, rejected=reasons.total())
        return self._last_resort(name, tried, reasons)

    def _proposals(
        self, study: optuna.Study, number: int, name: str, seen: Callable[[], Sequence[Seen]]
    ) -> Iterator[tuple[Values, Mapping[str, Any]]]:
        """What the sampler proposes, with what it notes of it; then without end neighbours of that, and random draws.
        """
        proposed: list[Values] = []
        if name == "costaware":
            for values in self._costaware.proposals(seen(), number):
                proposed.append(values)
                yield values, {}
        else:
            for attempt in range(_ASKS):
                values, noted = self._ask(study, number, name, attempt)
                proposed.append(values)
                yield values, noted
        rng = random.Random(derived_seed(self._spec.study.seed, number))
        while True:
            yield self._space.draw(rng), {}
            if proposed and self._space.dimensions:
                yield self._space.neighbour(rng.choice(proposed), rng), {}

    @cached_property
    def _costaware(self) -> CostAware:
        from nas.search.costaware import sampler_of

        return sampler_of(self._spec, self._space, self._columns, self._table, self._free)

    def _free(self, values: Values) -> Mapping[str, float] | None:
        """All that is free to know of a choice, metrics included; None where one of these fails."""
        found = self.look(values)
        known = isinstance(found, Candidate) or found.outcome == "infeasible"
        return found.free if known else None

    def _ask(
        self, study: optuna.Study, number: int, name: str, attempt: int
    ) -> tuple[Values, Mapping[str, Any]]:
        """What the sampler proposes, and what it notes of it."""
        seed = derived_seed(self._spec.study.seed, number, attempt)
        if name == "random":
            return self._space.draw(random.Random(seed)), {}  # of the same distributions, without reading the study
        sampler = make_sampler(name, seed)
        view, pending = pending_study(study, number, sampler)
        sampler.before_trial(view, pending)
        space = self._together.space(sampler, view, pending)
        values = dict(sampler.sample_relative(view, pending, space))
        for dimension, dist in self.distributions.items():
            if dimension not in values:
                values[dimension] = sampler.sample_independent(view, pending, dimension, dist)
        return {name: values[name] for name in self.distributions}, pending.system_attrs

    def _last_resort(self, name: str, tried: set[str], reasons: Counter[str]) -> Candidate:
        if self._space.size <= ENUMERABLE:
            for values in self._space.everything():
                found = self.look(values, tried)
                if isinstance(found, Candidate):
                    return replace(found, sampler=name, rejected=reasons.total())
            if tried:
                raise ExhaustedError("the space is exhausted: every network of it that keeps the free constraints is "
                                     "evaluated")
        elif set(reasons) == {"already evaluated"}:
            raise ExhaustedError(f"the space is exhausted: {reasons.total()} proposals in a row were networks that are "
                                 "evaluated")
        told = "\n".join(f"  {times} x {reason}" for reason, times in reasons.most_common(4))
        raise NothingFeasibleError(f"{reasons.total()} proposals in a row were rejected:\n{told}\n"
                                   "Loosen the constraint, or give the stages choices that keep it.")
