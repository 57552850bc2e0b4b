"""What the last phase of a run found: times of the search beside those of fresh processes, and who left the front."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.store.rows import StudyRow, Verification

if TYPE_CHECKING:
    import pandas as pd

ENDS = ("low", "high")


@dataclass(frozen=True)
class Again:
    """One column of one trial, measured again.

    Attributes:
        searched, searched_low, searched_high: what the search measured, in the column's unit.
        found: what the verification did.
    """

    searched: float
    searched_low: float | None
    searched_high: float | None
    found: Verification


@dataclass(frozen=True)
class Verified:
    """A verification beside the search.

    Attributes:
        rows: by trial and column.
        front: trials that are on the front.
        left: trials that were on the front by the values of the search, and are no longer.
        joined: trials that were not, and are.
    """

    rows: tuple[Again, ...] = ()
    front: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """The columns that were measured again."""
        return tuple(dict.fromkeys(row.found.column for row in self.rows))

    def correlation(self, column: str) -> tuple[int, float, float]:
        """How many trials of the column were measured again with success, and how the order of the search and that of
        the verification agree: Spearman's rho and Kendall's tau-b. Both are NaN below three trials, and where all
        values of one of the two are equal.
        """
        pairs = [
            (row.searched, row.found.value)
            for row in self.rows if row.found.column == column and row.found.value is not None
        ]
        before, after = zip(*pairs, strict=True) if pairs else ((), ())
        if len(pairs) < 3 or min(len(set(before)), len(set(after))) < 2:  # of which scipy warns on standard error
            return len(pairs), math.nan, math.nan
        from scipy.stats import kendalltau, spearmanr

        return len(pairs), float(spearmanr(before, after).statistic), float(kendalltau(before, after).statistic)


def by_place(found: Iterable[Verification]) -> dict[tuple[int, str], Verification]:
    """(trial, column) -> its verification."""
    return {(one.trial, one.column): one for one in found}


def cells(column: str, trials: Sequence[int], known: Mapping[tuple[int, str], Verification]) -> dict[str, list[Any]]:
    """The cells of the report's columns `NAME_verified`, `NAME_verified_low` and `NAME_verified_high`."""
    found = [known.get((trial, column)) for trial in trials]
    return {
        f"{column}_verified": [one and one.value for one in found],
        f"{column}_verified_low": [one and one.low for one in found],
        f"{column}_verified_high": [one and one.high for one in found],
    }


def final(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the values of the verification, and their intervals, in the place of those of the search."""
    replaced = {}
    for name in frame.columns:
        again = f"{name}_verified"
        if again in frame.columns:
            known = frame[again].notna()
            for end in ("", *(f"_{end}" for end in ENDS)):
                if f"{name}{end}" in frame.columns:
                    replaced[f"{name}{end}"] = frame[f"{name}{end}"].mask(known, frame[f"{again}{end}"])
    return frame.assign(**replaced)


def broken(
    study: StudyRow, trial: int, searched: Mapping[str, float | None], known: Mapping[tuple[int, str], Verification]
) -> list[str] | None:
    """The bounds that the trial breaks, in words; None where none of their columns was measured again.

    What was measured again counts with the worse end of its interval, whatever the search saw: a network that is
    promised in 25 ms is in most processes. All else counts as the search measured it.
    """
    told, verified = [], False
    for column, operator, bound in study.constraints:
        one, value, how = known.get((trial, column)), searched.get(column), ""
        if one is not None and one.low is not None and one.high is not None:
            verified = True
            value = one.high if operator == "<=" else one.low
            how = f", verified {'up' if operator == '<=' else 'down'} to {value:.6g}"
        if value is None or not (value <= bound if operator == "<=" else value >= bound):
            told.append(f"breaks {column} {operator} {bound:.12g}{how}")
    return told if verified else None


def compared(
    trials: Sequence[int],
    measured: Sequence[Mapping[str, tuple[float | None, ...]]],
    known: Mapping[tuple[int, str], Verification],
    before: Iterable[bool],
    after: Iterable[bool],
) -> Verified:
    """The verification beside the search.

    Args:
        trials: numbers of the report's rows.
        measured: of each, column -> (value, low, high) of the search.
        known: see `by_place`.
        before, after: of each, whether it is on the front by the search, and by the verification.
    """
    if not known:
        return Verified()
    rows = []
    for trial, values in zip(trials, measured, strict=True):
        for (number, column), one in known.items():
            value, low, high = values.get(column, (None, None, None))
            if number == trial and value is not None:
                rows.append(Again(value, low, high, one))
    fronts = list(zip(trials, before, after, strict=True))
    return Verified(
        tuple(rows),
        tuple(trial for trial, _, is_on_it in fronts if is_on_it),
        tuple(trial for trial, was, is_on_it in fronts if was and not is_on_it),
        tuple(trial for trial, was, is_on_it in fronts if is_on_it and not was),
    )
