"""A table without as few of its columns as the terminal needs: no number in it is cut, and what is left out is said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

NAME = 24
"""Characters of a name that stay on one line before a column is left out for it."""


def foldable(names: Collection[str]) -> int:
    """By how many characters the longest of the names may go on in another line."""
    return max(0, max(map(len, names), default=0) - NAME)


@dataclass(frozen=True)
class Fitting:
    """What rich prints as such a table.

    Attributes:
        make: the table without the columns that it is told.
        left_out: what a narrow terminal goes without, the first one first.
        foldable: characters that the table may lack, since they go on in another line.
        elsewhere: who keeps all of it, if anybody does.
    """

    make: Callable[[Collection[str]], Table]
    left_out: Sequence[str]
    foldable: int = 0
    elsewhere: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        for most in range(len(self.left_out) + 1):
            table = self.make(self.left_out[:most])
            natural = console.measure(table, options=options.update(width=10**6)).maximum
            if natural - self.foldable <= options.max_width:
                break
        yield table
        if most:
            gone = ", ".join(self.left_out[:most])
            yield Text(f"left out, for a width of {options.max_width}: {gone}{self.elsewhere}")
