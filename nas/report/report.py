"""One study, read: its frame, what the columns are, and what lies behind the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nas.errors import StoreError
from nas.front import pareto_mask
from nas.outcomes import COST_COLUMNS
from nas.report.columns import (
    MEASUREMENTS,
    SAMPLER,
    SECONDS,
    Column,
    Kind,
    metric_columns,
    parameter_columns,
    report_columns,
)
from nas.report.environments import Comparison, columns_compared, of_one_environment, of_the_search
from nas.report.verified import Verified, broken, by_place, cells, compared
from nas.store.rows import WARM_START, StudyRow, Verification
from nas.store.store import Store
from nas.text import one_line

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
        verified: what the last phase of a run found.
        notices: what a reader of the front must know.
        comparisons: how the study's columns of one metric compare, each two of them.
        carried: how many trials were carried over from another study, which do not count towards this one's total.
    """

    study: StudyRow
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    measurements: pd.DataFrame
    environments: Mapping[str, Mapping[str, object]]
    verified: Verified = field(default_factory=Verified)
    notices: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    carried: int = 0


def load_report(study: str, storage: str, params: bool = False, mix_environments: bool = False) -> Report:
    """A study with everything that a renderer needs, read without writing.

    `mix_environments` as in `nas.read_report`.

    Raises:
        StoreError: the database cannot be read, or has no such study.
    """
    with Store.open(storage, read_only=True) as store:
        row = store.study(study)
        rows, known, left_out = _verified_rows(store, row, mix_environments)
        comparable, notices = _comparable(rows, row, mix_environments)
        frame, columns, verified = report_frame(store, row, rows, known, comparable, params)
        return Report(row, frame, columns, measurement_frame(store, row), store.environment_rows(row), verified,
                      (*notices, *left_out), columns_compared(rows, row, mix_environments),
                      sum(one["sampler"] == WARM_START for one in rows))


def read_frame(
    store: Store, study: StudyRow, params: bool, mix_environments: bool, seconds: bool = False, sampler: bool = False
) -> pd.DataFrame:
    """The frame of `nas.read_report`."""
    rows, known, _ = _verified_rows(store, study, mix_environments)
    return report_frame(store, study, rows, known, _comparable(rows, study, mix_environments)[0], params,
                        seconds, sampler)[0]


def report_frame(
    store: Store, study: StudyRow, rows: Sequence[Row], known: Mapping[tuple[int, str], Verification],
    comparable: Sequence[bool], params: bool, seconds: bool = False, sampler: bool = False,
) -> tuple[pd.DataFrame, tuple[Column, ...], Verified]:
    """The frame of a study's rows, what its columns are, and what the verification makes of the search. On the front
    are only rows that are `comparable`.
    """
    values: dict[str, Any] = {
        name: [row[name] for row in rows]
        for name in ("trial", "state", "outcome", "arch_id", "arch", "params", "macs", "flops", "activations",
                     "receptive_field", "duration_s")
    }
    values["message"] = [_said(row) for row in rows]
    values["feasible"] = [row["feasible"] for row in rows]
    for name in ("global_ops", "unsupported_ops"):
        values[name] = ["; ".join(map(str, row[name] or ())) for row in rows]
    with_interval = set()
    for column in metric_columns(study):
        measured = [row["measured"].get(column.name, (None, None, None))[:3] for row in rows]
        for position, name in enumerate((column.name, f"{column.name}_low", f"{column.name}_high")):
            values[name] = [value[position] for value in measured]
        if any(low is not None or high is not None for _, low, high in measured):
            with_interval.add(column.name)
    again = [column.name for column in metric_columns(study) if any(name == column.name for _, name in known)]
    for name in again:
        values |= cells(name, values["trial"], known)
    before = _on_front(values, study, _both([row["was_feasible"] for row in rows], comparable))
    eligible = _both(values["feasible"], comparable)
    values["pareto"] = _on_final_front(values, study, eligible, again, before) if known else before
    columns = report_columns(study, with_interval, again)
    if params:
        suggested = _parameters(store, study, values["trial"])
        names = parameter_columns(suggested, {column.name for column in columns})
        values |= {names[name]: suggested[name] for name in suggested}
        columns += tuple(Column(name, "", "parameter", required=False, kind="any") for name in names.values())
    if seconds:
        values |= {column.name: [(row["seconds"] or {}).get(column.name.partition(".")[2]) for row in rows]
                   for column in SECONDS}
        columns += SECONDS
    if sampler:
        values[SAMPLER.name] = [row["sampler"] for row in rows]
        columns += (SAMPLER,)
    measured = [{name: found[:3] for name, found in row["measured"].items()} for row in rows]
    verified = compared(values["trial"], measured, known, before, values["pareto"])
    return _frame(values, columns), columns, verified


