"""One open database: transactions on it, with what goes wrong in them told in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, StatementError

from nas.errors import StoreError
from nas.store.engine import reading
from nas.store.faults import file_error


@dataclass(frozen=True)
class Database:
    """A file and the engine on it."""

    path: Path
    engine: Engine
    read_only: bool = False
    opened: tuple[int, int] | None = field(init=False, default=None)
    """Which file it is: SQLite goes on writing into one that was deleted, until nobody has it open any more."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "opened", _file_at(self.path))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one moment, and nobody waits for it.

        Raises:
            StoreError: the file is gone, or another one, or the database refuses.
        """
        self._check_file()
        try:
            with self.engine.connect() as connection:
                with reading():  # its begin alone: what the caller does meanwhile may write
                    connection.begin()
                yield connection
        except StatementError as error:
            raise _ours(self.path, error) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it, or nothing where an error leaves it.

        Raises:
            StoreError: the database was opened read-only, its file is gone, or another one, or it refuses.
        """
        if self.read_only:
            raise StoreError(f"{self.path}: this database was opened read-only")
        self._check_file()
        try:
            with self.engine.begin() as connection:
                yield connection
        except StatementError as error:
            raise _ours(self.path, error) from error


    def _check_file(self) -> None:
        if (now := _file_at(self.path)) != self.opened:
            what = "deleted" if now is None else "replaced by another file"
            raise StoreError(f"{self.path}: the database was {what} while it was open: nothing more can be kept in it\n"
                             "Put the file back, or begin anew, and run again.")


def _file_at(path: Path) -> tuple[int, int] | None:
    """What tells the file there from every other one; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _ours(path: Path, error: StatementError) -> BaseException:
    """The error to raise instead. SQLAlchemy also wraps what the type of a column raises: a value that is not JSON."""
    if isinstance(error.orig, StoreError):
        return error.orig
    return file_error(path, error) if isinstance(error, DBAPIError) else error
