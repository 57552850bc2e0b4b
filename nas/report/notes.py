"""What the metrics said of the values on the front: the same words in a terminal, in Markdown and in HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.summary import summary
from nas.text import one_line, several

if TYPE_CHECKING:
    from nas.report.report import Report

MOST = 6
"""Trials of the front of which it is told."""
MOST_TEXT = 200
"""Characters of what is told of one."""


def notes(report: Report) -> tuple[str, ...]:
    """A sentence for each trial of the front whose message speaks, and how many others have one."""
    measured = report.measurements
    speaking = measured[(measured["outcome"] == "ok") & (measured["message"] != "")]
    front = summary(report.frame, report.study).front["trial"]
    on_it = {trial: speaking[speaking["trial"] == trial] for trial in front}
    told = [
        f"trial {trial}, {one_line(row['column'])}: {_short(row['message'])}"
        for trial, rows in on_it.items() for row in rows.to_dict("records")
    ]
    if (more := len(told) - MOST) > 0:
        told = [*told[:MOST], f"and {more} more of the front, see the column message"]
    beside = speaking.loc[~speaking["trial"].isin(front), "trial"].nunique()
    if beside:
        told.append(f"of {several(beside, 'successful trial')} beside the front, too, a metric has something to say: "
                    "the column message")
    return tuple(told)


def _short(message: str) -> str:
    said = one_line(message)
    return said if len(said) <= MOST_TEXT else f"{said[:MOST_TEXT]}..."
