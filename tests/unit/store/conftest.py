from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.store.rows import ColumnRow, Measurement, StudyRow, TrialEnd, TrialStart
from nas.store.store import Store

CHOICES = CategoricalDistribution((3, 5, "1x7"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "nas.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set up once: most of the time of a new database goes into Optuna's tables."""
    path = tmp_path_factory.mktemp("empty") / "nas.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(file: Path, empty_database: Path) -> Iterator[Store]:
    shutil.copy(empty_database, file)
    with Store.open(f"sqlite:///{file}") as opened:
        yield opened


@pytest.fixture
def make_study() -> Callable[..., StudyRow]:
    def make(store: Store, name: str = "quickstart") -> StudyRow:
        return store.create_study(
            name,
            ["minimize", "maximize"],
            ["latency_ms", "accuracy"],
            spec={"study": {"name": name}},
            registry={"blocks": {"mbconv": {"version": 1, "digest": "0123456789ab", "origin": "stagenas 0.1.0"}}},
            columns=[
                ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "stagenas", "objective", True, {"batch": 1}),
                ColumnRow("accuracy", "accuracy", "share", "maximize", "stagenas", "objective", True),
                ColumnRow("params", "params", "parameters", "minimize", "cost", "constraint", True),
            ],
            objectives={"latency_ms": "minimize", "accuracy": "maximize"},
            constraints=[("params", "<=", 5e6)],
        )

    return make


@pytest.fixture
def study(store: Store, make_study: Callable[..., StudyRow]) -> StudyRow:
    return make_study(store)


@pytest.fixture
def template() -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, params={"stage0.kernel": 5}, distributions={"stage0.kernel": CHOICES})


@pytest.fixture
def make_start() -> Callable[..., TrialStart]:
    def make(arch_id: str = "a" * 12, **changes: Any) -> TrialStart:
        return TrialStart(arch_id, "input(3x32x32)", 1_000, 2_000, 3_000, 4_000, "7x7", **changes)

    return make


@pytest.fixture
def make_measurement() -> Callable[..., Measurement]:
    def make(key: str = "key", **changes: Any) -> Measurement:
        values: dict[str, Any] = {"value": 2.5, "outcome": "ok"} | changes
        return Measurement(key, "a" * 12, "latency_ms", 1, "ms", **values)

    return make


@pytest.fixture
def run_trial(template: FrozenTrial, make_start: Callable[..., TrialStart]) -> Callable[..., int]:
    """Begins and ends a trial and tells Optuna, as a search does."""

    def run(store: Store, study: StudyRow, outcome: str = "ok", measurements: dict[str, int] | None = None) -> int:
        number = store.begin_trial(study, template, make_start())
        store.end_trial(study, number, TrialEnd(outcome, feasible=outcome == "ok", duration_s=1.5), measurements)
        trial_id = store.optuna.get_trial_id_from_study_id_trial_number(study.optuna_id, number)
        state = {"ok": TrialState.COMPLETE, "infeasible": TrialState.PRUNED, "stopped": TrialState.PRUNED}
        values = [1.0, 2.0] if outcome == "ok" else None
        store.optuna.set_trial_state_values(trial_id, state.get(outcome, TrialState.FAIL), values)
        return number

    return run
