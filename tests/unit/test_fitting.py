"""A table leaves out no more than it must, in the order told, and says what."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from rich.console import Console
from rich.table import Table

from nas.fitting import NAME, Fitting, foldable


def table(without: Collection[str]) -> Table:
    made = Table(box=None, padding=0)
    for heading in ("name", "first", "second"):
        if heading not in without:
            made.add_column(heading, no_wrap=True, min_width=10)
    made.add_row(*("1234567890" for _ in made.columns))
    return made


def printed(width: int, characters: int = 0) -> list[str]:
    console = Console(width=width)
    with console.capture() as told:
        console.print(Fitting(table, ("second", "first"), characters, "; the file has it"))
    return [line.rstrip() for line in told.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "headings", "said"),
    [
        (40, ["name", "first", "second"], ""),
        (29, ["name", "first"], "left out, for a width of 29: second"),
        (19, ["name"], "left out, for a width of 19: second, first"),
    ],
)
def test_the_columns_go_one_after_the_other(width: int, headings: list[str], said: str) -> None:
    head, row, *rest = printed(width)
    assert head.split() == headings
    assert row.count("1234567890") == len(headings), "no number is cut"
    assert " ".join(rest) == (f"{said}; the file has it" if said else "")


def test_what_may_go_on_in_another_line_takes_no_column_away() -> None:
    assert printed(29, characters=1)[0].split() == ["name", "first", "second"]


def test_a_name_may_go_on_below_once_it_is_long() -> None:
    assert foldable(["a" * NAME, "b"]) == 0
    assert foldable(["a" * (NAME + 5)]) == 5
    assert foldable([]) == 0
