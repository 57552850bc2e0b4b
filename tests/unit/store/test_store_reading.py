"""What reports read: whole studies in few statements, and nothing of Optuna's code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from nas.errors import StoreError
from nas.store.rows import Measurement, StudyRow, TrialStart
from nas.store.store import Store

DISTRIBUTIONS = {
    "block": CategoricalDistribution(("mbconv", None, True, 3, 0.5)),
    "width": IntDistribution(8, 64, step=8),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
}


def test_parameters_come_as_they_were_suggested(
    store: Store, study: StudyRow, make_start: Callable[..., TrialStart]
) -> None:
    suggested = [{"block": choice, "width": 16, "rate": 1e-3} for choice in ("mbconv", None, True, 3, 0.5)]
    for params in suggested:
        template = create_trial(state=TrialState.RUNNING, params=params, distributions=DISTRIBUTIONS)
        store.begin_trial(study, template, make_start())
    found = store.parameters(study)
    assert list(found) == ["block", "width", "rate"]
    assert all(parameter.trials == [0, 1, 2, 3, 4] for parameter in found.values())
    for number, params in enumerate(suggested):
        read = {name: parameter.values[number] for name, parameter in found.items()}
        assert read == params
        assert [type(value) for value in read.values()] == [type(value) for value in params.values()]


def test_trials_of_other_parameters_have_theirs_and_no_more(
    store: Store, study: StudyRow, make_start: Callable[..., TrialStart]
) -> None:
    for params in ({"b, \"x\"": 1, "a": 2}, {"a": 3}, {"b, \"x\"": 4, "a": 5}, {}):
        kinds = dict.fromkeys(params, IntDistribution(0, 9))
        store.begin_trial(study, create_trial(state=TrialState.RUNNING, params=params, distributions=kinds), make_start())
    found = store.parameters(study)
    assert list(found) == ["b, \"x\"", "a"]
    assert {name: dict(zip(*parameter, strict=True)) for name, parameter in found.items()} == {
        "b, \"x\"": {0: 1, 2: 4}, "a": {0: 2, 1: 3, 2: 5}
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_number_is_read_to_the_last_bit(store: Store, make_study: Callable[..., StudyRow],
                                          make_start: Callable[..., TrialStart], numbers: list[float]) -> None:
    study = make_study(store, uuid4().hex)
    kind = {"rate": FloatDistribution(-1.8e308, 1.8e308)}
    for number in numbers:
        template = create_trial(state=TrialState.RUNNING, params={"rate": number}, distributions=kind)
        store.begin_trial(study, template, make_start())
    assert store.parameters(study)["rate"].values == numbers


@pytest.mark.parametrize("value", [None, "text", "a, b", 7.0, float("inf")])
def test_a_value_that_is_none_of_the_choices_is_a_store_error(
    store: Store, study: StudyRow, run_trial: Callable[..., int], value: object
) -> None:
    run_trial(store, study)
    with store.optuna.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_params SET param_value = ?", (value,))
    with pytest.raises(StoreError, match="damaged"):
        store.parameters(study)


@pytest.mark.parametrize(
    "text",
    ["{", "null", "[]", '{"attributes": {}}', '{"name": "CategoricalDistribution", "attributes": {"choices": []}}'],
)
def test_a_distribution_that_cannot_be_read_is_a_store_error(
    store: Store, study: StudyRow, run_trial: Callable[..., int], text: str
) -> None:
    run_trial(store, study)
    with store.optuna.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_params SET distribution_json = ?", (text,))
    with pytest.raises(StoreError, match="damaged"):
        store.parameters(study)


def test_trial_rows_hold_optunas_state_ours_and_what_was_measured(
    store: Store, study: StudyRow, run_trial: Callable[..., int], make_measurement: Callable[..., Measurement]
) -> None:
    measurement = store.add_measurement(make_measurement(low=2.0, high=3.0, environment={"host": "a"}, message="busy"))
    failed = store.add_measurement(make_measurement(value=None, outcome="oom", message="told in the trial's message"))
    run_trial(store, study, measurements={"latency_ms": measurement})
    run_trial(store, study, "oom", measurements={"accuracy": failed})
    [environment] = store.environment_rows(study)
    rows = store.trial_rows(study)
    assert [(row["trial"], row["state"], row["outcome"]) for row in rows] == [(0, "COMPLETE", "ok"), (1, "FAIL", "oom")]
    assert [row["measured"] for row in rows] == [
        {"latency_ms": (2.5, 2.0, 3.0, environment, "busy")}, {"accuracy": (None, None, None, None, "")}
    ]
    assert rows[0]["completed"] >= rows[0]["started"]


def test_a_report_loads_neither_optuna_nor_alembic_nor_torch(
    file: Path, make_study: Callable[..., StudyRow], run_trial: Callable[..., int]
) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        run_trial(store, make_study(store))
    program = (
        "import sys, nas\n"
        f"assert len(nas.read_report('quickstart', 'sqlite:///{file}', params=True)) == 1\n"
        f"assert len(nas.read_measurements('quickstart', 'sqlite:///{file}')) == 0\n"
        "print(sorted({'optuna', 'alembic', 'torch', 'fvcore', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
