"""Progress for a person: a bar in a terminal or a notebook, lines now and then in a log.

The bar is drawn only when something happens: a thread that redraws it while a network is timed would be timed too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from nas.errors import printable
from nas.numbers import count
from nas.patience import Patience
from nas.search.progress import Observer, Progress

LINES_EVERY_S = 10.0
"""In a log, at least so many seconds lie between two lines."""


@contextmanager
def shown(name: str, console: Console) -> Iterator[Observer]:
    """An observer that shows the progress of the study `name` on `console`, as long as the context lasts."""
    if console.is_terminal or console.is_jupyter:
        with _Live(console) as bar:
            task = bar.add_task(name, total=None, said="", left="")
            yield _Drawn(bar, task)
            bar.doing = ""
            bar.update(task, left="")
    else:
        lines = _Lines(name, console)
        try:
            yield lines
        finally:
            lines.patience.end()


class _Live(Bar):
    """The bar, and under it what is done at this moment."""

    def __init__(self, console: Console) -> None:
        self.doing = ""
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TextColumn("{task.fields[left]}", style="cyan"),
        )
        super().__init__(*columns, console=console, auto_refresh=False)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The line of the bar, and the line of the moment."""
        yield self.make_tasks_table(self.tasks)
        if self.doing:
            yield Text(f"  {printable(self.doing)}", style="dim", no_wrap=True, overflow="ellipsis")


class _Drawn:
    """Observes by drawing."""

    def __init__(self, bar: _Live, task: TaskID) -> None:
        self._bar, self._task, self._clock = bar, task, _Clock()

    def __call__(self, told: Progress) -> None:
        for notice in told.notices:
            self._bar.console.print(Text(f"note: {printable(notice)}"))
        self._bar.doing = told.doing
        left = self._clock.left(told)
        self._bar.update(self._task, completed=told.finished, total=told.total, said=said(told), left=left)
        self._bar.refresh()


class _Lines:
    """Observes by a line now and then, and by one where a device is waited for."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console, self._clock = name, console, _Clock()
        self._spoke = -LINES_EVERY_S
        self.patience = Patience(lambda said: self._print(f"{name} {printable(said)}"))

    def __call__(self, told: Progress) -> None:
        for notice in told.notices:
            self._print(f"note: {printable(notice)}")
        self.patience.hear(told.doing)
        left = self._clock.left(told)
        now = time.monotonic()
        if told.last is None or (now - self._spoke < LINES_EVERY_S and told.finished < told.total):
            return
        self._spoke = now
        self._print("  ".join(filter(None, [f"{self._name} {told.finished}/{told.total}", said(told), left])))

    def _print(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class _Clock:
    """How long the rest will take, judged by the trials of this run, and no longer than its timeout."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def left(self, told: Progress) -> str:
        """Such as "12:30 left"; empty as long as no trial of this run has ended, and at the end."""
        now = time.monotonic()
        if self._start is None:
            self._start = (now, told.finished)
        began, before = self._start
        done, remaining = told.finished - before, told.total - told.finished
        if done < 1 or remaining < 1:
            return ""
        left = (now - began) / done * remaining
        return f"{clock(left if told.seconds_left is None else min(left, told.seconds_left))} left"


def said(told: Progress) -> str:
    """The front's size and the best value of each objective, which may be of several trials: "front 3  best: accuracy
    0.65  latency_ms 0.359".
    """
    best = [f"{name} {count(value) if abs(value) >= 1e4 else f'{value:.4g}'}" for name, value in told.best.items()]
    if not told.finished:
        return ""
    return "  ".join([f"front {told.front}", f"best: {'  '.join(best)}"] if best else [f"front {told.front}"])


def clock(seconds: float) -> str:
    """Seconds as a person reads them: "0:07", "12:30", "3:04:05"."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
