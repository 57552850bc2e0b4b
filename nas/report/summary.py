"""What a reader wants first of a study: how it went, and what won."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.outcomes import NOT_ITS_FAULT, OUTCOMES
from nas.report.verified import final

if TYPE_CHECKING:
    import pandas as pd

    from nas.store.rows import StudyRow

RUNNING = "running"
"""Stands in `Summary.outcomes` for the trials that have no outcome yet."""


@dataclass(frozen=True)
class Summary:
    """A study in short.

    Attributes:
        trials: rows of the report.
        counted: those that count towards the study's total.
        carried: those that were carried over from another study.
        outcomes: outcome -> trials, in the order of `nas.outcomes.OUTCOMES`, those that occur.
        front: the Pareto front's rows, the best in the first objective first, with verified values where there are.
        best: objective -> the row of the front that is best in it; empty where the front is.
    """

    study: StudyRow
    trials: int
    counted: int
    carried: int
    outcomes: Mapping[str, int]
    front: pd.DataFrame
    best: Mapping[str, Mapping[str, Any]]


def summary(frame: pd.DataFrame, study: StudyRow, carried: int = 0) -> Summary:
    """The summary of a frame of `nas.read_report`, of whose trials so many were carried over."""
    found = frame["outcome"].fillna(RUNNING).value_counts()
    known = [outcome for outcome in (*OUTCOMES, RUNNING) if outcome in found.index]
    outcomes = {outcome: int(found[outcome]) for outcome in known}
    finished = frame.loc[frame["state"] != "RUNNING", "outcome"]
    counted = finished.isin([outcome for outcome in OUTCOMES if outcome not in NOT_ITS_FAULT])
    front = final(frame)[frame["pareto"]].sort_values(
        [*study.objectives, "trial"],
        ascending=[*(direction == "minimize" for direction in study.objectives.values()), True],
        ignore_index=True,
    )
    best = {}
    for name, direction in study.objectives.items():
        if len(front):
            place = front[name].argmin() if direction == "minimize" else front[name].argmax()
            best[name] = {str(column): value for column, value in front.iloc[int(place)].items()}
    return Summary(study, len(frame), int(counted.sum()) - carried, carried, outcomes, front, best)
