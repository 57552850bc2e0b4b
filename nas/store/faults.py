"""What SQLite says went wrong, in our words: which file, what, and the way out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from nas.errors import StoreError

_CAUSES = {
    sqlite3.SQLITE_BUSY: "locked by another program that did not let go in time; close it, then try again",
    sqlite3.SQLITE_LOCKED: "locked by another program that did not let go in time; close it, then try again",
    sqlite3.SQLITE_READONLY: "cannot be written to; check the rights of the file, of its folder and of the disk",
    sqlite3.SQLITE_PERM: "cannot be opened; check the rights of the file and of its folder",
    sqlite3.SQLITE_CORRUPT: "damaged; restore a copy, or try `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "damaged, or not a SQLite database; restore a copy, or give another file",
    sqlite3.SQLITE_FULL: "not written to: the disk is full; make room, then run the study again to go on",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that the file and its folder are there, and their rights",
    sqlite3.SQLITE_IOERR: "not reached: the disk reports an error; check it, then run the study again to go on",
    sqlite3.SQLITE_TOOBIG: "refused: it holds a value past any sane size",
}


def file_error(path: Path, error: BaseException) -> StoreError:
    """The `StoreError` of a failure of SQLite, SQLAlchemy or Optuna on the database at `path`."""
    original = _original(error)
    cause = _CAUSES.get(_code(original))
    if cause:
        return StoreError(f"{path}: this database is {cause} ({original})")
    return StoreError(f"{path}: this database fails: {original}")


def is_busy(error: BaseException) -> bool:
    """Whether a lock of another connection is what stood in the way."""
    return _code(_original(error)) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: BaseException) -> int:
    """SQLite's primary result code, the low byte of its extended ones; 0 for any other error."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else 0


def _original(error: BaseException) -> BaseException:
    """The driver's own error inside of those that were made of it."""
    while (inner := getattr(error, "orig", None) or error.__cause__) is not None:
        error = inner
    return error
