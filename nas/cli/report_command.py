"""`nas report STUDY`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.errors import SpecError, StoreError, nearest


def command(
    study: Annotated[str, typer.Argument(help="The study's name.", show_default=False)],
    storage: Annotated[str, typer.Option(help="The database of studies.")] = "sqlite:///nas.db",
    format: Annotated[str, typer.Option(help="table, csv, json or md.")] = "table",  # noqa: A002  # the option's name
    out: Annotated[Path | None, typer.Option(help="A file to write; default: standard output.")] = None,
) -> None:
    """Read a study: its front as a table, or every trial as CSV, JSON or Markdown."""
    from nas.report.render import formats, render
    from nas.report.report import load_report

    known = ("table", *formats())
    if format not in known:
        raise SpecError(f"--format: unknown format '{format}'{nearest(format, known)}; there are {', '.join(known)}")
    if format == "table":
        show(study, storage)
        return
    text = render(load_report(study, storage, params=True), format)
    data = text.encode() if isinstance(text, str) else text
    if out is None:
        typer.echo(data.decode(), nl=False)
        return
    try:
        out.write_bytes(data)
    except OSError as error:
        raise StoreError(f"--out: cannot write {out}: {error.strerror}") from None


def show(study: str, storage: str) -> None:
    """Prints the front of a study as a table."""
    from rich.console import Console
    from rich.table import Table

    from nas.report.report import load_report
    from nas.report.text import count, one_line, rounded

    report = load_report(study, storage)
    front = report.frame[report.frame["pareto"]]
    objectives = [name for name in report.study.objectives if name not in ("params", "macs")]
    front = front.sort_values(next(iter(report.study.objectives)))
    table = Table(title=f"{study}: the front, {len(front)} of {len(report.frame)} trials")
    for name in ("trial", *objectives, "params", "macs", "arch_id"):
        table.add_column(name, justify="right")
    for row in front.to_dict("records"):
        values = [rounded(float(row[name])) for name in objectives]
        table.add_row(str(row["trial"]), *values, count(row["params"]), count(row["macs"]), one_line(row["arch_id"]))
    console = Console()
    console.print(table)
    counts = report.frame["outcome"].value_counts()
    console.print("outcomes: " + ", ".join(f"{times} {word}" for word, times in counts.items()))
