"""What the metrics said of the values on the front: the same words in a terminal, in Markdown and in HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.summary import summary
from nas.text import one_line

if TYPE_CHECKING:
    from nas.report.report import Report

MOST = 6
"""Trials of the front of which it is told."""
MOST_TEXT = 200
"""Characters of what is told of one."""


def notes(report: Report) -> tuple[str, ...]:
    """A sentence for each trial of the front whose message speaks, and how many others have one."""
    frame = report.frame
    front = summary(frame, report.study).front
    speaking = front.loc[front["message"] != "", ["trial", "message"]]
    told = [f"trial {trial}: {_short(message)}" for trial, message in speaking.head(MOST).itertuples(index=False)]
    more = len(speaking) - len(told)
    if more > 0:
        told.append(f"and {more} more of the front, see the column message")
    beside = frame[(frame["outcome"] == "ok") & (frame["message"] != "") & ~frame["trial"].isin(front["trial"])]
    if len(beside):
        told.append(f"of {len(beside)} successful trials beside the front, too, a metric has something to say: the "
                    "column message")
    return tuple(told)


def _short(message: str) -> str:
    said = one_line(message)
    return said if len(said) <= MOST_TEXT else f"{said[:MOST_TEXT]}..."
