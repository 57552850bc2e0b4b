"""A duel as a person reads it."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from nas.bench.duel_result import Duel, PairedProcess
from nas.bench.duel_text import WIDTH, duel_text, strip
from nas.bench.limits import Limits, hopeless
from nas.bench.verdict import MOST_PROCESSES


def process(ratio: float) -> PairedProcess:
    return PairedProcess(ratio, (10.0,), (10.0 * ratio,), "a")


DUEL = Duel(
    a="resnet18", b="resnet34", verdict="slower", ratio=1.8, low=1.7, high=1.9, a_ms=10.0, b_ms=18.0, margin=0.02,
    processes=(process(1.7), process(1.8), process(1.9)), seconds=61.4, stopped_by="verdict",
)


def shown(duel: Duel) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(duel_text(duel))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_verdict_times_interval_and_effort_are_told() -> None:
    text = shown(DUEL)
    assert "resnet34 is slower than resnet18: it takes 80.0 % longer" in text
    assert "b / a: ratio 1.8 [1.7, 1.9] at 97 %" in text
    assert "3 processes, 3 pairs, 61 s\n" in text
    for cell in ("resnet18", "10", "resnet34", "18"):
        assert cell in text


@pytest.mark.parametrize(
    ("verdict", "ratio", "said"),
    [
        ("slower", 1.99, "it takes 99.0 % longer"),
        ("slower", 3.12, "it takes 3.1 times as long"),
        ("faster", 0.75, "it takes 25.0 % less time"),
        ("faster", 0.25, "resnet34 is faster than resnet18: resnet18 takes 4.0 times as long"),
    ],
)
def test_from_twice_on_times_are_told_and_no_percent(verdict: str, ratio: float, said: str) -> None:
    assert replace(DUEL, verdict=verdict, ratio=ratio).said().endswith(said)  # type: ignore[arg-type]


def test_the_interval_and_the_line_of_processes_are_explained() -> None:
    text = " ".join(shown(DUEL).split())
    assert "in 97 of 100 duels the ratio over fresh processes lies within such bounds" in text
    assert "o one process, a digit several, # more than 9; | is 1" in text
    assert "97 of 100" not in " ".join(shown(replace(DUEL, low=0.0, high=math.inf)).split())


def test_limits_that_can_hardly_decide_are_told_beforehand() -> None:
    assert hopeless(Limits()) == ""
    assert hopeless(Limits(budget_s=40, max_processes=7)).startswith(
        "no verdict is possible before 7 processes, of about 6 s each: budget_s = 40 will hardly be enough; give 42"
    )


@pytest.mark.parametrize(
    ("stopped_by", "remedy"), [("processes", "--max-processes, in Python max_processes"), ("seconds", "--budget-s")]
)
def test_an_undecided_duel_says_what_would_decide_it(stopped_by: str, remedy: str) -> None:
    text = shown(replace(DUEL, verdict="undecided", low=0.9, stopped_by=stopped_by))  # type: ignore[arg-type]
    assert "undecided between resnet18 and resnet34" in text
    assert remedy in " ".join(text.split())


def test_what_as_many_processes_as_may_be_did_not_decide_is_not_sent_to_ask_for_more() -> None:
    text = shown(replace(DUEL, verdict="undecided", stopped_by="processes", processes=(process(1.0),) * MOST_PROCESSES))
    assert "a larger margin may be decided" in " ".join(text.split())
    assert "--max-processes" not in text


def test_an_interval_that_nobody_knows_is_not_printed() -> None:
    text = shown(replace(DUEL, verdict="undecided", low=0.0, high=math.inf, stopped_by="seconds"))
    assert "too few processes for an interval" in text
    assert "inf" not in text


def test_names_and_warnings_cannot_act_on_the_terminal() -> None:
    text = shown(replace(DUEL, a="[red]evil\x1b[2J", warnings=("so [bold]busy\x1b[1m",)))
    assert "\x1b" not in text
    assert "[red]evil" in text
    assert "note: so [bold]busy" in text


def test_a_line_shows_where_the_processes_lie() -> None:
    low, line, high = strip(replace(DUEL, processes=(process(1.0), process(1.5), process(1.5), process(2.0)))).split()
    assert (low, high) == ("1", "2")
    assert len(line) == WIDTH
    assert (line[0], line[-1], line.count("2"), line.count(".")) == ("o", "o", 1, WIDTH - 3)


def test_the_line_of_one_process_that_sees_no_difference_has_a_place_too() -> None:
    assert strip(replace(DUEL, processes=(process(1.0),))).split()[1][0] == "o"
