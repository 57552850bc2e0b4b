"""What the sampler is told of a study's trials: by the rows of `nas run`, or by Optuna alone."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nas.search.samplers import distributions
from nas.search.seen import Seen, Watched
from nas.store.rows import TrialRecord

VALUES = {"stage0.repeats": 1, "stage0.channels": 8, "stage0.kernel": 3}


@pytest.fixture
def space(make):
    return distributions(make().space)


@pytest.fixture
def study():
    return optuna.create_study(directions=["maximize", "minimize"])


@pytest.fixture
def watched(space):
    return Watched(space, ["accuracy", "params"])


@pytest.fixture
def add(study, space):
    def add(state=TrialState.COMPLETE, params=VALUES, **attributes):
        values = [0.9, 1000.0] if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, values=values, params=params, user_attrs=attributes,
                                     distributions={name: space[name] for name in params}))

    return add


def record(number, outcome, state="FAIL", **values):
    return TrialRecord(number, state, "0" * 12, outcome, None, "costaware", False, 1.0, values)


def test_without_rows_optuna_says_what_was_found(study, watched, add):
    add(latency_ms=4.5, outcome="ok", arch="a text")
    assert watched.trials(study) == [
        Seen(VALUES, {"accuracy": 0.9, "params": 1000.0, "latency_ms": 4.5}, "finished"),
    ]


def test_rows_say_it_where_there_are_any(study, watched, add):
    add(TrialState.PRUNED)
    found = watched.trials(study, {0: record(0, "infeasible", latency_ms=9.0)})
    assert found == [Seen(VALUES, {"latency_ms": 9.0}, "finished")]


@pytest.mark.parametrize("outcome, state", [("oom", "failed"), ("nan", "failed"), ("stopped", "failed")])
def test_a_network_at_fault_has_failed(study, watched, add, outcome, state):
    add(TrialState.FAIL if outcome != "stopped" else TrialState.PRUNED)
    assert [seen.state for seen in watched.trials(study, {0: record(0, outcome)})] == [state]


@pytest.mark.parametrize("outcome", ["worker_died", "interrupted", "contaminated", "throttled"])
def test_what_the_machine_failed_teaches_nothing(study, watched, add, outcome):
    add(TrialState.FAIL)
    add(TrialState.FAIL, outcome=outcome)
    rows = {0: record(0, outcome)}
    assert watched.trials(study, rows) == []


def test_a_running_trial_is_seen_until_it_ends(study, watched, space):
    trial = study.ask(dict(space))
    (seen,) = watched.trials(study)
    assert (seen.state, seen.found) == ("running", {})
    study.tell(trial, [0.5, 10.0])
    (seen,) = watched.trials(study)
    assert (seen.state, seen.found["accuracy"]) == ("finished", 0.5)


def test_the_trial_that_is_being_proposed_is_not_seen(study, watched, space):
    trial = study.ask(dict(space))
    assert watched.trials(study, without=trial.number) == []


def test_one_that_has_ended_is_looked_at_once(study, watched, add):
    add()
    assert watched.trials(study)[0] is watched.trials(study)[0]


def test_trials_of_other_parameters_are_left_out(study, watched, add):
    add(params={"stage0.repeats": 1})
    assert watched.trials(study) == []


@pytest.mark.parametrize("name, value", [("stage0.channels", 7), ("stage0.kernel", "3x5"), ("stage0.repeats", None)])
def test_trials_of_other_choices_under_the_same_name_are_left_out(study, watched, add, name, value):
    other = CategoricalDistribution([value])
    study.add_trial(create_trial(state=TrialState.COMPLETE, values=[0.9, 1000.0], params=VALUES | {name: value},
                                 distributions={key: other if key == name else CategoricalDistribution([VALUES[key]])
                                                for key in VALUES}))
    assert watched.trials(study) == []


@pytest.mark.parametrize("stale", [{0: record(0, None, "RUNNING")}, {}])
def test_what_ends_after_the_rows_were_read_is_running_until_they_say_what_was_found(study, watched, add, stale):
    add()
    assert watched.trials(study, stale) == [Seen(VALUES, {}, "running")]
    found = watched.trials(study, {0: record(0, "ok", "COMPLETE", accuracy=0.8, latency_ms=2.0)})
    assert found == [Seen(VALUES, {"accuracy": 0.8, "latency_ms": 2.0}, "finished")]


def test_of_a_trial_that_someone_else_made_among_ours_optuna_says_what_was_found(study, watched, add):
    add()
    found = watched.trials(study, {0: record(0, None, "COMPLETE")})
    assert found == [Seen(VALUES, {"accuracy": 0.9, "params": 1000.0}, "finished")]


def test_choices_that_others_write_differently_are_read_as_the_space_writes_them(study, watched):
    params = {"stage0.repeats": True, "stage0.channels": 8.0, "stage0.kernel": 3}
    study.add_trial(create_trial(state=TrialState.COMPLETE, values=[0.9, 1000.0], params=params,
                                 distributions={key: CategoricalDistribution([params[key]]) for key in params}))
    (seen,) = watched.trials(study)
    assert [(type(value), value) for value in seen.values.values()] == [(int, 1), (int, 8), (int, 3)]
