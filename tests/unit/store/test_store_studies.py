"""Studies: created whole or not at all, found by name, and gone with Optuna's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from nas.errors import StoreError
from nas.store.rows import WARM_START, CarriedTrial, ColumnRow, StudyRow, TrialEnd, TrialStart
from nas.store.store import Store


def test_a_study_is_read_back_as_it_was_made(store: Store, study: StudyRow) -> None:
    assert store.find_study("quickstart") == study
    assert store.study("quickstart") == study
    assert list(study.objectives) == ["latency_ms", "accuracy"]
    assert study.nas_version == "0.1.0"


def test_optuna_has_it_with_directions_metric_names_and_uuid(store: Store, study: StudyRow) -> None:
    theirs = optuna.load_study(study_name="quickstart", storage=store.optuna)
    assert theirs.directions == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
    assert theirs.metric_names == ["latency_ms", "accuracy"]
    assert theirs.user_attrs == {"nas:uuid": study.uuid}


def test_a_name_can_be_taken_once(store: Store, study: StudyRow, make_study: Callable[..., StudyRow]) -> None:
    with pytest.raises(StoreError, match="already"):
        make_study(store)
    store.optuna.create_new_study([StudyDirection.MINIMIZE], "theirs")
    with pytest.raises(StoreError, match="already"):
        make_study(store, "theirs")
    assert store.study_names() == ["quickstart"]


@pytest.mark.parametrize("direct", [True, False])
def test_what_cannot_be_stored_leaves_nothing_behind(store: Store, direct: bool) -> None:
    store.optuna.writes_directly = direct
    column = ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "here", "objective", True, {"bad": object()})
    with pytest.raises(StoreError, match="cannot be stored"):
        store.create_study("s", ["minimize"], ["latency_ms"], spec={}, registry={}, columns=[column],
                           objectives={"latency_ms": "minimize"})
    assert store.optuna.get_all_studies() == []
    assert store.study_names() == []


def carried(number: int, start: TrialStart, measurements: dict[str, int]) -> CarriedTrial:
    template = create_trial(state=TrialState.COMPLETE, values=[float(number)], params={}, distributions={})
    return CarriedTrial(template, start, TrialEnd("ok", f"it was trial {number}", True, 2.0), measurements)


def test_a_study_begins_with_trials_that_are_carried_over_and_do_not_count(store, make_start, make_measurement) -> None:
    identity = store.add_measurement(make_measurement())
    column = ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "here", "objective", True)
    trials = [carried(number, make_start(f"{number:012}", sampler=WARM_START), {"latency_ms": identity})
              for number in range(3)]
    row = store.create_study("s", ["minimize"], ["latency_ms"], spec={}, registry={}, columns=[column],
                             objectives={"latency_ms": "minimize"}, trials=trials)
    records = store.trials(row)
    assert [(record.number, record.state, record.outcome, record.sampler) for record in records] == [
        (number, "COMPLETE", "ok", "warm_start") for number in range(3)]
    assert {record.values["latency_ms"] for record in records} == {2.5}
    assert [trial.value for trial in optuna.load_study(study_name="s", storage=store.optuna).trials] == [0.0, 1.0, 2.0]
    assert store.standing(row).finished == 0
    template = create_trial(state=TrialState.RUNNING, params={}, distributions={})
    assert store.begin_trial(row, template, make_start(f"{0:012}"), total=9) is None  # it is tried
    assert store.begin_trial(row, template, make_start(), total=1) == 3


@pytest.mark.parametrize("direct", [True, False])
def test_of_trials_that_cannot_be_carried_over_and_their_study_nothing_is_left(store, make_start, direct) -> None:
    store.optuna.writes_directly = direct
    column = ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "here", "objective", True)
    good = carried(0, make_start(sampler=WARM_START), {})
    bad = CarriedTrial(good.template, good.start, TrialEnd("gone"), {})
    with pytest.raises(StoreError, match="'gone' is no outcome" if direct else "cannot be carried over at once"):
        store.create_study("s", ["minimize"], ["latency_ms"], spec={}, registry={}, columns=[column],
                           objectives={"latency_ms": "minimize"}, trials=[good, bad])
    assert store.optuna.get_all_studies() == []
    assert store.study_names() == []


@pytest.mark.parametrize("direct", [True, False])
def test_an_objective_or_a_constraint_needs_a_column(store: Store, direct: bool) -> None:
    store.optuna.writes_directly = direct
    column = ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "here", "objective", True)
    for objectives, constraints in (({"accuracy": "maximize"}, []), ({"latency_ms": "minimize"}, [("macs", "<=", 1.0)]),
                                    ({}, [])):
        with pytest.raises(StoreError, match=r"accuracy|macs|no objective"):
            store.create_study("s", ["minimize"], ["x"], spec={}, registry={}, columns=[column],
                               objectives=objectives, constraints=constraints)  # type: ignore[arg-type]
    assert store.optuna.get_all_studies() == []


def test_where_optuna_writes_itself_a_study_is_the_same(store: Store, make_study: Callable[..., StudyRow]) -> None:
    store.optuna.writes_directly = False
    study = make_study(store)
    assert store.find_study("quickstart") == study
    assert optuna.load_study(study_name="quickstart", storage=store.optuna).metric_names == ["latency_ms", "accuracy"]
    with pytest.raises(StoreError, match="already"):
        make_study(store)


def test_a_name_that_is_not_there_is_none_or_an_error_with_the_nearest(store: Store, study: StudyRow) -> None:
    assert store.find_study("other") is None
    with pytest.raises(StoreError, match=r"no study 'quikstart' \(did you mean 'quickstart'\?\)"):
        store.study("quikstart")


def test_a_study_of_optunas_alone_is_told_as_that(store: Store) -> None:
    store.optuna.create_new_study([StudyDirection.MINIMIZE], "theirs")
    with pytest.raises(StoreError, match="Optuna's own"):
        store.find_study("theirs")
    assert store.study_names() == []


def test_rows_of_a_study_that_was_deleted_are_not_those_of_the_next_with_its_id(
    store: Store,
    study: StudyRow,
    make_study: Callable[..., StudyRow],
    run_trial: Callable[..., int],
    make_measurement: Callable[..., object],
) -> None:
    kept = make_study(store, "kept")
    measurement = store.add_measurement(make_measurement())  # type: ignore[arg-type]
    for of in (study, kept):
        run_trial(store, of, measurements={"latency_ms": measurement})
    optuna.delete_study(study_name="kept", storage=store.optuna)
    again = store.optuna.create_new_study([StudyDirection.MINIMIZE], "kept")
    assert again == kept.optuna_id  # Optuna gives the id anew
    with pytest.raises(StoreError, match="Optuna's own"):
        store.find_study("kept")
    assert store.study_names() == ["quickstart"]
    assert len(store.trials(study)) == 1
    with store.optuna.engine.connect() as connection:
        for table in ("nas_studies", "nas_columns", "nas_trials", "nas_trial_measurements"):
            key = "uuid" if table == "nas_studies" else "study_uuid"
            assert connection.exec_driver_sql(f"SELECT DISTINCT {key} FROM {table}").scalars().all() == [study.uuid]
    assert store.find_measurement("key") is not None


def test_a_stranger_who_deletes_a_study_deletes_our_rows_too(file: Path, store: Store, study: StudyRow) -> None:
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM studies WHERE study_name = 'quickstart'")
    connection.commit()
    assert connection.execute("SELECT count(*) FROM nas_columns").fetchone() == (0,)
    connection.close()
    assert store.find_study("quickstart") is None


def test_a_study_whose_uuid_is_not_optunas_is_not_taken_for_it(file: Path, store: Store, study: StudyRow) -> None:
    store.optuna.set_study_user_attr(study.optuna_id, "nas:uuid", "0" * 32)
    with pytest.raises(StoreError, match="Optuna's own"):
        store.find_study("quickstart")


def test_hostile_names_are_names(store: Store, make_study: Callable[..., StudyRow]) -> None:
    for name in ("'; DROP TABLE studies; --", "<script>", "\x1b[31m", "../../x", "ü"):
        made = make_study(store, name)
        assert store.study(name) == made
