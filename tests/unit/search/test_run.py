"""The pipeline: stopped between any two writes it goes on to the same total; two runs of one study share its work."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import Trial, TrialState, create_trial

import nas
from nas.errors import StoreError, StudyDriftError
from nas.search.lifecycle import recover
from nas.search.prepare import prepare
from nas.search.progress import Progress
from nas.search.propose import Candidate, Proposer
from nas.store import Store, StudyRow, TrialEnd, TrialStart, engine, owner
from nas.store.storage import StudyStorage
from nas.store.trials import Standing

BOUNDS = {"constraints": {"width": ["<= 99", ">= 1"]}}
"""Both hold for every network."""


@pytest.fixture
def run(plugin, storage) -> Callable[..., optuna.Study]:
    """In this process, so that a test sees what the metrics were asked."""
    here = {"storage": storage, "plugins": [plugin], "isolated": False}
    return lambda study, trials, **others: nas.run(study, trials=trials, **here, **others)


@pytest.fixture
def report(storage) -> Callable[[], Any]:
    return lambda: nas.read_report("tiny", storage=storage)


@pytest.fixture
def stop_after(monkeypatch) -> Callable[..., None]:
    """Ctrl-C as soon as a method has been called for the n-th time; the process lives on, as a notebook's does."""

    def prepare(home: type, name: str, call: int = 1) -> None:
        method = getattr(home, name)
        calls = []

        def stopping(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            calls.append(name)
            if len(calls) == call:
                raise KeyboardInterrupt
            return answer

        monkeypatch.setattr(home, name, stopping)

    return prepare


@pytest.mark.parametrize(("home", "name", "outcomes"), [
    (Store, "begin_trial", ["interrupted", "ok", "ok", "ok"]),
    (Store, "add_measurement", ["interrupted", "ok", "ok", "ok"]),
    (Store, "end_trial", ["ok", "ok", "ok"]),
])
def test_stopped_after_any_write_a_run_in_the_same_process_goes_on(spec, run, report, stop_after, home, name, outcomes):
    stop_after(home, name)
    with pytest.raises(KeyboardInterrupt):
        run(spec(**BOUNDS), 3)
    study = run(spec(**BOUNDS), 3)
    frame = report()
    assert list(frame["outcome"]) == outcomes
    assert TrialState.RUNNING not in {trial.state for trial in study.trials}
    tried_again = frame[frame["outcome"] == "ok"]["arch_id"]
    assert tried_again.is_unique
    assert set(frame["arch_id"]) == set(tried_again)


@pytest.mark.parametrize(("home", "name"), [
    (Trial, "set_constraint"), (optuna.Study, "tell"), (StudyStorage, "finish_by_optuna"),
])
@pytest.mark.filterwarnings("ignore:this Optuna's tables")
def test_stopped_while_optuna_itself_ends_a_trial_a_run_goes_on(spec, run, report, stop_after, monkeypatch, home, name):
    monkeypatch.setattr("nas.store.storage.KNOWN_SCHEMA", "another")
    stop_after(home, name)
    with pytest.raises(KeyboardInterrupt):
        run(spec(**BOUNDS), 3)
    study = run(spec(**BOUNDS), 3)
    assert list(report()["outcome"]) == ["ok"] * 3
    assert [list(trial.constraints) for trial in study.trials] == [["width <= 99", "width >= 1"]] * 3


@pytest.mark.filterwarnings("ignore:this Optuna's tables")
def test_a_trial_whose_end_is_written_on_our_side_alone_is_told_to_optuna_by_the_next_run(
    spec, run, monkeypatch, storage
):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas.store.storage.KNOWN_SCHEMA", "another")
        patch.setattr(StudyStorage, "finish_by_optuna", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(spec(**BOUNDS), 2)
    with Store.open(storage) as store:
        [record] = store.trials(store.study("tiny"))
        assert (record.state, record.outcome) == ("RUNNING", "ok")
    study = run(spec(**BOUNDS), 2)  # a Gaussian process refuses trials of unequal constraints
    assert [list(trial.constraints) for trial in study.trials] == [["width <= 99", "width >= 1"]] * 2
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2


def test_a_trial_that_another_run_of_this_process_has_begun_is_left_alone(spec, run, report):
    inner: list[int] = []

    def during_trial_0(told: Progress) -> None:
        if told.doing == "trial 0: width" and not inner:
            inner.append(len(run(spec(), 1).trials))

    run(spec(), 2, observer=during_trial_0)
    assert inner == [2]
    assert list(report()["outcome"]) == ["ok", "ok"]


def test_an_orphan_that_two_runs_recover_at_once_is_ended_once(spec, run, report, stop_after, monkeypatch):
    stop_after(Store, "end_trial")
    with pytest.raises(KeyboardInterrupt):
        run(spec(**BOUNDS), 2)
    standing = Store.standing
    others: list[StudyRow] = []

    def slow(self: Store, study: StudyRow) -> Standing:
        found = standing(self, study)
        if not others:
            others.append(study)
            recover(self, study, spec(**BOUNDS), lambda: True)
        return found

    monkeypatch.setattr(Store, "standing", slow)
    run(spec(**BOUNDS), 2)
    assert list(report()["outcome"]) == ["ok", "ok"]


def test_a_network_that_another_run_begins_meanwhile_is_not_evaluated_twice(spec, run, report, monkeypatch):
    propose = Proposer.propose
    others: list[int] = []

    def slow(self: Proposer, *args: Any) -> Candidate:
        found = propose(self, *args)
        if not others:
            others.append(0)
            run(spec(), 2)  # from the same history it proposes the same network
        return found

    monkeypatch.setattr(Proposer, "propose", slow)
    run(spec(), 4)
    assert list(report()["outcome"]) == ["ok"] * 4
    assert report()["arch_id"].is_unique


def test_an_interrupted_network_that_has_been_evaluated_meanwhile_is_not_tried_again(spec, run, report, plugin, storage):
    run(spec(), 1)
    ready = prepare(spec(), [plugin])
    proposer = Proposer(ready.spec, ready.space, ready.columns)
    with Store.open(storage) as store:
        row = store.study("tiny")
        again = proposer.look(optuna.load_study(study_name="tiny", storage=store.optuna).trials[0].params)
        template = create_trial(
            state=TrialState.RUNNING, params=dict(again.values), distributions=dict(proposer.distributions))
        number = store.begin_trial(row, template, TrialStart(again.arch.arch_id, again.arch.text, 1, 1, 1, 1, "1x1"))
        store.end_trial(row, number, TrialEnd("interrupted"))
        optuna.load_study(study_name="tiny", storage=store.optuna).tell(number, state=TrialState.FAIL)
    run(spec(), 2)
    frame = report()
    assert list(frame["outcome"]) == ["ok", "interrupted", "ok"]
    assert frame["arch_id"][2] != frame["arch_id"][0]


def test_the_study_that_is_returned_is_read_whatever_the_name_of_its_file(spec, plugin, empty_database, tmp_path):
    file = tmp_path / "a {strange} 100% place?.db"
    shutil.copy(empty_database, file)
    study = nas.run(spec(), trials=1, storage=f"sqlite:///{file}", plugins=[plugin])
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]
    assert list(tmp_path.iterdir()) == [file]


def test_a_study_that_another_run_creates_meanwhile_is_gone_on_with(spec, run, report, monkeypatch):
    create = Store.create_study
    others: list[int] = []

    def slow(self: Store, *args: Any, **kwargs: Any) -> StudyRow:
        if not others:
            others.append(0)
            run(spec(), 1)
        return create(self, *args, **kwargs)

    monkeypatch.setattr(Store, "create_study", slow)
    run(spec(), 2)
    assert list(report()["outcome"]) == ["ok", "ok"]


@pytest.mark.parametrize(("outcome", "trials"), [("throttled", 10), ("worker_died", 3)])
def test_a_machine_that_fails_every_trial_ends_the_run(spec, run, report, calls, outcome, trials):
    study = spec(objectives={"slow": "maximize"}, columns={"slow": {"raises": f"measure:{outcome}"}})
    with pytest.raises(nas.MeasureError) as told:
        run(study, 2)
    assert str(told.value).splitlines() == [
        f"{trials} trials in a row could not be measured, the last one: {outcome}: slow: told so",
        "What was finished is saved: mend the machine, then run the study again to go on.",
    ]
    assert list(report()["outcome"]) == [outcome] * trials
    assert len(calls) == 2 * trials
    assert report()["arch_id"].nunique() == 1


def test_a_machine_that_recovers_in_time_loses_nothing(spec, run, report, calls):
    run(spec(objectives={"slow": "maximize"}, columns={"slow": {"raises": "measure:throttled", "times": 19}}), 1)
    assert list(report()["outcome"]) == ["throttled"] * 9 + ["ok"]


def test_a_run_waits_for_the_last_trial_of_another_process_and_takes_it_up_should_that_die(
    spec, run, report, stop_after, monkeypatch
):
    stop_after(Store, "begin_trial")
    with subprocess.Popen(["sleep", "600"]) as other:
        theirs = replace(owner.current(), pid=other.pid, started=owner._started(other.pid))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, "current", lambda: theirs)
            run(spec(), 1)
        told: list[str] = []

        def observer(progress: Progress) -> None:
            told.append(progress.doing)
            if progress.doing.startswith("waiting"):
                assert list(report()["state"]) == ["RUNNING"]
                other.kill()
                other.wait()

        run(spec(), 1, observer=observer)
    assert "waiting for the last trials, which another run evaluates" in told
    assert list(report()["outcome"]) == ["interrupted", "ok"]
    assert report()["arch_id"].nunique() == 1


