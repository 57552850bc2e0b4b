"""One open database: transactions on it, with what goes wrong in them told in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it sees one moment, and nobody waits for it."""
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
            StoreError: the database was opened read-only, or refuses.
        """
        if self.read_only:
            raise StoreError(f"{self.path}: this database was opened read-only")
        try:
            with self.engine.begin() as connection:
                yield connection
        except StatementError as error:
            raise _ours(self.path, error) from error


def _ours(path: Path, error: StatementError) -> BaseException:
    """The error to raise instead. SQLAlchemy also wraps what the type of a column raises: a value that is not JSON."""
    if isinstance(error.orig, StoreError):
        return error.orig
    return file_error(path, error) if isinstance(error, DBAPIError) else error
