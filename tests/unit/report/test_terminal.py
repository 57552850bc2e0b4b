"""The table on narrow terminals."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from nas.report.report import Report
from nas.report.terminal import summary_table


@pytest.mark.parametrize("width", [80, 100, 160])
def test_nothing_is_cut_off(report: Report, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(summary_table(report))
    shown = captured.get()
    for word in "fused_mbconv mbconv k3 e1 x2 c24 k5 e4 se0.25 x4 c48 s2 0.95 ±0.01 945.7 10.4 236".split():
        assert word in shown.split(), word
    assert "…" not in shown


def test_without_a_front_the_first_failures_say_why(report: Report) -> None:
    lost = dataclasses.replace(report, frame=report.frame.assign(pareto=False))
    console = Console(file=io.StringIO(), width=160, color_system=None)
    with console.capture() as captured:
        console.print(summary_table(lost))
    shown = captured.get()
    assert "no trial was successful and feasible" in shown
    assert "trial 4: oom: =HYPERLINK" in shown
    assert "trial 5: interrupted: stopped by Ctrl-C" in shown
    assert "\x1b" not in shown
