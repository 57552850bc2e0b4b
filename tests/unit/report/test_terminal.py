"""The table on narrow terminals."""

from __future__ import annotations

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
