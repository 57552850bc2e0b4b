"""`nas.read_report` and `nas.read_measurements`: the contract's columns, a row a trial, a row a measurement."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import nas
from nas.errors import StoreError

LEADING = ["trial", "state", "outcome", "arch_id", "arch", "params", "macs", "flops", "activations", "receptive_field"]
OWN = ["accuracy", "accuracy_low", "accuracy_high", "latency_ms", "latency_ms_low", "latency_ms_high", "naswot"]
TRAILING = ["global_ops", "unsupported_ops", "feasible", "pareto", "duration_s", "message"]


@pytest.fixture(scope="module")
def frame(storage: str) -> pd.DataFrame:
    return nas.read_report("digits_small", storage=storage)


@pytest.fixture(scope="module")
def measurements(storage: str) -> pd.DataFrame:
    return nas.read_measurements("digits_small", storage=storage)


def test_columns_are_the_contracts_in_its_order(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == [*LEADING, *OWN, *TRAILING]


def test_a_metric_without_an_interval_has_no_low_and_high(frame: pd.DataFrame) -> None:
    assert "naswot" in frame.columns
    assert not {"naswot_low", "naswot_high"} & set(frame.columns)


def test_a_row_a_trial_failures_and_running_ones_included(frame: pd.DataFrame) -> None:
    assert frame["trial"].tolist() == list(range(7))
    assert frame["state"].tolist() == ["COMPLETE"] * 4 + ["FAIL", "FAIL", "RUNNING"]
    assert frame["outcome"].tolist()[:6] == ["ok"] * 4 + ["oom", "interrupted"]
    assert pd.isna(frame["outcome"][6])


def test_a_missing_value_is_explained_by_outcome_and_message(frame: pd.DataFrame) -> None:
    failed = frame.loc[4]
    assert pd.isna(failed["accuracy"])
    assert failed["outcome"] == "oom"
    assert "second line" in failed["message"]
    assert frame["message"].notna().all()


def test_types_do_not_depend_on_what_is_missing(storage: str, frame: pd.DataFrame) -> None:
    for table in (frame, nas.read_report("digits_empty", storage=storage)):
        assert {str(table[name].dtype) for name in ("trial", "params", "macs", "flops", "activations")} == {"Int64"}
        assert {str(table[name].dtype) for name in ("accuracy", "latency_ms", "duration_s")} == {"float64"}
        assert {str(table[name].dtype) for name in ("feasible", "pareto")} == {"bool"}
        assert {str(table[name].dtype) for name in ("state", "outcome", "arch", "message")} == {"str"}


def test_values_are_not_rounded(frame: pd.DataFrame) -> None:
    assert frame.loc[1, "latency_ms"] == 3.1234567890123
    assert frame.loc[1, "accuracy"] == 0.9533333333333334
    assert frame.loc[1, "macs"] == 945_678 * 11


def test_operations_and_receptive_field_are_text(frame: pd.DataFrame) -> None:
    assert frame.loc[0, "receptive_field"] == "15x15"
    assert frame.loc[0, "global_ops"] == "mbconv.se; head.pool"
    assert frame.loc[0, "unsupported_ops"] == ""


def test_the_front_is_of_successful_feasible_trials_alone(frame: pd.DataFrame) -> None:
    assert frame.loc[3, "accuracy"] == frame["accuracy"].max()  # the best one, but it breaks a constraint
    assert not frame.loc[3, "feasible"]
    assert frame["pareto"].tolist() == [True, True, False, False, False, False, False]


def test_parameters_stand_at_the_end_under_their_names_in_optuna(storage: str) -> None:
    frame = nas.read_report("digits_small", storage=storage, params=True)
    assert list(frame.columns) == [*LEADING, *OWN, *TRAILING, "stage1.kernel", "stage1.repeats"]
    assert frame["stage1.kernel"].tolist() == [5, 5, 5, 5, 3, 3, 3]
    assert frame["stage1.repeats"].tolist() == [2, 2, 2, 2, 1, 1, 3]


def test_a_study_without_trials_is_an_empty_frame_with_the_columns(storage: str) -> None:
    frame = nas.read_report("digits_empty", storage=storage)
    assert len(frame) == 0
    assert list(frame.columns) == [*LEADING, "accuracy", "latency_ms", "naswot", *TRAILING]
    assert len(nas.read_measurements("digits_empty", storage=storage)) == 0


def test_an_unknown_study_names_the_nearest_one_and_all_that_exist(storage: str) -> None:
    for read in (nas.read_report, nas.read_measurements):
        with pytest.raises(StoreError, match="digits_smal") as caught:
            read("digits_smal", storage=storage)
        assert "did you mean 'digits_small'" in str(caught.value)
        assert "digits_empty" in str(caught.value)


def test_a_missing_database_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.db"):
        nas.read_report("digits_small", storage=f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


def test_measurement_columns_are_the_contracts(measurements: pd.DataFrame) -> None:
    assert list(measurements.columns) == [
        "trial", "arch_id", "column", "metric", "value", "low", "high", "n", "unit", "outcome", "message", "device",
        "runtime", "batch", "dtype", "memory_format", "threads", "fused", "reference_ratio", "environment", "seconds",
    ]


def test_a_row_a_measurement_with_its_conditions(measurements: pd.DataFrame) -> None:
    assert len(measurements) == 4 * 3 + 1
    timed = measurements[(measurements["trial"] == 1) & (measurements["column"] == "latency_ms")].iloc[0]
    assert (timed["value"], timed["unit"], timed["n"], timed["outcome"]) == (3.1234567890123, "ms", 50, "ok")
    assert timed["low"] < timed["value"] < timed["high"]
    assert (timed["device"], timed["runtime"], timed["batch"], timed["dtype"]) == ("cpu", "eager", 1, "float32")
    assert (timed["memory_format"], timed["threads"], timed["fused"]) == ("contiguous", 1, True)
    assert (timed["reference_ratio"], timed["seconds"]) == (0.5, 1.5)


def test_conditions_that_a_metric_has_not_are_missing(measurements: pd.DataFrame) -> None:
    naswot = measurements[measurements["column"] == "naswot"]
    assert naswot[["runtime", "batch", "fused", "environment"]].isna().all(axis=None)


def test_measurements_on_one_machine_share_their_environment(measurements: pd.DataFrame) -> None:
    timed = measurements[measurements["column"] == "latency_ms"]
    assert timed["environment"].nunique() == 1
    assert timed["environment"].notna().all()


def test_a_failed_measurement_is_a_row_with_its_outcome_and_message(measurements: pd.DataFrame) -> None:
    failed = measurements[measurements["outcome"] == "oom"]
    assert failed["trial"].tolist() == [4]
    assert failed["value"].isna().all()
    assert "second line" in failed["message"].iloc[0]
