"""`nas report STUDY`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.choices import shown
from nas.cli import options
from nas.errors import NasError, SpecError, nearest
from nas.files import write_files

if TYPE_CHECKING:
    from nas.plugins import Plugins


def command(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study's name.", show_default=False)],
    storage: options.Storage = options.STORAGE,
    format: Annotated[str, typer.Option(metavar="FORMAT", help="table, csv, json, parquet, md or html.")] = "table",  # noqa: A002  # the option's name
    out: Annotated[Path | None, typer.Option(metavar="PATH", help="A file to write; default: standard output.")] = None,
    mix_environments: options.MixEnvironments = False,
    blocks: Annotated[bool, typer.Option(
        "--blocks",
        help="Instead, what each block takes, by a model of the networks' times: as table, csv, json or md.",
    )] = False,
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
) -> None:
    """Read a study: its front as a table, or every trial as CSV, JSON, Parquet, Markdown or HTML."""
    from nas.plugins import load_plugins
    from nas.report.render import formats, render
    from nas.report.report import load_report

    known = tuple(formats())
    if format not in known:
        raise SpecError(f"--format: unknown format {shown(format)}{nearest(format, known)}; "
                        f"there are {', '.join(known)}")
    if blocks:
        _blocks(study, storage, format, out, load_plugins(plugin or (), not no_plugins))
        return
    if plugin or no_plugins:
        raise SpecError("--plugin and --no-plugins are for --blocks: all else in a report is read from the database")
    if format == "table" and out is None:
        from nas.report.terminal import summary_table

        options.output().print(summary_table(load_report(study, storage, mix_environments=mix_environments)))
        return
    if format == "md" and out is not None:
        from nas.report.page import write_page

        report = load_report(study, storage, mix_environments=mix_environments)
        with _named_out():
            written = write_page(report, out)
        typer.echo("wrote " + " and ".join(map(str, written)))
        return
    text = render(load_report(study, storage, params=True, mix_environments=mix_environments), format)
    data = text.encode() if isinstance(text, str) else text
    if out is None:
        if isinstance(text, bytes) and sys.stdout.isatty():
            raise SpecError(f"--format {format}: is no text for a terminal; name a file with --out")
        typer.echo(data, nl=False)
        return
    with _named_out():
        write_files({out: data})
    typer.echo(f"wrote {out}")


def _blocks(study: str, storage: str, name: str, out: Path | None, plugins: Plugins) -> None:
    """Prints or writes the table of blocks."""
    from nas.report.blocks import load_blocks
    from nas.report.blocks_text import FORMATS, for_terminal

    if name not in FORMATS:
        raise SpecError(f"--format {name}: --blocks is written as {', '.join(FORMATS)}")
    found = load_blocks(study, storage, plugins)
    if out is not None:
        with _named_out():
            write_files({out: FORMATS[name](found).encode()})
        typer.echo(f"wrote {out}")
    elif name == "table":
        options.output().print(for_terminal(found))
    else:
        typer.echo(FORMATS[name](found), nl=False)


@contextmanager
def _named_out() -> Iterator[None]:
    """What cannot be written is an error of this option."""
    try:
        yield
    except NasError as error:
        raise type(error)(f"--out: {error}") from None

