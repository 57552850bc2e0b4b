"""`nas run STUDY.toml`."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import options
from nas.errors import SpecError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from nas.search.clock import Clock


def _trials(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise SpecError(f"--trials: must be a whole number from 1, got {text!r}")
    return int(text)


def _patience(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise SpecError(f"--patience: must be a whole number from 1, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SpecError(f"--timeout: must be a positive number of seconds, got {text!r}")
    return seconds


def command(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.toml", help="A study file, see studies/README.md.", show_default=False)
    ],
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="Counted trials in all; default: the study file's.", parser=_trials),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds after which this run begins no trial; default: the study file's.",
                     parser=_seconds),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="K", help="End when K trials have not made the front grow; default: the study file's.",
                     parser=_patience),
    ] = None,
    storage: options.Storage = options.STORAGE,
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="Device of every column that has one: cpu, cuda, cuda:1, ssh:HOST."),
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not measure the front again in the end, in fresh processes.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print where the time went, in the end: ask, cost, build, measure, store.")
    ] = False,
    mix_environments: options.MixEnvironments = False,
) -> None:
    """Search the networks of a study, and keep every measurement; go on where an earlier run stopped."""
    from rich.console import Console

    from nas.search.clock import Clock

    console, clock = Console(stderr=True), Clock()
    try:
        with console.status("loading and checking the study"), clock("check"):
            from nas.search.asking import start_workers
            from nas.spec import load_spec

            spec = load_spec(study)
            start_workers(spec, device)
            from nas.search.bar import shown  # with it comes torch, which takes seconds
            from nas.search.ending import Limits
            from nas.search.prepare import prepare
            from nas.search.run import carry_out

            ready = prepare(spec, plugin or (), device, entry_points=not no_plugins)
        name = ready.spec.study.name
        with shown(name, console) as observer:
            limits = Limits.of(ready.spec, trials, timeout, patience)
            carry_out(ready, limits, storage, observer, not no_verify, mix_environments, clock)
    except KeyboardInterrupt:
        again = [options.program(), "run", str(study), "--storage", storage]
        again += ["--trials", str(trials)] if trials is not None else []
        again += ["--timeout", f"{timeout:.12g}"] if timeout is not None else []
        again += ["--patience", str(patience)] if patience is not None else []
        again += [word for file in plugin or () for word in ("--plugin", str(file))]
        again += ["--no-plugins"] if no_plugins else []
        again += ["--device", device] if device is not None else []
        again += ["--no-verify"] if no_verify else []
        again += ["--profile"] if profile else []
        again += ["--mix-environments"] if mix_environments else []
        console.print("stopped; all that is finished is saved. Go on with:")
        console.print(shlex.join(again), soft_wrap=True, markup=False)
        raise typer.Exit(130) from None
    else:
        _conclude(name, storage, console, mix_environments)
    finally:
        if profile:
            _print_profile(clock, console)


def _print_profile(clock: Clock, console: Console) -> None:
    """Where this run's time went, by parts."""
    from rich.table import Table

    spent = {part: seconds for part, seconds in clock.spent.items() if seconds >= 0.0005}
    total = sum(spent.values()) or 1.0
    table = Table("part", "seconds", "share", box=None, title="where the time went", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for part, seconds in (spent | {"in all": total}).items():
        table.add_row(part, f"{seconds:.3f}", f"{seconds / total:.1%}", style="bold" if part == "in all" else None)
    console.print(table)


def _conclude(name: str, storage: str, console: Console, mix_environments: bool) -> None:
    """Shows the front, and writes the report beside the database."""
    from nas.report.page import write_page
    from nas.report.report import load_report
    from nas.report.terminal import summary_table
    from nas.store.location import database_path

    report = load_report(name, storage, mix_environments=mix_environments)
    options.output().print(summary_table(report))
    database = database_path(storage)
    page = database.parent / "nas-reports" / f"{name}.md"
    try:
        page.parent.mkdir(exist_ok=True)
        write_page(report, page)
        told = str(page)
    except (OSError, StoreError) as error:
        told = f"not written: {error}"
    console.print(f"database: {database}\nreport:   {told}", soft_wrap=True, markup=False, highlight=False)
