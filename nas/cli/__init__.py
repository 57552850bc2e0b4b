"""The command line, one file a command: see `commands`. What is here is loaded first, so it is little."""

from __future__ import annotations

import sys


def main() -> None:
    """The program `nas`: exits 0 done, 2 on a mistake of the caller's, 1 where a run failed, 130 on Ctrl-C."""
    try:
        _carry_out()
    except KeyboardInterrupt:  # while the commands are loaded; from then on typer ends with the same code
        sys.exit(130)


def _carry_out() -> None:
    from nas.cli.commands import app
    from nas.cli.streams import standard_output
    from nas.errors import NasError, printable

    with standard_output():
        try:
            app(standalone_mode=True)
        except NasError as error:
            print(f"nas: {printable(error)}", file=sys.stderr)  # noqa: T201  # the one place that speaks to a terminal's error stream
            sys.exit(error.exit_code)
