"""`nas run STUDY.toml`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def command(
    study: Annotated[Path, typer.Argument(help="A study file, see studies/README.md.", show_default=False)],
    trials: Annotated[int | None, typer.Option(help="Counted trials in all; default: the study file's.", min=1)] = None,
    storage: Annotated[str, typer.Option(help="The database of studies.")] = "sqlite:///nas.db",
    plugin: Annotated[list[Path] | None, typer.Option(help="A local plugin file; may be given again.")] = None,
    device: Annotated[str | None, typer.Option(help="Device of every column that has one: cpu, cuda, cuda:1.")] = None,
) -> None:
    """Search the networks of a study, and keep every measurement; go on where an earlier run stopped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nas.search.run import Progress as Told
    from nas.search.run import run
    from nas.spec import load_spec

    console = Console(stderr=True)
    spec = load_spec(study)
    best: dict[str, float] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[best]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(spec.study.name, total=None, best="")

        def tell(told: Told) -> None:
            for notice in told.notices:
                bar.console.print(f"note: {notice}")
            if told.last and told.last.feasible:
                for name, direction in spec.objectives.items():
                    value, pick = told.last.values[name], min if direction == "minimize" else max
                    best[name] = pick(best.get(name, value), value)
            text = "  ".join(f"{name} {value:.4g}" for name, value in best.items())
            bar.update(task, completed=told.finished, total=told.total, best=text)

        try:
            run(study, trials, storage, plugin or (), device, tell)
        except KeyboardInterrupt:
            again = ["nas", "run", str(study), "--storage", storage]
            again += ["--trials", str(trials)] if trials is not None else []
            again += [word for file in plugin or () for word in ("--plugin", str(file))]
            again += ["--device", device] if device is not None else []
            console.print("stopped; all that is finished is saved. Go on with:")
            console.print(shlex.join(again), soft_wrap=True, markup=False)
            raise typer.Exit(130) from None
    from nas.cli.report_command import show

    show(spec.study.name, storage)
    console.print(f"database: {storage}\nreport:   nas report {spec.study.name} --storage {storage} --format md")