def test_the_trial_of_a_run_that_dies_meanwhile_is_ended_and_its_network_tried_again(
    spec, run, report, stop_after, monkeypatch
):
    stop_after(Store, "begin_trial")
    with subprocess.Popen(["sleep", "600"]) as other:
        theirs = replace(owner.current(), pid=other.pid, started=owner._started(other.pid))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, "current", lambda: theirs)
            run(spec(), 3)

        def observer(progress: Progress) -> None:
            if progress.doing.startswith("trial 1: ") and other.poll() is None:
                other.kill()
                other.wait()

        run(spec(), 3, observer=observer)
    assert list(report()["state"]) == ["FAIL", *["COMPLETE"] * 3]
    assert list(report()["outcome"]) == ["interrupted", *["ok"] * 3]
    assert report()["arch_id"].nunique() == 3


MOVED = '''
"""A metric that tells its machine: the text of a file beside this one."""
from pathlib import Path
import nas

MACHINE = Path(__file__).with_name("machine")

@nas.hookimpl
def nas_metrics():
    def compute(context):
        return nas.Estimate(float(context.arch.stages[0].channels), environment={"machine": MACHINE.read_text()})

    def conditions(setting):
        return {"environment": MACHINE.read_text()}

    return [nas.MetricSpec("told_ms", "ms", "minimize", 1, compute, cost="cheap", options={}, conditions=conditions,
                           seeded=False)]
'''


