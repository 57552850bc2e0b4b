"""`warm_start`: which trials of an older study a new one begins with, what they are worth there, and what stays behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import nas
from nas.errors import SpecError, StoreError
from nas.search.progress import Progress
from nas.store import Store, writing

WARM = {"name": "new", "warm_start": "tiny"}
SLOW = {"objectives": {"slow": "maximize", "macs": "minimize"}}


@pytest.fixture
def run(plugin, storage) -> Callable[..., optuna.Study]:
    here = {"storage": storage, "plugins": [plugin], "isolated": False}
    return lambda study, trials, **others: nas.run(study, trials=trials, **here, **others)


@pytest.fixture
def warmed(spec, run) -> Callable[..., tuple[optuna.Study, list[str]]]:
    """The study `new`, which begins with the trials of `tiny`, after so many trials of its own; and what was told."""

    def begun(trials: int = 1, study: dict[str, Any] | None = None, **sections: Any) -> tuple[optuna.Study, list[str]]:
        heard: list[Progress] = []
        found = run(spec(study={**WARM, **(study or {})}, **sections), trials, observer=heard.append)
        return found, [notice for told in heard for notice in told.notices]

    return begun


@pytest.fixture
def report(storage) -> Callable[..., Any]:
    return lambda study="new": nas.read_report(study, storage=storage, sampler=True)


def test_finished_trials_are_trials_of_the_new_study_and_do_not_count(spec, run, warmed, report):
    run(spec(), 4)
    study, notices = warmed(trials=3)
    assert notices == ["4 trials carried over from 'tiny'"]
    frame = report()
    assert list(frame["sampler"]) == ["warm_start"] * 4 + ["random"] * 3
    old = report("tiny")
    for column in ("arch_id", "arch", "params", "macs", "width", "outcome", "feasible", "receptive_field", "duration_s"):
        assert list(frame[column][:4]) == list(old[column]), column
    assert list(frame["message"][:4]) == [f"carried over from trial {number} of 'tiny'" for number in range(4)]
    assert frame["arch_id"].is_unique
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 7
    assert [trial.values for trial in study.trials[:4]] == frame[["width", "macs"]][:4].to_numpy().tolist()


def test_nothing_is_measured_again_and_the_measurements_are_the_old_ones(spec, run, warmed, calls, storage):
    run(spec(), 4)
    calls.clear()
    warmed(trials=1)
    assert len(calls) == 1
    old, new = (nas.read_measurements(name, storage=storage) for name in ("tiny", "new"))
    assert list(new["value"][:4]) == list(old["value"])


def test_new_choices_widen_the_space_and_the_old_trials_have_its_distributions(spec, run, warmed):
    run(spec(), 4)
    study, _ = warmed(trials=2, stage={"block": ["conv", "mbconv"], "channels": [8, 12, 16, 20], "repeats": [1, 2, 3]})
    assert {name for name, _ in study.trials[0].distributions.items()} >= {"stage0.block", "stage0.channels"}
    assert study.trials[0].distributions == study.trials[-1].distributions
    assert {trial.params["stage0.block"] for trial in study.trials[:4]} == {"conv"}


def test_what_does_not_lie_in_the_new_space_stays_behind_counted_by_reason(spec, run, warmed, report):
    run(spec(), 12)  # every network of the space
    _, (notice,) = warmed(stage={"channels": [8, 16, 24]})
    assert notice == ("8 trials carried over from 'tiny' (4 not: 4 x not in this space: stage0.channels is 12, the study "
                      "has 8, 16, 24)")
    assert list(report()["sampler"]).count("warm_start") == 8


def test_what_breaks_a_new_free_constraint_stays_behind(spec, run, warmed, report):
    run(spec(), 12)
    breaking = sum(report("tiny")["params"] > 2000)
    _, notices = warmed(stage={"channels": [8, 12, 16, 20]}, constraints={"params": "<= 2000"})
    assert notices[0] == (f"{12 - breaking} trials carried over from 'tiny' ({breaking} not: {breaking} x breaks params <= "
                          "2000)")


def test_a_new_measured_constraint_judges_the_old_trials_anew(spec, run, warmed, report):
    run(spec(), 12)
    study, _ = warmed(stage={"channels": [8, 12, 16, 20]}, constraints={"width": "<= 16"})
    carried = report()[report()["sampler"] == "warm_start"]
    assert list(carried["feasible"]) == list(carried["width"] <= 16)
    assert (~carried["feasible"]).any()
    for trial, row in zip(study.trials, carried.to_dict("records"), strict=False):
        assert trial.constraints == {"width <= 16": pytest.approx((row["width"] - 16) / 16)}
    broken = carried[~carried["feasible"]].iloc[0]
    assert broken["message"] == (f"carried over from trial {broken['trial']} of 'tiny'; breaks width <= 16 by "
                                 f"{broken['width'] - 16:g}: it is {broken['width']:g}")


def test_a_trial_that_failed_by_its_own_fault_fails_here_too_and_is_not_tried_again(spec, run, warmed, calls, report):
    options = {"columns": {"slow": {"raises": "memory:too large"}}}
    run(spec(**SLOW, **options), 2)
    calls.clear()
    study, notices = warmed(**SLOW, **options)
    assert notices == ["2 trials carried over from 'tiny'"]
    assert list(report()["outcome"][:2]) == ["oom", "oom"]
    assert [trial.state for trial in study.trials[:2]] == [TrialState.FAIL] * 2
    assert not {arch_id for _, arch_id in calls} & set(report()["arch_id"][:2])


def test_a_trial_that_the_machine_failed_stays_behind(spec, run, warmed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_measurement", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(spec(), 2)
    _, notices = warmed()
    assert notices == ["0 trials carried over from 'tiny' (1 not: 1 x interrupted)"]


@pytest.mark.parametrize("old, new, reason", [
    ({}, {"columns": {"slow": {"answers": 2.0}}},
     "measured under another slow.options.answers: 1.0, here it is 2.0"),
    ({"objectives": {"width": "maximize"}}, {"columns": {"width": {}}}, "slow was not measured"),
    ({}, {"study": {"seed": 5}}, "slow was measured with seed 0, here it is 5"),
])
def test_what_was_measured_otherwise_or_not_at_all_stays_behind_with_the_difference(spec, run, warmed, old, new, reason):
    run(spec(**{**SLOW, **old}), 2)
    _, notices = warmed(**{**SLOW, **new})
    assert notices == [f"0 trials carried over from 'tiny' (2 not: 2 x {reason})"]


def test_a_column_under_another_name_is_the_same_where_its_conditions_are(spec, run, warmed, report):
    run(spec(**SLOW), 2)
    _, notices = warmed(objectives={"again": "maximize", "macs": "minimize"}, columns={"again": {"metric": "slow"}})
    assert notices == ["2 trials carried over from 'tiny'"]
    assert list(report()["again"][:2]) == [1.0, 1.0]


def test_a_free_metric_that_is_new_is_computed(spec, run, warmed, report):
    run(spec(), 2)
    _, notices = warmed(objectives={"width": "maximize", "wide": "maximize"})
    assert notices == ["2 trials carried over from 'tiny'"]
    assert report()["wide"].notna().all()


def test_of_many_reasons_the_most_frequent_are_told(spec, run, warmed):
    run(spec(), 12)
    _, (notice,) = warmed(stage={"channels": [20, 24], "kernel": [7, 9], "repeats": [3, 4]})
    assert notice.startswith("0 trials carried over from 'tiny' (12 not: ")
    assert sum(int(part.split()[0]) for part in notice.partition("not: ")[2].split("; ")) == 12


def test_samplers_learn_from_what_was_carried_over(spec, run, warmed, monkeypatch):
    run(spec(), 8)
    seen: list[int] = []
    sample = optuna.samplers.NSGAIISampler.sample_relative

    def looking(self, study, trial, space):
        seen.append(len(self.get_population(study, 0)))
        return sample(self, study, trial, space)

    monkeypatch.setattr(optuna.samplers.NSGAIISampler, "sample_relative", looking)
    warmed(trials=1, study={"sampler": "nsga2"})
    assert set(seen) == {8}


def test_the_next_run_goes_on_without_carrying_again(spec, run, warmed, report):
    run(spec(), 3)
    warmed(trials=1)
    run(spec(), 6)  # the old study has more by now
    _, notices = warmed(trials=2)
    assert notices == []
    assert list(report()["sampler"]) == ["warm_start"] * 3 + ["random"] * 2


def test_what_was_carried_over_is_carried_on(spec, run, warmed, report):
    run(spec(), 3)
    warmed(trials=2)
    _, notices = warmed(study={"name": "newest", "warm_start": "new"})
    assert notices == ["5 trials carried over from 'new'"]


def test_patience_measures_new_trials_against_the_old_front(spec, run, warmed, report):
    one = {"objectives": {"slow": "maximize"}}  # which answers 1 for every network
    run(spec(**one), 4)
    _, notices = warmed(trials=8, study={"patience": 2}, **one)
    assert list(report()["sampler"]) == ["warm_start"] * 4 + ["random"] * 2
    assert notices[1:] == [("patience: the front is taken for final: none of 2 trials has made it grow; a higher patience "
                           "goes on from here")]


def test_a_study_that_there_is_not_is_an_error_with_its_place(spec, run, warmed, storage):
    run(spec(), 1)
    with pytest.raises(SpecError) as caught:
        warmed(study={"warm_start": "tinny"})
    assert str(caught.value) == (f"tiny.toml: study.warm_start: {storage.removeprefix('sqlite:///')}: there is no study "
                                 "'tinny' (did you mean 'tiny'?); there are tiny")
    with Store.open(storage, read_only=True) as store:
        assert store.study_names() == ["tiny"]


def test_where_there_is_no_database_none_is_made(spec, plugin, tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(SpecError, match=r"study.warm_start: there is no study 'tiny': .* is no database yet"):
        nas.run(spec(study=WARM), storage=f"sqlite:///{path}", plugins=[plugin], isolated=False)
    assert not path.exists()


def test_a_study_that_measured_nothing_of_this_one_is_an_error(spec, run, warmed):
    run(spec(objectives={"width": "maximize"}), 1)
    with pytest.raises(SpecError) as caught:
        warmed(objectives={"slow": "maximize"})
    assert str(caught.value) == ("tiny.toml: study.warm_start: study 'tiny' measured nothing that this one measures (slow); "
                                 "it has width")


def test_it_is_told_how_far_it_is(spec, run):
    run(spec(), 2)
    doing: list[str] = []
    run(spec(study=WARM), 1, observer=lambda told: doing.append(told.doing))
    assert doing[:2] == ["carrying over the trials of 'tiny': 1 of 2", "carrying over the trials of 'tiny': 2 of 2"]


def test_stopped_half_way_there_is_no_study(spec, run, storage, monkeypatch):
    run(spec(), 4)
    inserted = []

    def stopping(*arguments: Any) -> Any:
        inserted.append(arguments)
        if len(inserted) == 3:
            raise KeyboardInterrupt
        return insert(*arguments)

    insert = writing.insert_trial
    with monkeypatch.context() as patch:
        patch.setattr(writing, "insert_trial", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(spec(study=WARM), 1)
    with sqlite3.connect(Path(storage.removeprefix("sqlite:///"))) as database:
        assert database.execute("select count(*) from studies").fetchone() == (1,)
        assert database.execute("select count(*) from nas_studies").fetchone() == (1,)
        assert database.execute("select count(*) from trials").fetchone() == (4,)
        assert database.execute("select count(*) from nas_trials").fetchone() == (4,)
    assert len(run(spec(study=WARM), 1).trials) == 5


@pytest.mark.filterwarnings("ignore:this Optuna's tables")
def test_where_optuna_writes_its_part_itself_nothing_is_carried_over_and_it_says_so(spec, run, monkeypatch, storage):
    run(spec(), 1)
    monkeypatch.setattr("nas.store.storage.KNOWN_SCHEMA", "another")
    with pytest.raises(StoreError, match="trials cannot be carried over at once: leave warm_start out"):
        run(spec(study=WARM), 1)
    with Store.open(storage, read_only=True) as store:
        assert store.study_names() == ["tiny"]
