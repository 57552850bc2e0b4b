"""What a sampler models together is what Optuna's own samplers find, whatever the study's history."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from nas.search.pending import pending_study
from nas.search.samplers import make_sampler
from nas.search.together import Together

WHOLE = {"kernel": CategoricalDistribution((3, 5)), "repeats": IntDistribution(1, 4)}
FEWER = {"repeats": IntDistribution(1, 4)}
OTHER = {**WHOLE, "repeats": IntDistribution(1, 8)}
SAMPLERS = ("gp", "tpe", "nsga2", "random")


def add(study: optuna.Study, kinds: dict, state: TrialState) -> None:
    values = [1.0, 2.0] if state == TrialState.COMPLETE else None
    params = {name: 3 if name == "kernel" else 1 for name in kinds}
    study.add_trial(create_trial(state=state, values=values, params=params, distributions=kinds))


def found(together: Together, study: optuna.Study, sampler: BaseSampler) -> list:
    together.look_at(study)
    view, pending = pending_study(study, len(study.trials), sampler)
    return list(together.space(sampler, view, pending).items())


def expected(study: optuna.Study, sampler: BaseSampler) -> list:
    view, pending = pending_study(study, len(study.trials), sampler)
    return list(sampler.infer_relative_search_space(view, pending).items())


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("odd", [FEWER, OTHER, {}])
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING])
def test_trial_by_trial_it_is_what_a_fresh_sampler_of_optuna_finds(name: str, odd: dict, state: TrialState) -> None:
    study, together = optuna.create_study(directions=["minimize"] * 2), Together()
    history = [(WHOLE, TrialState.COMPLETE), (WHOLE, TrialState.RUNNING), (WHOLE, TrialState.COMPLETE), (odd, state),
               (WHOLE, TrialState.COMPLETE)]
    for kinds, ended in history:
        assert found(together, study, make_sampler(name, 0)) == expected(study, make_sampler(name, 0))
        add(study, kinds, ended)
    assert found(together, study, make_sampler(name, 0)) == expected(study, make_sampler(name, 0))


def test_a_trial_that_ends_later_counts_then() -> None:
    study, together = optuna.create_study(directions=["minimize"] * 2), Together()
    add(study, FEWER, TrialState.RUNNING)
    add(study, WHOLE, TrialState.COMPLETE)
    assert [name for name, _ in found(together, study, make_sampler("tpe", 0))] == ["kernel", "repeats"]
    study.tell(0, [1.0, 2.0])
    assert [name for name, _ in found(together, study, make_sampler("tpe", 0))] == ["repeats"]


def test_two_studies_that_have_one_id_are_not_mixed_up() -> None:
    first, second = (optuna.create_study(directions=["minimize"] * 2) for _ in range(2))
    assert first._study_id == second._study_id
    add(first, FEWER, TrialState.COMPLETE)
    add(second, WHOLE, TrialState.COMPLETE)
    together = Together()
    for study in (first, second, first):
        assert found(together, study, make_sampler("gp", 0)) == expected(study, make_sampler("gp", 0))
