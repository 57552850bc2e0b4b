"""Our storage is one of Optuna's: it passes Optuna's own tests, and writes what stock Optuna writes."""

from __future__ import annotations

import pickle
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.store import optuna_tables
from nas.store.optuna_rows import finish_trial
from nas.store.storage import StudyStorage
from nas.store.store import Store

DISTRIBUTIONS = {
    "block": CategoricalDistribution(("conv", None, True, 3, 0.5)),
    "width": IntDistribution(8, 64, step=8),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
}


class TestOptunasOwnCases(StorageTestCase):  # type: ignore[misc]  # Optuna's testing code has no types
    @pytest.fixture
    def storage(self, store: Store) -> StudyStorage:
        return store.optuna


def whole_trial(state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    trial = create_trial(
        state=state,
        values=[1.5, float("inf")] if state == TrialState.COMPLETE else None,
        params={"block": None, "width": 16, "rate": 1e-3},
        distributions=DISTRIBUTIONS,
        user_attrs={"note": "ünï", "list": [1, {"a": None}]},
        system_attrs={"constraints:params": -0.5},
        intermediate_values={0: 0.5, 1: float("nan"), 2: float("-inf")},
    )
    trial.datetime_start = datetime(2026, 3, 29, 1, 59, 58, 123456)
    return trial


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as connection:
        names = [table.name for table in optuna_tables.ALL]
        found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    connection.close()
    return found


def test_a_trial_from_a_template_is_written_row_by_row_as_stock_optuna_writes_it(tmp_path: Path) -> None:
    ours, stock = tmp_path / "ours.db", tmp_path / "stock.db"
    directions = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
    with Store.open(f"sqlite:///{ours}") as store:
        other = RDBStorage(f"sqlite:///{stock}")
        for storage in (store.optuna, other):
            study_id = storage.create_new_study(directions, "study")
            for state in (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING, TrialState.FAIL):
                template = whole_trial(state)
                template.datetime_complete = template.datetime_start if state.is_finished() else None
                trial_id = storage.create_new_trial(study_id, template)
                read = storage.get_trial(trial_id)
                assert (read.params, read.user_attrs, read.state) == (template.params, template.user_attrs, state)
        other.engine.dispose()
    assert contents(ours) == contents(stock)


def test_numbers_go_on_in_each_study_from_its_own_last_trial(store: Store) -> None:
    first, second = (store.optuna.create_new_study([StudyDirection.MINIMIZE]) for _ in range(2))
    ids = [store.optuna.create_new_trial(study) for study in (first, second, first, first, second)]
    assert [store.optuna.get_trial_number_from_id(trial_id) for trial_id in ids] == [0, 0, 1, 2, 1]


def test_a_parameter_keeps_its_kind_of_distribution_within_a_study(store: Store) -> None:
    study_id = store.optuna.create_new_study([StudyDirection.MINIMIZE])
    store.optuna.create_new_trial(study_id, whole_trial())
    clash = create_trial(value=1.0, params={"width": 1.0}, distributions={"width": FloatDistribution(0, 2)})
    with pytest.raises(ValueError, match="kind"):
        store.optuna.create_new_trial(study_id, clash)
    assert len(store.optuna.get_all_trials(study_id)) == 1
    other = store.optuna.create_new_study([StudyDirection.MINIMIZE])
    store.optuna.create_new_trial(other, clash)


def test_a_restarted_process_knows_the_distributions_of_the_first(file: Path) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        study_id = store.optuna.create_new_study([StudyDirection.MINIMIZE])
        store.optuna.create_new_trial(study_id, whole_trial())
    clash = create_trial(value=1.0, params={"block": "new"}, distributions={"block": CategoricalDistribution(("new",))})
    with Store.open(f"sqlite:///{file}") as store, pytest.raises(ValueError, match="dynamic value space"):
        store.optuna.create_new_trial(study_id, clash)


def test_stock_optuna_reads_and_writes_the_same_file_while_it_is_open(store: Store, file: Path) -> None:
    study = optuna.create_study(storage=store.optuna, study_name="shared")
    study.add_trial(create_trial(value=1.0))
    stock = RDBStorage(f"sqlite:///{file}")
    theirs = optuna.load_study(storage=stock, study_name="shared")
    theirs.tell(theirs.ask(), 2.0)
    assert [trial.value for trial in study.trials] == [1.0, 2.0]
    stock.engine.dispose()


def test_optuna_optimises_on_it(store: Store) -> None:
    study = optuna.create_study(storage=store.optuna, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=5)
    assert len(study.trials) == 5


def test_with_an_unknown_schema_optuna_writes_itself_and_this_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.store.storage.KNOWN_SCHEMA", "v2.6.0.a")
    with pytest.warns(UserWarning, match="written by Optuna itself"), Store.open(f"sqlite:///{file}") as store:
        study_id = store.optuna.create_new_study([StudyDirection.MINIMIZE] * 2)
        trial = store.optuna.get_trial(store.optuna.create_new_trial(study_id, whole_trial()))
        assert trial.params == whole_trial().params


def test_an_unpickled_copy_locks_as_the_original_does(store: Store) -> None:
    copy = pickle.loads(pickle.dumps(store.optuna))
    with copy.engine.begin():
        blocked = sqlite3.connect(store.path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            blocked.execute("BEGIN IMMEDIATE")
        blocked.close()
    copy.engine.dispose()


def test_reading_waits_for_no_writer(store: Store) -> None:
    study_id = store.optuna.create_new_study([StudyDirection.MINIMIZE], "study")
    writer = sqlite3.connect(store.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO studies (study_name) VALUES ('uncommitted')")
    assert store.optuna.get_all_trials(study_id) == []
    assert [study.study_name for study in store.optuna.get_all_studies()] == ["study"]
    assert store.optuna.get_study_id_from_name("study") == study_id
    writer.execute("ROLLBACK")
    writer.close()


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_durability_is_how_sqlite_synchronises(file: Path, durability: str, level: int) -> None:
    with Store.open(f"sqlite:///{file}", durability=durability) as store, store.optuna.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level


def test_our_description_of_optunas_tables_is_theirs() -> None:
    theirs = models.BaseModel.metadata.tables
    for table in optuna_tables.ALL:
        assert set(table.c.keys()) <= set(theirs[table.name].c.keys()), table.name
    assert set(theirs) >= optuna_tables.NAMES
    assert optuna.study.study._SYSTEM_ATTR_METRIC_NAMES == optuna_tables.METRIC_NAMES_KEY
    assert optuna.study._constrained_optimization._CONSTRAINTS_KEY == optuna_tables.CONSTRAINT_KEY


def test_the_schema_that_is_known_is_that_of_the_installed_optuna(store: Store) -> None:
    assert store.optuna.get_current_version() == optuna_tables.KNOWN_SCHEMA
    assert store.optuna.writes_directly


ENDS = [(TrialState.COMPLETE, [2.5, float("inf")]), (TrialState.PRUNED, None), (TrialState.FAIL, None)]


def finished(store: Store, study: optuna.Study, number: int, state: TrialState, values: Any, constraints: Any) -> bool:
    """As the end of a trial is told."""
    if not store.optuna.writes_directly:
        return store.optuna.finish_by_optuna(study, number, state, values, constraints)
    with store._database.write() as connection:
        return finish_trial(connection, study._study_id, number, state, values, constraints)


@pytest.mark.parametrize(("state", "values"), ENDS)
def test_a_finished_trial_is_row_by_row_what_set_constraint_and_tell_make_of_it(
    tmp_path: Path, state: TrialState, values: list[float] | None
) -> None:
    ours, stock = tmp_path / "ours.db", tmp_path / "stock.db"
    constraints = {"params <= 10": -0.25, "macs >= 1": 0.5}
    with Store.open(f"sqlite:///{ours}") as store:
        other = RDBStorage(f"sqlite:///{stock}")
        for storage in (store.optuna, other):
            study = optuna.create_study(storage=storage, directions=["minimize", "maximize"], study_name="study")
            template = whole_trial(TrialState.RUNNING)
            template.intermediate_values = {}  # Optuna takes the last one for a pruned trial's value
            study.add_trial(template)
            if storage is other:
                trial = optuna.trial.Trial(study, study.trials[0]._trial_id)
                for name, value in constraints.items():
                    trial.set_constraint(name, value)
                study.tell(0, values, state=state)
            else:
                assert finished(store, study, 0, state, values, constraints)
                assert study.trials[0].constraints == {"params": -0.5, **constraints}
            assert study.trials[0].datetime_complete is not None
        other.engine.dispose()
    found, expected = contents(ours), contents(stock)
    for rows in (found, expected):
        rows["trials"] = [row[:-1] for row in rows["trials"]]  # when it was completed
    assert found == expected


@pytest.mark.parametrize("schema", [optuna_tables.KNOWN_SCHEMA, "another"])
@pytest.mark.filterwarnings("ignore:this Optuna's tables")
def test_a_trial_is_finished_once_and_keeps_the_constraints_that_it_has(
    file: Path, monkeypatch: pytest.MonkeyPatch, schema: str
) -> None:
    monkeypatch.setattr("nas.store.storage.KNOWN_SCHEMA", schema)
    with Store.open(f"sqlite:///{file}") as store:
        study = optuna.create_study(storage=store.optuna, directions=["minimize"])
        study.ask().set_constraint("a", 1.0)
        assert finished(store, study, 0, TrialState.COMPLETE, [3.0], {"a": 2.0, "b": 4.0})
        assert not finished(store, study, 0, TrialState.FAIL, None, {"c": 5.0})
        trial = study.trials[0]
        assert (trial.state, trial.values, trial.constraints) == (TrialState.COMPLETE, [3.0], {"a": 1.0, "b": 4.0})
        with pytest.raises(KeyError):
            finished(store, study, 1, TrialState.FAIL, None, {})
