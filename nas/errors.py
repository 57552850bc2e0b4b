"""The one tree of errors. Catch `NasError` and you have caught everything that `nas` raises on purpose.

A message names the place, the value and the remedy; the command line prints it without a traceback, and exits 2 for a
mistake of the caller's, 1 where the run failed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class NasError(Exception):
    """Base of every error that `nas` raises on purpose; `exit_code` is how the command line ends with it."""

    exit_code: ClassVar[int] = 2


class SpecError(NasError):
    """A study file, an architecture text or a list of rows says something that cannot be meant."""


class PluginError(NasError):
    """A plugin does not load, breaks the contract, or collides with another one."""


class BlockError(NasError):
    """A block is unknown, or refuses what it is asked to be."""


class StudyDriftError(NasError):
    """A study is resumed with another space, other objectives or other conditions than it was created with."""


class NothingFeasibleError(NasError):
    """Too many proposals in a row were rejected; the message says by what. What was finished before is saved."""

    exit_code = 1


class MeasureError(NasError):
    """A candidate could not be measured; `outcome` is the word that its row gets.

    Metrics raise it to name an outcome of their own choice among those of the report; anything else that a metric
    raises becomes `metric_error`.
    """

    exit_code = 1

    def __init__(self, message: str, outcome: str = "metric_error") -> None:
        super().__init__(message)
        self.outcome = outcome


class StoreError(NasError):
    """A database cannot be opened, is not one of ours, or does not hold what is asked of it."""


def printable(text: object) -> str:
    """Text of a few lines in which nothing acts on a terminal: control characters are written out, as `\\x1b`."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in str(text)
    )


def nearest(word: str, words: Iterable[str]) -> str:
    """`" (did you mean 'mbconv'?)"` if one of `words` is close to `word`, else an empty string."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""
