"""Progress for a person: a bar in a terminal, a line a network in a log.

The bar is drawn only when something happens: a thread that redraws it would take a core from what is timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from nas.bench.result import Bench, Row
from nas.bench.told import cells, columns
from nas.errors import printable
from nas.patience import Patience


class Shown(Protocol):
    """Where progress goes."""

    def doing(self, what: str) -> None:
        """This is being done now."""

    def finished(self, bench: Bench, row: Row) -> None:
        """A network has its row."""


@contextmanager
def shown(networks: int, console: Console) -> Iterator[Shown]:
    """Shows how far `networks` networks have come on `console`, as long as the context lasts."""
    if console.is_terminal or console.is_jupyter:
        with _Live(console) as bar:
            yield _Drawn(bar, networks)
            bar.what = ""
            bar.refresh()
    else:
        lines = _Lines(console)
        try:
            yield lines
        finally:
            lines.patience.end()


class _Live(Bar):
    """The bar, and under it what is done at this moment."""

    def __init__(self, console: Console) -> None:
        self.what = ""
        parts: tuple[ProgressColumn, ...] = (
            TextColumn("[bold]{task.description}"), BarColumn(24, complete_style="cyan", finished_style="green"),
            MofNCompleteColumn(), TimeElapsedColumn(),
        )
        super().__init__(*parts, console=console, auto_refresh=False)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The line of the bar, and the line of the moment."""
        yield self.make_tasks_table(self.tasks)
        if self.what:
            yield Text(f"  {self.what}", style="dim", no_wrap=True, overflow="ellipsis")


class _Drawn:
    def __init__(self, bar: _Live, networks: int) -> None:
        self._bar, self._task = bar, bar.add_task("bench", total=networks)

    def doing(self, what: str) -> None:
        self._bar.what = what
        self._bar.refresh()

    def finished(self, bench: Bench, row: Row) -> None:  # noqa: ARG002  # the table shows it in the end
        self._bar.advance(self._task)
        self._bar.refresh()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.patience = Patience(lambda said: console.print(Text(printable(said)), soft_wrap=True))

    def doing(self, what: str) -> None:
        """A log is told of networks alone, and where one waits."""
        self.patience.hear(what)

    def finished(self, bench: Bench, row: Row) -> None:
        self.patience.end()
        found = {column.heading: cell for column, cell in zip(columns(bench), cells(bench, row), strict=True)}
        said = [f"{heading} {cell}" for heading, cell in found.items() if " ms, " in heading or heading == "images/s"]
        line = f"{len(bench.rows)}/{bench.asked} {found['network']}  {'  '.join(said)}"
        self._console.print(Text(line), soft_wrap=True)
