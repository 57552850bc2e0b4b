"""The command line: one file a command, `NAME_command.py` with a function `command`. A new command is one new file."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Annotated

import typer

from nas.errors import NasError, printable
from nas.version import VERSION

app = typer.Typer(
    name="nas",
    help="Which convolutional network should run on this device?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name.endswith("_command")):
        app.command(module.removesuffix("_command"))(importlib.import_module(f"{__name__}.{module}").command)


_register()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nas {VERSION}")
        raise typer.Exit


@app.callback()
def _nas(
    version: Annotated[  # its callback has answered before
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Which convolutional network should run on this device?"""


def main() -> None:
    """The program `nas`: exits 0 done, 2 on a mistake of the caller's, 1 where a run failed, 130 on Ctrl-C."""
    try:
        app(standalone_mode=True)
    except NasError as error:
        print(f"nas: {printable(error)}", file=sys.stderr)  # noqa: T201  # the one place that speaks to a terminal's error stream
        sys.exit(error.exit_code)
