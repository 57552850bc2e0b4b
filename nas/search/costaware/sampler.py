"""Proposes the networks from which most is to be gained, by what is free to know and by what has been measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.front import pareto_mask
from nas.search.costaware.decoder import Decoder
from nas.search.costaware.features import Vector
from nas.search.costaware.history import History
from nas.search.costaware.known import Free
from nas.search.costaware.networks import Networks
from nas.search.costaware.pool import Pool
from nas.search.seen import Seen
from nas.space import Values
from nas.spec import Bound

if TYPE_CHECKING:  # scikit-learn and scipy take a second to load, which a study with nothing to model does not need
    from nas.search.costaware.gain import Boxes, LogNormal, Objective, Points
    from nas.search.costaware.model import ColumnModel, Hyperparameters, View

START = 10
"""Networks that are spread over MACs, before a model is asked."""
OFFERED = 20
"""Proposals in order, for a caller that turns the first ones down."""
CLIMBERS = 10
NEIGHBOURS = 400
COMPARED = 1_000
"""Random networks beside whose costs a model sees those of others."""
MACS = 1


@dataclass(frozen=True)
class Aim:
    """What a study is after.

    Attributes:
        objectives: column -> "minimize" or "maximize".
        bounds: every constraint.
        measured: of the objectives and of the columns that have a bound, those that are not free.
    """

    objectives: Mapping[str, str]
    bounds: Sequence[Bound]
    measured: Sequence[str]

    def sign(self, column: str) -> float:
        """1 where less is better, -1 where more is; of a column that has bounds alone, 1 where one is from above."""
        if column in self.objectives:
            return 1.0 if self.objectives[column] == "minimize" else -1.0
        return 1.0 if any(bound.operator == "<=" for bound in self.bounds if bound.column == column) else -1.0


class CostAware:
    """The sampler of one study. It remembers what it computed, and nothing that a resumed run would not compute anew:
    the same history, seed and number give the same proposals.
    """

    def __init__(self, aim: Aim, decoder: Decoder, free: Free, seed: int) -> None:
        self._aim, self._decoder, self._free, self._seed = aim, decoder, free, seed
        self._pool = Pool(decoder, free.excess, few=not free.at_once)
        self._history: History | None = None

    def proposals(self, trials: Sequence[Seen], number: int) -> Iterator[Values]:
        """For trial `number`: choices of every dimension, none of a network that was tried, that keep all bounds on
        what is free; the best first. None where no such network was found.
        """
        rng = np.random.default_rng([self._seed, number])
        history = self._history = History(trials, self._decoder, self._history)
        tried = set(history.networks.keys())
        front = self._front(history)
        candidates = self._pool.candidates(tried, history.networks.codes[front], rng)
        if not len(candidates):
            return
        models = self._models(history) if len(history) >= START else {}
        if self._aim.measured and not models:
            offered = _spread(candidates, len(history), np.random.default_rng(self._seed), rng)
        else:
            offered = self._promising(history, models, candidates, tried, rng)
        for codes in offered.codes[:OFFERED]:
            yield self._decoder.values(codes)

    def _front(self, history: History) -> NDArray[np.intp]:
        """Places of the best finished networks that keep every bound; where none does, of those that break the least,
        also where it ended before the objectives were measured.
        """
        excess = self._excess(history)
        kept = np.flatnonzero(self._complete(history) & (excess == 0))
        if not len(kept):
            done = np.flatnonzero(history.finished & np.isfinite(excess))
            return done[np.argsort(excess[done], kind="stable")[:10]]
        values = np.column_stack([self._oriented(history, name)[kept] for name in self._aim.objectives])
        best: NDArray[np.intp] = kept[pareto_mask(values, ["minimize"] * values.shape[1])]
        return best

    def _complete(self, history: History) -> NDArray[np.bool_]:
        """(n,): which trials are finished with a value of every objective."""
        known = [np.isfinite(self._oriented(history, name)) for name in self._aim.objectives]
        complete: NDArray[np.bool_] = history.finished & np.logical_and.reduce(known)
        return complete

    def _oriented(self, history: History, column: str) -> Vector:
        """(n,) values of a column, so that less is better; NaN where it is not known."""
        found = history.found(column) if column in self._aim.measured else self._free.of(history.networks, column)
        return self._aim.sign(column) * found

    def _excess(self, history: History) -> Vector:
        """(n,): by how much trials break bounds; infinite where a value is missing."""
        total = self._free.excess(history.networks)
        for bound in self._aim.bounds:
            if bound.column in self._aim.measured:
                values = history.found(bound.column)
                over = values - bound.bound if bound.operator == "<=" else bound.bound - values
                total = total + np.nan_to_num(np.maximum(over, 0) / (abs(bound.bound) or 1.0), nan=np.inf)
        return total

    @cached_property
    def _hyperparameters(self) -> Hyperparameters:
        from nas.search.costaware.model import Hyperparameters

        return Hyperparameters(self._seed)

    @cached_property
    def _view(self) -> View:
        """Of models on networks, beside some of the space."""
        from nas.search.costaware.model import View

        drawn = self._pool.draw(COMPARED, np.random.default_rng(self._seed))
        return View(self._decoder.networks(drawn).costs)

    def _models(self, history: History) -> dict[str, ColumnModel]:
        """A model of each column that was measured of two networks at least."""
        if not self._aim.measured:
            return {}
        where = self._view.of(history.networks)
        models = {}
        for column in self._aim.measured:
            values = self._oriented(history, column)
            known = np.isfinite(values)
            if np.count_nonzero(known) < 2:
                continue
            values = np.where(history.failed & ~known, values[known].max(), values)
            rows = np.flatnonzero(np.isfinite(values))
            split = history.networks.features.shape[1]
            sign = self._aim.sign(column)
            levels = [sign * bound.bound for bound in self._aim.bounds if bound.column == column]
            model = self._hyperparameters.fitted(column, where[rows], values[rows], split, levels)
            running = np.flatnonzero(history.running & ~np.isfinite(values))
            models[column] = model.believing(where[running]) if len(running) else model
        return models

    def _promising(
        self, history: History, models: Mapping[str, ColumnModel], candidates: Networks, tried: set[bytes],
        rng: np.random.Generator,
    ) -> Networks:
        """Candidates in the order of what is expected of them, after a look around the best; in random order where it
        is the same.
        """
        candidates = candidates.take(rng.permutation(len(candidates)))
        unknown = any(name in self._aim.measured and name not in models for name in self._aim.objectives)
        space = None if unknown else self._undominated(history, models, candidates, rng)
        worth = self._worth(models, candidates, space)
        if not self._pool.whole:
            for _ in range(2):
                best = candidates.codes[np.argsort(-worth, kind="stable")[:CLIMBERS]]
                near = self._pool.near(best, NEIGHBOURS, tried | set(candidates.keys()), rng)
                if not len(near):
                    break
                worth = np.concatenate([worth, self._worth(models, near, space)])
                candidates = candidates.together(near)
        order = np.argsort(-worth, kind="stable")
        return candidates.take(order)

    def _undominated(
        self, history: History, models: Mapping[str, ColumnModel], candidates: Networks, rng: np.random.Generator
    ) -> Boxes | Points:
        """The part of objective space that nobody dominates; running networks count as what is believed of them, and
        what breaks a bound does not count.
        """
        from nas.search.costaware.gain import undominated

        kept = np.flatnonzero(self._complete(history) & (self._excess(history) == 0))
        running = np.flatnonzero(history.running & (self._free.excess(history.networks) == 0))
        where = self._view.of(history.networks.take(running)) if models else np.zeros(0)
        front, reference, ideal = [], [], []
        for name in self._aim.objectives:
            known = self._oriented(history, name)
            if name in models:
                believed = models[name].at(where).median if len(running) else np.zeros(0)
                worst, best = known[np.isfinite(known)].max(), models[name].floor
            else:
                believed = known[running]
                there = np.concatenate([known[kept], self._aim.sign(name) * self._free.of(candidates, name)])
                worst, best = there.max(), there.min()
            front.append(np.concatenate([known[kept], believed]))
            limit = min([worst, *self._limits(name)])
            reference.append(limit if limit > best else best + 1e-3 * (abs(best) or 1.0))  # all alike: others decide
            ideal.append(best)
        return undominated(np.column_stack(front), np.array(reference), np.array(ideal), rng)

    def _limits(self, column: str) -> list[float]:
        """Bounds on an objective, as its oriented values: nothing is gained beyond them."""
        sign = self._aim.sign(column)
        return [sign * bound.bound for bound in self._aim.bounds
                if bound.column == column and (bound.operator == "<=") == (sign > 0)]

    def _worth(
        self, models: Mapping[str, ColumnModel], candidates: Networks, space: Boxes | Points | None
    ) -> Vector:
        """(n,): the logarithm of the hypervolume that is expected of each candidate, by the chance that it keeps the
        bounds on what is measured. Where nothing can be gained, or an objective was hardly measured yet (`space` is
        None), that chance alone.
        """
        from nas.search.costaware.gain import Known

        where = self._view.of(candidates) if models else np.zeros(0)
        beliefs = {column: model.at(where) for column, model in models.items()}
        if space is not None:
            objectives: list[Objective] = [
                beliefs[name] if name in beliefs else Known(self._aim.sign(name) * self._free.of(candidates, name))
                for name in self._aim.objectives
            ]
            gain = space.gain(objectives)
            if gain.any():
                with np.errstate(divide="ignore"):
                    return np.log(np.maximum(gain, 0.0)) + self._log_chance(beliefs, counted=True)
        return np.zeros(len(candidates)) + self._log_chance(beliefs, counted=False)

    def _log_chance(self, beliefs: Mapping[str, LogNormal], counted: bool) -> Vector | float:
        """(n,): the logarithm of the chance that bounds are kept on what is measured, each column for itself; `counted`
        where those that end the objectives' space (`_limits`) are in the gain already.
        """
        total: Vector | float = 0.0
        for column, belief in beliefs.items():
            sign, ends = self._aim.sign(column), {"low": [-np.inf], "high": [np.inf]}
            for bound in self._aim.bounds:
                if bound.column == column:
                    end = "high" if (bound.operator == "<=") == (sign > 0) else "low"
                    if not (counted and end == "high" and column in self._aim.objectives):
                        ends[end].append(sign * bound.bound)
            low, high = max(ends["low"]), min(ends["high"])
            if np.isfinite(low) or np.isfinite(high):
                total = total + belief.log_chance_between(low, high)
        return total


def _spread(candidates: Networks, place: int, study: np.random.Generator, rng: np.random.Generator) -> Networks:
    """Candidates in random order, those first that belong to the `place`-th of as many layers of MACs as there are
    networks to begin with.
    """
    layers = np.array_split(np.argsort(candidates.costs[:, MACS], kind="stable"), START)
    layer = layers[study.permutation(START)[place % START]]
    others = rng.permutation(len(candidates))
    first = np.isin(others, layer)
    return candidates.take(np.concatenate([others[first], others[~first]]))
