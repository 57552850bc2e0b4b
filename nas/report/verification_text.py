"""The verification as a table of texts and a few sentences: the same words in a terminal, in Markdown and in HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.numbers import rounded
from nas.text import one_line

if TYPE_CHECKING:
    from nas.report.report import Report
    from nas.report.verified import Again, Verified

TITLE = "Verification"
MOST_NAMED = 12
"""Trials that a sentence names."""


@dataclass(frozen=True)
class Told:
    """A table and the sentences below it; nothing in them is markup."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]


def verification(report: Report) -> Told | None:
    """What the last phase of a run found; None where there was none."""
    verified = report.verified
    if not verified.rows:
        return None
    units = {column.name: column.unit for column in report.columns}
    several = len(verified.columns()) > 1
    headers = ("trial", *(("column",) if several else ()), "searched", "verified", "verified / searched", "front")
    rows = [
        (str(row.found.trial), *((one_line(row.found.column),) if several else ()), *_cells(row), _front(row, verified))
        for row in verified.rows
    ]
    sentences = [_heading(name, units.get(name, ""), verified) for name in verified.columns()]
    return Told(headers, tuple(rows), (*sentences, *_failures(verified), _changes(verified)))


def _cells(row: Again) -> tuple[str, str, str]:
    searched = rounded(row.searched) + _interval(row.searched_low, row.searched_high)
    found = row.found
    if found.value is None:
        return searched, found.outcome, ""
    ratio = f"{found.value / row.searched:.2f}" if row.searched else ""
    return searched, rounded(found.value) + _interval(found.low, found.high), ratio


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{rounded(low)}, {rounded(high)}]"


def _front(row: Again, verified: Verified) -> str:
    trial = row.found.trial
    if trial in verified.left:
        return "left it"
    if trial in verified.joined:
        return "joined it"
    return "on it" if trial in verified.front else "beside it"


def _heading(name: str, unit: str, verified: Verified) -> str:
    processes = max(len(row.found.processes) for row in verified.rows if row.found.column == name)
    n, rho, tau = verified.correlation(name)
    unit = f" ({unit})" if unit and not name.endswith(f"_{unit}") else ""
    told = (f"{one_line(name)}{one_line(unit)}: each network in {processes} fresh processes, in random order. Verified "
            "is the median of the processes, with the 90 % interval of one more.")
    if not math.isnan(rho):
        told += (f" Search and verification order the {n} networks alike to Spearman's rho {rho:.2f}, "
                 f"Kendall's tau {tau:.2f}.")
    return told


def _failures(verified: Verified) -> list[str]:
    """Why a value is missing, or rests on fewer processes: below the table, which would be as wide as the longest of
    the reasons.
    """
    failed = [row.found for row in verified.rows if row.found.value is None or row.found.message]
    told = [
        one_line(f"trial {found.trial}, {found.column}: {f'{found.outcome}: ' if found.value is None else ''}"
                 f"{found.message}")
        for found in failed
    ]
    more = len(told) - MOST_NAMED
    return told if more <= 0 else [*told[:MOST_NAMED], f"and {more} more that failed"]


def _changes(verified: Verified) -> str:
    told = [
        f"{len(trials)} {what}: {_named(trials)}"
        for what, trials in (("left the front", verified.left), ("joined it", verified.joined)) if trials
    ]
    return "; ".join(told) + "." if told else "Nobody left the front, and nobody joined it."


def _named(trials: tuple[int, ...]) -> str:
    shown = ", ".join(f"trial {trial}" for trial in trials[:MOST_NAMED])
    return shown if len(trials) <= MOST_NAMED else f"{shown} and {len(trials) - MOST_NAMED} more"
