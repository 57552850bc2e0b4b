"""What metrics said of successful values is read where the values are."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nas.report.formats import as_html, as_markdown
from nas.report.notes import MOST, notes
from nas.report.report import Report, load_report
from nas.report.terminal import summary_table
from nas.store import Store

BUSY = "other processes kept 1.5 of 2 CPUs busy: this is the latency of a busy machine"
"""Of the only latency with a word on it."""


@pytest.fixture
def report(tmp_path: Path, new_writer: Any) -> Report:
    """Two trials on the front, of which trial 0 was measured once, on a busy machine, and a third beside it."""
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    with Store.open(url) as store:
        writer, small, large, larger = new_writer(store)
        for begun, accuracy, latency_ms, half, said in (
            (small, 0.81, 1.25, None, BUSY), (large, 0.95, 3.0, 0.046, ""), (larger, 0.5, 9.0, 0.1, "launch-bound"),
        ):
            number = writer.begin(begun)
            measured = {"accuracy": writer.measure(begun, "accuracy", accuracy, 0.013),
                        "latency_ms": writer.measure(begun, "latency_ms", latency_ms, half, message=said)}
            writer.end(number, "ok", measured, feasible=True, values=[accuracy, latency_ms])
        name = writer.study.name
    return load_report(name, url)


def _shown(report: Report, how: str) -> str:
    if how == "terminal":
        out = io.StringIO()
        Console(width=240, file=out).print(summary_table(report))
        return out.getvalue()
    rendering: Any = {"markdown": as_markdown, "html": as_html}[how]
    return str(rendering.render(report))


def test_the_row_s_message_holds_what_was_said_of_its_values(report: Report) -> None:
    assert list(report.frame["message"]) == [f"latency_ms: {BUSY}", "", "latency_ms: launch-bound"]


@pytest.mark.parametrize("how", ["terminal", "markdown", "html"])
def test_what_is_to_be_known_of_the_front_stands_below_it(report: Report, how: str) -> None:
    shown = _shown(report, how).replace("\\", "")
    assert f"trial 0, latency_ms: {BUSY}" in shown
    assert "of 1 successful trial beside the front" in shown


@pytest.mark.parametrize("how", ["terminal", "markdown", "html"])
def test_a_value_without_an_interval_does_not_look_the_surest_of_all(report: Report, how: str) -> None:
    assert "1.25 ±?" in _shown(report, how)


def test_only_the_first_are_told_of_a_long_front(report: Report) -> None:
    frame = report.frame.loc[[0] * (MOST + 2)].reset_index(drop=True).assign(trial=range(MOST + 2), pareto=True)
    spoken = report.measurements[report.measurements["message"] == BUSY]
    measured = spoken.loc[[spoken.index[0]] * (MOST + 2)].reset_index(drop=True).assign(trial=range(MOST + 2))
    told = notes(dataclasses.replace(report, frame=frame, measurements=measured))
    assert len(told) == MOST + 1
    assert told[-1] == "and 2 more of the front, see the column message"


def test_a_broken_constraint_is_no_word_of_a_metric(bounded: str) -> None:
    found = load_report("bounded", bounded)
    assert "breaks latency_ms <= 5" in list(found.frame["message"])
    assert notes(found) == ()
