"""One study, read: its frame, what the columns are, and what lies behind the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import StoreError
from nas.front import pareto_mask
from nas.report.columns import (
    MEASUREMENTS,
    Column,
    Kind,
    metric_columns,
    parameter_columns,
    report_columns,
)
from nas.report.environments import Comparison, compared, of_one_environment
from nas.store.rows import StudyRow
from nas.store.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Row = Mapping[str, Any]
Series = Sequence[Any]


@dataclass(frozen=True)
class Report:
    """A study as a table.

    Attributes:
        frame: a row a trial, failures included; see `nas.read_report`.
        columns: what the frame's columns are, in its order.
        measurements: a row a measurement; see `nas.read_measurements`.
        environments: fingerprint -> the machine, for those of the measurements.
        notices: what a reader of the front must know.
        comparisons: how the study's latency columns compare, each two of them.
    """

    study: StudyRow
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    measurements: pd.DataFrame
    environments: Mapping[str, Mapping[str, object]]
    notices: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def load_report(study: str, storage: str, params: bool = False, mix_environments: bool = False) -> Report:
    """A study with everything that a renderer needs, read without writing.

    `mix_environments` as in `nas.read_report`.

    Raises:
        StoreError: the database cannot be read, or has no such study.
    """
    with Store.open(storage, read_only=True) as store:
        row = store.study(study)
        rows = store.trial_rows(row)
        frame, columns, notices = report_frame(store, row, rows, params, mix_environments)
        return Report(row, frame, columns, measurement_frame(store, row), store.environment_rows(row), notices,
                      compared(rows, row, mix_environments))


def report_frame(
    store: Store, study: StudyRow, rows: Sequence[Row], params: bool, mix_environments: bool
) -> tuple[pd.DataFrame, tuple[Column, ...], tuple[str, ...]]:
    """The frame of `nas.read_report` of a study's `rows`, what its columns are, and what is to be known of its front.
    """
    values: dict[str, Any] = {
        name: [row[name] for row in rows]
        for name in ("trial", "state", "outcome", "arch_id", "arch", "params", "macs", "flops", "activations",
                     "receptive_field", "duration_s")
    }
    values["message"] = [row["message"] or "" for row in rows]
    values["feasible"] = [bool(row["feasible"]) for row in rows]
    for name in ("global_ops", "unsupported_ops"):
        values[name] = ["; ".join(map(str, row[name] or ())) for row in rows]
    with_interval = set()
    for column in metric_columns(study):
        measured = [row["measured"].get(column.name, (None, None, None))[:3] for row in rows]
        for position, name in enumerate((column.name, f"{column.name}_low", f"{column.name}_high")):
            values[name] = [value[position] for value in measured]
        if any(low is not None or high is not None for _, low, high in measured):
            with_interval.add(column.name)
    values["pareto"], notices = _on_front(rows, values, study, mix_environments)
    columns = report_columns(study, with_interval)
    if params:
        suggested = _parameters(store, study, values["trial"])
        names = parameter_columns(suggested, {column.name for column in columns})
        values |= {names[name]: suggested[name] for name in suggested}
        columns += tuple(Column(name, "", "parameter", required=False, kind="any") for name in names.values())
    return _frame(values, columns), columns, notices


def measurement_frame(store: Store, study: StudyRow) -> pd.DataFrame:
    """The frame of `nas.read_measurements`."""
    rows = store.measurement_rows(study)
    values = {column.name: [_cell(row, column) for row in rows] for column in MEASUREMENTS}
    return _frame(values, MEASUREMENTS)


def _cell(row: Row, column: Column) -> object:
    return row["conditions"].get(column.name) if column.source == "condition" else row[column.name]


def _on_front(
    rows: Sequence[Row], values: Mapping[str, Series], study: StudyRow, mix_environments: bool
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """The non-dominated ones among the finished, successful, feasible trials, and whom the front leaves out."""
    import numpy as np

    missing = [None] * len(rows)
    objectives = _array("objectives", [values.get(name, missing) for name in study.objectives], "number").T
    candidates = [row for row in rows if row["state"] == "COMPLETE" and row["outcome"] == "ok" and row["feasible"]]
    notices: tuple[str, ...] = ()
    if not mix_environments:
        kept, others = of_one_environment(candidates, list(study.objectives))
        if left := len(candidates) - len(kept):
            told = (f"the front is of one environment: {left} of {len(candidates)} successful trials were measured in "
                    f"another one ({', '.join(others) or 'not known'}), and their values do not compare; "
                    "--mix-environments puts all of them into one front")
            notices = (told,)
        candidates = kept
    numbers = {row["trial"] for row in candidates}
    eligible = np.array([row["trial"] in numbers for row in rows], dtype=bool)
    front = np.zeros(len(rows), dtype=bool)
    if eligible.any() and study.objectives:
        front[eligible] = pareto_mask(objectives[eligible], list(study.objectives.values()))
    return front, notices


def _parameters(store: Store, study: StudyRow, trials: Iterable[int]) -> dict[str, list[Any]]:
    """Parameter -> its value in each of the trials, None where it was not suggested."""
    place = {number: position for position, number in enumerate(trials)}
    suggested: dict[str, list[Any]] = {}
    for number, name, value in store.parameter_rows(study):
        if name not in suggested:
            suggested[name] = [None] * len(place)
        if number in place:  # a trial that began after the rows were read is not in this report
            suggested[name][place[number]] = value
    return suggested


def _frame(values: Mapping[str, Series], columns: Iterable[Column]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({column.name: _array(column.name, values[column.name], column.kind) for column in columns})


def _array(name: str, values: Series, kind: Kind) -> Any:
    """`values` in the type of their kind: text as str, whole numbers as Int64, which can be missing."""
    import numpy as np
    import pandas as pd

    try:
        match kind:
            case "number":
                return np.array(values, dtype=np.float64)  # None becomes NaN
            case "flag":
                return np.array(values, dtype=np.bool_)
            case "count":
                return pd.array(values, dtype="Int64")
            case "text":
                return pd.array(values, dtype="str")
            case "any":
                return pd.array(values, dtype=_common_type(values))
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"the database is damaged: column {name!r} holds something else than a {kind}: {error}"
                         ) from None


def _common_type(values: Series) -> Any:
    """The narrowest type of pandas that holds all the values."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64"
    if kinds and kinds <= {int, float}:
        return "float64"
    return "str" if kinds == {str} else object
