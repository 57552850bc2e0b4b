"""Every command: `NAME_command.py` beside this file, with a function `command`. A new command is one new file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated

import typer

import nas.cli
from nas.version import VERSION

app = typer.Typer(
    name="nas",
    help="Which convolutional network should run on this device?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    names = (found.name for found in pkgutil.iter_modules(nas.cli.__path__))
    for module in sorted(name for name in names if name.endswith("_command")):
        app.command(module.removesuffix("_command"))(importlib.import_module(f"{nas.cli.__name__}.{module}").command)


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
