"""Standard output that cannot be written, or cannot show a character, is no reason for a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""How writing fails where there is no more room; files that a command writes have errors of their own."""


@contextmanager
def standard_output() -> Iterator[None]:
    """Characters that standard output cannot encode become `?`; where it cannot be written, the program exits 1."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        _give_up(error)
    finally:
        if sys.stdout is not None:  # closed by who called
            try:
                sys.stdout.flush()
            except OSError as error:
                _give_up(error)


def _give_up(error: OSError) -> NoReturn:
    with suppress(OSError):  # or the interpreter writes what is left, at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"nas: cannot write the output: {error.strerror}", file=sys.stderr)  # noqa: T201  # as `main` does
    sys.exit(1)