def _verified_rows(
    store: Store, study: StudyRow, mix_environments: bool
) -> tuple[list[Row], dict[tuple[int, str], Verification], tuple[str, ...]]:
    """The study's rows as its verification has them, the verified values, and a word on those that are left out."""
    rows = store.trial_rows(study)
    known, left_out = of_the_search(by_place(store.verifications(study)), rows, mix_environments)
    return _judged(rows, study, known), known, left_out


def _judged(
    rows: Sequence[Row], study: StudyRow, known: Mapping[tuple[int, str], Verification]
) -> list[Row]:
    """The rows with `feasible` and `message` as the verification has them, and `was_feasible` as the search had it."""
    judged: list[Row] = []
    for row in rows:
        was = bool(row["feasible"])
        found: dict[str, Any] = {"feasible": was, "was_feasible": was}
        if row["outcome"] == "ok":
            searched = {name: value for name, (value, *_) in row["measured"].items()}
            searched |= {name: row[name] for name in COST_COLUMNS}
            told = broken(study, row["trial"], searched, known)
            if told is not None:
                found |= {"feasible": not told, "message": "; ".join(told)}
        judged.append({**row, **found})
    return judged


def measurement_frame(store: Store, study: StudyRow) -> pd.DataFrame:
    """The frame of `nas.read_measurements`."""
    rows = store.measurement_rows(study)
    values = {column.name: [_cell(row, column) for row in rows] for column in MEASUREMENTS}
    return _frame(values, MEASUREMENTS)


def _said(row: Row) -> str:
    """How the trial ended, and what the metrics said of the values that they gave."""
    words = [f"{one_line(column)}: {one_line(said)}" for column, (*_, said) in row["measured"].items() if said]
    return "; ".join([row["message"], *words] if row["message"] else words)


def _cell(row: Row, column: Column) -> object:
    return row["conditions"].get(column.name) if column.source == "condition" else row[column.name]


def _on_front(values: Mapping[str, Series], study: StudyRow, eligible: Sequence[bool]) -> NDArray[np.bool_]:
    """The non-dominated ones among the finished, successful trials that are eligible."""
    import numpy as np

    missing = [None] * len(eligible)
    objectives = _array("objectives", [values.get(name, missing) for name in study.objectives], "number").T
    finished = [state == "COMPLETE" and outcome == "ok"
                for state, outcome in zip(values["state"], values["outcome"], strict=True)]
    taken = np.array(finished, dtype=bool) & np.array(eligible, dtype=bool)
    front = np.zeros(len(eligible), dtype=bool)
    if taken.any() and study.objectives:
        front[taken] = pareto_mask(objectives[taken], list(study.objectives.values()))
    return front


def _on_final_front(
    values: Mapping[str, Series], study: StudyRow, eligible: Sequence[bool], again: Sequence[str],
    before: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """The front by the verified values. What was not verified has those of the search, and is on it only where the
    search had put it there: the search's lucky values do not win against those that were looked at twice.
    """
    final = dict(values)
    verified = [False] * len(before)
    for name in again:
        found = values[f"{name}_verified"]
        final[name] = [value if one is None else one for value, one in zip(values[name], found, strict=True)]
        verified = [was or one is not None for was, one in zip(verified, found, strict=True)]
    taken = [can and (was or bool(on_it)) for can, was, on_it in zip(eligible, verified, before, strict=True)]
    return _on_front(final, study, taken)


def _both(first: Sequence[bool], second: Sequence[bool]) -> list[bool]:
    return [one and other for one, other in zip(first, second, strict=True)]


def _comparable(
    rows: Sequence[Row], study: StudyRow, mix_environments: bool
) -> tuple[list[bool], tuple[str, ...]]:
    """Whose objectives and bounded columns compare with those of most others, and a word on whom the front leaves out.
    """
    if mix_environments:
        return [True] * len(rows), ()
    candidates = [row for row in rows if row["state"] == "COMPLETE" and row["outcome"] == "ok"
                  and (row["feasible"] or row["was_feasible"])]
    decisive = dict.fromkeys([*study.objectives, *(column for column, *_ in study.constraints)])
    kept, others = of_one_environment(candidates, list(decisive))
    numbers = {row["trial"] for row in kept}
    comparable = [row["trial"] in numbers for row in rows]
    if not (left := len(candidates) - len(kept)):
        return comparable, ()
    told = (f"the front is of one environment: {left} of {len(candidates)} successful trials were measured in another "
            f"one ({', '.join(others) or 'not known'}), and their values do not compare; --mix-environments puts all "
            "of them into one front")
    return comparable, (told,)


def _parameters(store: Store, study: StudyRow, trials: Iterable[int]) -> dict[str, list[Any]]:
    """Parameter -> its value in each of the trials, None where it was not suggested."""
    place = {number: position for position, number in enumerate(trials)}
    suggested: dict[str, list[Any]] = {}
    for name, found in store.parameters(study).items():
        values = suggested[name] = [None] * len(place)
        for number, value in zip(*found, strict=True):
            if number in place:  # a trial that began after the rows were read is not in this report
                values[place[number]] = value
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
