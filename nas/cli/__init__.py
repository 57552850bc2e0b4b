"""The command line: one file a command, each found by its name. A new command is one new file."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

from nas.errors import NasError

app = typer.Typer(
    name="nas",
    help="Which convolutional network should run on this device?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        name = module.name.removesuffix("_command")
        app.command(name)(importlib.import_module(f"{__name__}.{module.name}").command)


_register()


@app.callback()
def _nas() -> None:
    """Which convolutional network should run on this device?"""


def main() -> None:
    """The program `nas`: exits 0 done, 2 on a mistake of the caller's, 1 where a run failed, 130 on Ctrl-C."""
    try:
        app(standalone_mode=True)
    except NasError as error:
        print(f"nas: {error}", file=sys.stderr)  # noqa: T201  # the one place that speaks to a terminal's error stream
        sys.exit(1 if type(error).__name__ == "NothingFeasibleError" else 2)