def test_a_study_goes_on_on_another_machine_only_where_environments_may_be_mixed(spec, storage, tmp_path):
    (tmp_path / "moved.py").write_text(MOVED)
    machine = tmp_path / "machine"
    notices: list[str] = []

    def go_on(trials: int, **options: bool) -> None:
        nas.run(spec(objectives={"told_ms": "minimize"}), trials=trials, storage=storage,
                plugins=[tmp_path / "moved.py"], isolated=False,
                observer=lambda progress: notices.extend(progress.notices), **options)

    machine.write_text("one")
    go_on(3)
    machine.write_text("another")
    with pytest.raises(StudyDriftError, match=r'environment: "one", here it is "another"\n.*--mix-environments'):
        go_on(4)
    go_on(4, mix_environments=True)
    told = ('from here on told_ms is measured under another columns.told_ms.environment: "one", here it is "another"; '
            "--mix-environments was given")
    assert notices == [told]
    front = nas.read_report("tiny", storage).query("pareto")["trial"]
    assert 3 not in list(front)
    machine.write_text("one")
    go_on(5)


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_a_study_says_how_durable_its_trials_are(spec, run, monkeypatch, durability):
    connect = engine._connect
    settings: list[str] = []

    def noted(uri: str, busy_s: float, setting: str) -> Any:
        settings.append(setting)
        return connect(uri, busy_s, setting)

    run(spec(), 1)
    monkeypatch.setattr(engine, "_connect", noted)
    run(spec(study={"durability": durability}), 2)  # it may change: it is about what is written from here on
    assert ("synchronous=full" in settings) == (durability == "full")


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_a_database_that_goes_while_a_study_runs_ends_it_at_the_next_trial(spec, run, storage, what):
    file = Path(storage.removeprefix("sqlite:///"))

    def after_trial_1(told: Progress) -> None:
        if told.last is not None and told.finished == 2:
            file.unlink()
            if what == "replaced":
                file.write_bytes(b"")

    with pytest.raises(StoreError, match=f"the database was {what}"):
        run(spec(), 4, observer=after_trial_1)
    assert file.exists() == (what == "replaced")
    assert not file.exists() or file.read_bytes() == b""
