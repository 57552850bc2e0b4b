"""Trials: begun in both tables at once, ended, counted by their outcomes, and owned by a process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import StoreError
from nas.outcomes import OUTCOMES
from nas.store import owner
from nas.store.rows import Measurement, StudyRow, TrialEnd, TrialRecord, TrialStart
from nas.store.store import Store

Starts = Callable[..., TrialStart]
Makes = Callable[..., Measurement]


def test_a_trial_begins_in_optuna_and_in_ours(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts
) -> None:
    numbers = [store.begin_trial(study, template, make_start(sampler="tpe")) for _ in range(3)]
    assert numbers == [0, 1, 2]
    theirs = optuna.load_study(study_name=study.name, storage=store.optuna).trials
    assert [(trial.number, trial.state, trial.params) for trial in theirs] == [
        (number, TrialState.RUNNING, {"stage0.kernel": 5}) for number in numbers
    ]
    assert store.trials(study)[2] == TrialRecord(
        number=2, state="RUNNING", arch_id="a" * 12, outcome=None, retry_of=None, sampler="tpe", feasible=False,
        duration_s=None, values={"params": 1_000, "macs": 2_000, "flops": 3_000, "activations": 4_000},
    )


def test_a_trial_that_cannot_begin_is_in_neither_table(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts
) -> None:
    with pytest.raises(StoreError, match="cannot be stored"):
        store.begin_trial(study, template, make_start(output_stride=object()))
    store.begin_trial(study, template, make_start())
    other = {"stage0.kernel": FloatDistribution(0, 2)}
    clash = create_trial(state=TrialState.RUNNING, params={"stage0.kernel": 1.0}, distributions=other)
    with pytest.raises(ValueError, match="kind"):
        store.begin_trial(study, clash, make_start())
    assert [record.number for record in store.trials(study)] == [0]
    assert store.optuna.get_n_trials(study.optuna_id) == 1


def test_a_trial_of_a_study_that_is_gone_is_a_store_error(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts
) -> None:
    optuna.delete_study(study_name=study.name, storage=store.optuna)
    with pytest.raises(StoreError, match="no longer"):
        store.begin_trial(study, template, make_start())


def test_where_optuna_writes_itself_a_trial_begins_the_same(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts
) -> None:
    store.optuna.writes_directly = False
    assert [store.begin_trial(study, template, make_start()) for _ in range(2)] == [0, 1]
    with pytest.raises(StoreError, match="cannot be stored"):
        store.begin_trial(study, template, make_start(output_stride=object()))
    assert [record.state for record in store.trials(study)] == ["RUNNING", "RUNNING", "FAIL"]
    assert store.standing(study).orphans() == []


@pytest.mark.parametrize("directly", [True, False])
def test_a_network_begins_once_unless_the_machine_failed_it(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts, directly: bool
) -> None:
    store.optuna.writes_directly = directly

    def begin(arch_id: str) -> int | None:
        return store.begin_trial(study, template, make_start(arch_id), total=9)

    assert begin("a" * 12) == 0
    assert begin("a" * 12) is None  # it runs
    assert begin("b" * 12) == 1
    store.end_trial(study, 0, TrialEnd("interrupted"))
    store.end_trial(study, 1, TrialEnd("oom"))
    assert begin("b" * 12) is None
    assert begin("a" * 12) == 2
    assert len(store.trials(study)) == store.optuna.get_n_trials(study.optuna_id) == 3


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AbstractContextManager[subprocess.Popen[bytes]]]]:
    """A process that lives for 10 minutes; within the context that it gives, trials are begun in its name."""
    with subprocess.Popen(["sleep", "600"]) as process:
        theirs = replace(owner.current(), pid=process.pid, started=owner._started(process.pid))

        @contextmanager
        def in_its_name() -> Iterator[subprocess.Popen[bytes]]:
            with monkeypatch.context() as patch:
                patch.setattr(owner, "current", lambda: theirs)
                yield process

        yield in_its_name
        process.kill()


def test_the_last_trial_of_a_study_is_begun_once(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts, another_process
) -> None:
    with another_process() as process:
        assert store.begin_trial(study, template, make_start("a" * 12), total=1) == 0
    assert (store.standing(study).elsewhere, store.standing(study).orphans()) == (1, [])
    assert store.begin_trial(study, template, make_start("b" * 12), total=1) is None
    assert store.begin_trial(study, template, make_start("b" * 12), total=2) == 1
    process.kill()
    process.wait()
    assert (store.standing(study).elsewhere, store.standing(study).orphans()) == (0, [0])
    assert store.begin_trial(study, template, make_start("c" * 12), total=1) == 2


def test_a_study_tells_what_a_trial_ended_with(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts, make_measurement: Makes
) -> None:
    number = store.begin_trial(study, template, make_start(retry_of=None, rejected=7))
    latency = store.add_measurement(make_measurement(value=2.5))
    accuracy = store.add_measurement(make_measurement("other", value=None, outcome="oom", message="too large"))
    store.end_trial(study, number, TrialEnd("ok", "fine", True, 1.25, {"ask": 0.1}),
                    {"latency_ms": latency, "accuracy": accuracy})
    optuna.load_study(study_name=study.name, storage=store.optuna).tell(number, [2.5, 0.9])
    record = store.trials(study)[0]
    assert (record.state, record.outcome, record.feasible, record.duration_s) == ("COMPLETE", "ok", True, 1.25)
    assert record.values == {"params": 1_000, "macs": 2_000, "flops": 3_000, "activations": 4_000, "latency_ms": 2.5}
    row = store.trial_rows(study)[0]
    assert (row["message"], row["seconds"], row["rejected"]) == ("fine", {"ask": 0.1}, 7)


def test_an_end_that_is_written_again_replaces_the_first(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts, make_measurement: Makes
) -> None:
    number = store.begin_trial(study, template, make_start())
    measurement = store.add_measurement(make_measurement())
    store.end_trial(study, number, TrialEnd("ok", feasible=True), {"latency_ms": measurement})
    store.end_trial(study, number, TrialEnd("interrupted", "killed before it was told"))
    record = store.trials(study)[0]
    assert (record.outcome, record.feasible, "latency_ms" in record.values) == ("interrupted", False, False)


def test_a_measurement_that_an_earlier_trial_has_is_reused(
    store: Store, study: StudyRow, run_trial: Callable[..., int], make_measurement: Callable[..., Measurement]
) -> None:
    measurement = store.add_measurement(make_measurement())
    for _ in range(2):
        run_trial(store, study, measurements={"latency_ms": measurement})
    assert [row["reused"] for row in store.measurement_rows(study)] == [False, True]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_counts(store: Store, study: StudyRow, run_trial: Callable[..., int], outcome: str) -> None:
    run_trial(store, study, outcome)
    not_its_fault = outcome in ("worker_died", "throttled", "contaminated", "interrupted")
    assert store.standing(study).finished == (0 if not_its_fault else 1)


def test_a_trial_counts_once_optuna_knows_its_end(
    store: Store, study: StudyRow, template: FrozenTrial, make_start: Starts
) -> None:
    number = store.begin_trial(study, template, make_start())
    store.end_trial(study, number, TrialEnd("ok"))
    assert store.standing(study).finished == 0
    optuna.load_study(study_name=study.name, storage=store.optuna).tell(number, [1.0, 1.0])
    assert store.standing(study).finished == 1


def test_an_end_without_a_trial_or_with_a_word_that_is_no_outcome_is_refused(store: Store, study: StudyRow) -> None:
    with pytest.raises(StoreError, match="no trial 3"):
        store.end_trial(study, 3, TrialEnd("ok"))
    with pytest.raises(StoreError, match="'done' is no outcome"):
        store.end_trial(study, 0, TrialEnd("done"))


def test_a_running_trial_that_nobody_of_ours_began_is_an_orphan_and_can_be_ended(store: Store, study: StudyRow) -> None:
    optuna.load_study(study_name=study.name, storage=store.optuna).ask()
    assert store.standing(study).orphans() == [0]
    store.end_trial(study, 0, TrialEnd("interrupted", "not ours"))
    record = store.trials(study)[0]
    assert (record.outcome, record.arch_id, record.values) == ("interrupted", None, {})


def test_only_running_trials_are_orphans(store: Store, study: StudyRow, run_trial: Callable[..., int]) -> None:
    run_trial(store, study)
    optuna.load_study(study_name=study.name, storage=store.optuna).enqueue_trial({"stage0.kernel": 3})
    assert store.standing(study).orphans() == []


def test_trials_can_be_read_from_where_one_left_off(
    store: Store, study: StudyRow, run_trial: Callable[..., int], make_measurement: Callable[..., Measurement]
) -> None:
    for key in ("a", "b", "c"):
        run_trial(store, study, measurements={"latency_ms": store.add_measurement(make_measurement(key))})
    assert [record.number for record in store.trials(study, after=0)] == [1, 2]
    assert store.trials(study, after=0) == store.trials(study)[1:]


def test_text_that_no_database_takes_is_written_out(
    store: Store, study: StudyRow, run_trial: Callable[..., int]
) -> None:
    number = run_trial(store, study)
    store.end_trial(study, number, TrialEnd("ok", "file \udcff, NUL \0"))
    assert store.trial_rows(study)[0]["message"] == "file \\udcff, NUL \\x00"


def test_a_process_is_gone_only_where_that_is_certain() -> None:
    here = owner.current()
    assert not here.is_gone(here)
    assert replace(here, pid=2**22 + 1).is_gone(here)  # past the largest process id of Linux
    assert replace(here, started="1").is_gone(here)  # its number is another process's now
    assert replace(here, boot="before the restart").is_gone(here)
    assert not replace(here, host="elsewhere", pid=2**22 + 1).is_gone(here)
    assert not replace(here, namespace="pid:[1]", pid=2**22 + 1).is_gone(here)
