"""When a run has done enough, told by its time and by the history of its study."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import SpecError
from nas.search.ending import Ending, Gains, Limits
from nas.store.rows import WARM_START, TrialRecord

OBJECTIVES = {"accuracy": "maximize", "macs": "minimize"}


def trial(number, accuracy=0.5, macs=10.0, outcome="ok", feasible=True, sampler="random", state=None) -> TrialRecord:
    state = state or ("COMPLETE" if outcome == "ok" else "FAIL")
    return TrialRecord(number, state, f"{number:012}", outcome, None, sampler, feasible, 1.0,
                       {"accuracy": accuracy, "macs": macs})


def running(number) -> TrialRecord:
    return TrialRecord(number, "RUNNING", f"{number:012}", None, None, "random", False, None, {"macs": 1.0})


def since(*records: TrialRecord) -> tuple[int, int | None]:
    return Gains(OBJECTIVES).look(records)


def test_a_trial_that_nothing_before_it_equals_or_dominates_is_a_gain():
    assert since(trial(0)) == (0, 0)
    assert since(trial(0), trial(1, accuracy=0.6)) == (0, 1)
    assert since(trial(0), trial(1, accuracy=0.1, macs=9.0)) == (0, 1)


def test_what_is_dominated_or_equal_is_none():
    assert since(trial(0), trial(1, accuracy=0.4)) == (1, 0)
    assert since(trial(0), trial(1, macs=11.0), trial(2)) == (2, 0)


def test_before_the_first_gain_every_counted_trial_goes_by():
    assert since() == (0, None)
    assert since(trial(0, feasible=False), trial(1, outcome="oom"), trial(2, outcome="infeasible")) == (3, None)


@pytest.mark.parametrize("outcome", ["worker_died", "throttled", "contaminated", "interrupted"])
def test_a_trial_that_does_not_count_does_not_go_by(outcome):
    assert since(trial(0), trial(1, outcome=outcome), trial(2, accuracy=0.1)) == (1, 0)


def test_a_trial_that_runs_is_not_judged_yet():
    assert since(trial(0), running(1), trial(2, accuracy=0.1)) == (1, 0)


def test_what_was_carried_over_is_the_front_to_beat_and_does_not_count():
    old = [trial(number, accuracy=0.9, sampler=WARM_START) for number in range(3)]
    assert since(*old) == (0, None)
    assert since(*old, trial(3, accuracy=0.8)) == (1, None)
    assert since(*old, trial(3, accuracy=0.8), trial(4, accuracy=0.95)) == (0, 4)


def behind(accuracy: int, macs: int) -> set[tuple[int, int]]:
    """The cells that a point dominates, of a grid up to the reference point (accuracy -1, macs 5)."""
    return {(a, m) for a in range(-1, accuracy) for m in range(macs, 5)}


TRIALS = st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans(), st.sampled_from(["ok", "oom", "throttled"]))


@given(st.lists(TRIALS, max_size=20), st.integers(0, 20))
def test_a_gain_is_where_the_hypervolume_grows_and_looking_more_often_changes_nothing(drawn, looked):
    records, volume, gone_by, last = [], set(), 0, None
    for number, (accuracy, macs, feasible, outcome) in enumerate(drawn):
        records.append(trial(number, accuracy, macs, outcome, feasible))
        grown = volume | (behind(accuracy, macs) if outcome == "ok" and feasible else set())
        gone_by += outcome != "throttled"
        if len(grown) > len(volume):
            gone_by, last, volume = 0, number, grown
    gains = Gains(OBJECTIVES)
    gains.look(records[:looked])
    assert gains.look(records) == (gone_by, last)


def test_a_trial_that_ends_late_is_judged_at_its_number():
    gains = Gains(OBJECTIVES)
    assert gains.look([trial(0), running(1), trial(2, accuracy=0.6)]) == (0, 2)
    assert gains.look([trial(0), trial(1, accuracy=0.7), trial(2, accuracy=0.6)]) == (1, 1)


def test_limits_are_the_study_files_unless_others_are_given(spec):
    study = spec(study={"trials": 7, "timeout": 60, "patience": 3})
    assert Limits.of(study) == Limits(7, 60.0, 3)
    assert Limits.of(study, trials=9, timeout=0.5, patience=1) == Limits(9, 0.5, 1)
    assert Limits.of(spec(study={"trials": 7})) == Limits(7, None, None)


@pytest.mark.parametrize("given, said", [
    ({"trials": 0}, "trials: must be a whole number from 1, got 0"),
    ({"trials": True}, "trials: must be a whole number from 1, got True"),
    ({"patience": 0}, "patience: must be a whole number from 1, got 0"),
    ({"patience": 2.5}, "patience: must be a whole number from 1, got 2.5"),
    ({"timeout": 0}, "timeout: must be a positive number of seconds, got 0"),
    ({"timeout": float("inf")}, "timeout: must be a positive number of seconds, got inf"),
    ({"timeout": "1h"}, "timeout: must be a positive number of seconds, got '1h'"),
])
def test_what_is_no_limit_is_refused(spec, given, said):
    with pytest.raises(SpecError) as caught:
        Limits.of(spec(), **given)
    assert str(caught.value) == said


def test_time_is_over_when_its_seconds_are(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("nas.search.ending.time.monotonic", lambda: now[0])
    ending = Ending(Limits(40, timeout=90), OBJECTIVES)
    assert (ending.seconds_left, ending.out_of_time(0)) == (90, "")
    now[0] = 189.0
    assert (ending.seconds_left, ending.out_of_time(12)) == (1, "")
    now[0] = 191.0
    assert ending.seconds_left == 0
    assert ending.out_of_time(12) == (
        "timeout: the 1:30 of this run are over, with 12 of 40 trials finished; another run goes on from here")


def test_without_limits_nothing_but_the_trials_ends_a_run():
    ending = Ending(Limits(40), OBJECTIVES)
    assert ending.seconds_left is None
    assert ending.out_of_time(39) == ""
    assert ending.out_of_patience([trial(number) for number in range(39)]) == ""


def test_patience_is_over_when_so_many_trials_were_no_gain():
    ending = Ending(Limits(40, patience=2), OBJECTIVES)
    records = [trial(0), trial(1, accuracy=0.6), trial(2)]
    assert ending.out_of_patience(records) == ""
    assert ending.out_of_patience([*records, trial(3)]) == (
        "patience: the front is taken for final: it has not grown for 2 trials, since trial 1; a higher patience goes on "
        "from here")
    assert "none of 2 trials has made it grow" in Ending(Limits(40, patience=2), OBJECTIVES).out_of_patience(
        [trial(0, feasible=False), trial(1, outcome="oom")])
