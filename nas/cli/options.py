"""What several commands share: their options, and where a table goes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

STORAGE = "sqlite:///nas.db"

Storage = Annotated[str, typer.Option(metavar="URL", help="The database of studies.")]
PluginFiles = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="A local plugin file; may be given again.")
]
NoPlugins = Annotated[bool, typer.Option("--no-plugins", help="Leave out plugins of other installed packages.")]

MixEnvironments = Annotated[bool, typer.Option(
    "--mix-environments",
    help="Take values of other machines, drivers or versions of torch for comparable: one front holds them all.",
)]


def program() -> str:
    """How this program was called, for a command that can be typed again: "nas" where the shell finds it."""
    called = sys.argv[0]
    found = shutil.which("nas")
    same = found is not None and Path(called).exists() and Path(found).samefile(called)
    return called if Path(called).name == "nas" and not same else "nas"


def output() -> Console:
    """Standard output; as wide as the terminal, and wide enough for a table where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)
