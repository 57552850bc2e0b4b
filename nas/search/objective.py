"""A study as an Optuna objective, for people who own the optimisation loop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import BaseTrial, FrozenTrial

from nas.errors import SpecError
from nas.outcomes import NOT_ITS_FAULT
from nas.search.evaluate import Evaluation, evaluate
from nas.search.prepare import Prepared, prepare
from nas.search.propose import Candidate, ExhaustedError, Proposer, Rejected
from nas.search.run import DEFAULT_STORAGE
from nas.search.samplers import derived_seed, make_sampler
from nas.search.seen import Watched
from nas.spec import StudySpec
from nas.store import Store

_PROPOSING = threading.Lock()
"""With `n_jobs` above 1 a thread must see what the others have just proposed."""


class Objective:
    """`study.optimize(objective)`: suggests a network, evaluates it, and answers the values of the objectives.

    A trial gets user attributes: `arch_id`, `arch`, the costs, each column that was computed, `outcome` and `message`;
    and a constraint for each bound whose column is known. A candidate that fails answers NaN, which Optuna records as a
    failed trial and goes on from; one that breaks a constraint before the costlier columns are computed is pruned.
    Measurements are kept in, and reused from, the database at `storage`, which Optuna's own storage may share. The
    trials are Optuna's: `study.trials_dataframe()` reads them, with the attributes; `nas report` does not.

    With `objective.sampler` no trial breaks a free constraint or repeats a network, and the study stops where the space
    is exhausted: its last trial is then pruned and says so. Any other sampler of Optuna's does too, without these
    promises.

    Raises:
        NasError: the study file, a plugin, a choice, a column or the machine is not what it should be.
    """

    def __init__(
        self,
        study: str | Path | StudySpec,
        plugins: Sequence[str | Path] = (),
        storage: str = DEFAULT_STORAGE,
        device: str | None = None,
        isolated: bool = True,
    ) -> None:
        self._ready: Prepared = prepare(study, plugins, device, isolated=isolated)
        self._proposer = Proposer(self._ready.spec, self._ready.space, self._ready.columns)
        self._storage = storage

    @property
    def directions(self) -> list[str]:
        """The directions of the objectives, in their order."""
        return list(self._ready.spec.objectives.values())

    @property
    def sampler(self) -> BaseSampler:
        """The study's sampler. It proposes what `nas run` proposes after the same trials, seed and number, but for the
        networks that `nas run` turns down by a predicted time: this one reads no database.
        """
        return _FeasibleSampler(self._ready.spec, self._proposer)

    def __call__(self, trial: BaseTrial) -> tuple[float, ...]:
        """The values of the objectives for the network that `trial` suggests; sets its constraints.

        Raises:
            optuna.TrialPruned: the network breaks a constraint, training stopped early, or the space is exhausted.
            SpecError: Optuna's study has other directions than this one.
            NothingFeasibleError: the study's sampler proposed 200 networks in a row that were rejected.
            StoreError: the database at `storage` cannot be used.
        """
        self._check_directions(trial)
        try:
            values = {name: _suggest(trial, name, dist) for name, dist in self._proposer.distributions.items()}
        except ExhaustedError as error:
            _stop(trial, str(error))
        found = self._proposer.look(values)
        if isinstance(found, Rejected):
            done = Evaluation(found.outcome, found.reason, dict(found.free))
        else:
            _note(trial, {"arch_id": found.arch.arch_id})
            done = self._evaluate(found, trial)
        facts = {"arch_id": found.arch.arch_id, "arch": found.arch.text} if found.arch else {}
        _note(trial, {**facts, **done.values, "outcome": done.outcome, "message": done.message})
        for bound in self._ready.spec.bounds:
            if bound.column in done.values:
                trial.set_constraint(str(bound), bound.violation(done.values[bound.column]))
        if done.outcome in ("infeasible", "stopped"):
            raise optuna.TrialPruned(done.message)
        objectives = self._ready.spec.objectives
        return tuple(done.values[name] if done.outcome == "ok" else float("nan") for name in objectives)

    def _evaluate(self, candidate: Candidate, trial: BaseTrial) -> Evaluation:
        try:
            with Store.open(self._storage, durability=self._ready.spec.study.durability) as store:
                return evaluate(candidate, self._ready.spec, self._ready.columns, self._ready.plugins, store,
                                self._ready.asking)
        except BaseException as error:
            _note(trial, {"outcome": "interrupted", "message": f"{type(error).__name__}: {error}"})
            raise

    def _check_directions(self, trial: BaseTrial) -> None:
        study = getattr(trial, "study", None)  # an optuna.trial.FixedTrial is of no study
        given = [direction.name.lower() for direction in study.directions] if study else self.directions
        if given != self.directions:
            raise SpecError(f"{self._ready.spec.source}: objectives: they are to {_listed(self.directions)}, Optuna's "
                            f"study is to {_listed(given)}\nCreate it with directions=objective.directions.")


def _listed(directions: Sequence[str]) -> str:
    return ", ".join(directions)


def _suggest(trial: BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    """The same as what `nas run` gives its trials, so that studies of both kinds can be put together."""
    match distribution:
        case IntDistribution():
            return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
    raise TypeError(f"{name}: a space has no {type(distribution).__name__}")


def _note(trial: BaseTrial, facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        trial.set_user_attr(name, value)


def _stop(trial: BaseTrial, told: str) -> None:
    """Ends the study of a trial for which no network is left."""
    _note(trial, {"outcome": "interrupted", "message": told})
    with contextlib.suppress(RuntimeError):  # outside of `optimize`, by ask and tell, there is no loop to stop
        trial.study.stop()  # type: ignore[attr-defined]  # only a trial of a study asks a sampler
    raise optuna.TrialPruned(told)


class _FeasibleSampler(BaseSampler):
    """Proposes with `Proposer`: what it rejects never becomes a trial's parameters, and what the asked sampler notes of
    it (NSGA-II its generations, the Gaussian process its proposals) never reaches the trial.

    `before_trial` is the proposer's to call. `after_trial` is not forwarded: none of the study's samplers does anything
    there without a `constraints_func`, since constraints are set on the trial.
    """

    def __init__(self, spec: StudySpec, proposer: Proposer) -> None:
        self._spec, self._proposer = spec, proposer
        self._of: tuple[BaseStorage, int] | None = None
        self._seen = Watched(proposer.distributions, list(spec.objectives))

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._proposer.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        with _PROPOSING:
            trials = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            tried = {arch_id for other in trials if (arch_id := self._tried(other)) is not None}
            found = self._proposer.propose(
                study, trial.number, tried, lambda: self._watched(study).trials(study, without=trial.number)
            )
            study._storage.set_trial_user_attr(trial._trial_id, "arch_id", found.arch.arch_id)
        for name, value in found.system_attrs.items():
            study._storage.set_trial_system_attr(trial._trial_id, name, value)
        return dict(found.values)

    def _watched(self, study: optuna.Study) -> Watched:
        if self._of is None or self._of[0] is not study._storage or self._of[1] != study._study_id:
            self._of = study._storage, study._study_id
            self._seen = Watched(self._proposer.distributions, list(self._spec.objectives))
        return self._seen

    def _tried(self, trial: FrozenTrial) -> str | None:
        """The network of a trial, also of one that another objective left; None where it is to be tried again."""
        if trial.user_attrs.get("outcome") in NOT_ITS_FAULT:
            return None
        if "arch_id" in trial.user_attrs:
            return str(trial.user_attrs["arch_id"])
        if not self._proposer.distributions.keys() <= trial.params.keys():
            return None
        found = self._proposer.look({name: trial.params[name] for name in self._proposer.distributions})
        return found.arch.arch_id if found.arch else None

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that is not of the space: one of the caller's own."""
        seed = derived_seed(self._spec.study.seed, trial.number, param_name)
        return make_sampler("random", seed).sample_independent(study, trial, param_name, param_distribution)
