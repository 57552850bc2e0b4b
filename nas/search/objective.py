"""A study as an Optuna objective, for people who own the optimisation loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from nas.search.evaluate import evaluate
from nas.search.propose import Candidate, Proposer
from nas.search.run import DEFAULT_STORAGE, Prepared, prepare
from nas.search.samplers import derived_seed, make_sampler, resolve_sampler
from nas.spec import StudySpec
from nas.store import Store


class Objective:
    """`study.optimize(objective)`: suggests a network, evaluates it, and answers the values of the objectives.

    Every trial gets user attributes: `arch_id`, `arch`, the costs, each column, `outcome`, `message`. A candidate that
    fails answers NaN, which Optuna records as a failed trial and goes on from. Measurements are kept in, and reused
    from, the database at `storage`.

    Raises:
        NasError: the study file, a plugin, a choice, a column or the machine is not what it should be.
    """

    def __init__(
        self, study: str | Path | StudySpec, plugins: Sequence[str | Path] = (), storage: str = DEFAULT_STORAGE
    ) -> None:
        self._ready: Prepared = prepare(study, plugins)
        self._proposer = Proposer(self._ready.spec, self._ready.space, self._ready.columns)
        self._storage = storage

    @property
    def directions(self) -> list[str]:
        """The directions of the objectives, in their order."""
        return list(self._ready.spec.objectives.values())

    @property
    def sampler(self) -> BaseSampler:
        """The study's sampler; it proposes only networks that keep the free constraints."""
        return _FeasibleSampler(self._ready, self._proposer)

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """The values of the objectives for the network that `trial` suggests; sets its constraints."""
        spec = self._ready.spec
        values: dict[str, Any] = {
            name: trial._suggest(name, dist) for name, dist in self._proposer.distributions.items()
        }
        found = self._proposer.look(values)
        if not isinstance(found, Candidate):
            trial.set_user_attr("outcome", "infeasible" if found.startswith("breaks") else "invalid")
            trial.set_user_attr("message", found)
            raise optuna.TrialPruned(found)
        with Store.open(self._storage) as store:
            done = evaluate(found, spec, self._ready.columns, self._ready.plugins, store)
        facts = {"arch_id": found.arch.arch_id, "arch": found.arch.text}
        facts |= {"outcome": done.outcome, "message": done.message}
        for name, value in {**facts, **done.values}.items():
            trial.set_user_attr(name, value)
        for bound in spec.bounds:
            if bound.column in done.values:
                trial.set_constraint(str(bound), bound.violation(done.values[bound.column]))
        if done.outcome in ("infeasible", "stopped"):
            raise optuna.TrialPruned(done.message)
        return tuple(done.values.get(name, float("nan")) for name in spec.objectives)


class _FeasibleSampler(BaseSampler):
    """Draws from the study's sampler until the network keeps the free constraints, at most 50 times."""

    _DRAWS = 50

    def __init__(self, ready: Prepared, proposer: Proposer) -> None:
        self._ready, self._proposer = ready, proposer

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._proposer.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        spec = self._ready.spec.study
        tried = {t.user_attrs["arch_id"] for t in study.get_trials(deepcopy=False) if "arch_id" in t.user_attrs}
        values: dict[str, Any] = {}
        for attempt in range(self._DRAWS):
            name = resolve_sampler(spec.sampler, trial.number) if attempt < 5 else "random"
            sampler = make_sampler(name, derived_seed(spec.seed, trial.number, attempt))
            values = dict(sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial)))
            for dimension, dist in search_space.items():
                if dimension not in values:
                    values[dimension] = sampler.sample_independent(study, trial, dimension, dist)
            values = {name: values[name] for name in search_space}
            if isinstance(self._proposer.look(values, tried), Candidate):
                break
        return values

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = make_sampler("random", derived_seed(self._ready.spec.study.seed, trial.number))
        return sampler.sample_independent(study, trial, param_name, param_distribution)
