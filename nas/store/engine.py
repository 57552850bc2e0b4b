"""Connections to the database file, and what a transaction begins with.

A transaction that may write takes the write lock at its start (BEGIN IMMEDIATE): one that reads first and writes
later loses its snapshot to a faster writer, and two workers then claim the same trial. What only reads says so with
`reading()`, and in WAL mode waits for nobody.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from nas.store.faults import is_busy
from nas.store.location import in_use, in_wal_mode

Durability = Literal["normal", "full"]

_READING: ContextVar[bool] = ContextVar("nas_store_reading", default=False)

MAX_VALUE = 64 * 2**20
"""Bytes of the largest text or blob that is read from someone else's database."""


@contextmanager
def reading() -> Iterator[None]:
    """Transactions that begin inside only read, and take no lock that others wait for."""
    token = _READING.set(True)
    try:
        yield
    finally:
        _READING.reset(token)


def connect(path: str, busy_s: float, durability: Durability) -> sqlite3.Connection:
    """A connection that reads and writes. The file must exist: one that is deleted meanwhile is not made anew."""
    uri = f"{Path(path).as_uri()}?mode=rw"
    return _connect(uri, busy_s, f"synchronous={durability}")


def connect_read_only(path: str, busy_s: float) -> sqlite3.Connection:
    """A connection to a file that may be a stranger's: it writes nothing, and calls nothing that the file names."""
    file = Path(path)
    # A WAL database needs a file beside it even to be read; where that cannot be made, nobody writes to it either.
    alone = in_wal_mode(file) and not in_use(file) and not os.access(file.parent, os.W_OK)
    uri = f"{file.as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    connection = _connect(uri, busy_s, "query_only=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    return connection


def _connect(uri: str, busy_s: float, setting: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA {setting}")
        connection.execute("PRAGMA trusted_schema=OFF")  # the schema, of whoever made the file, calls no functions
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def sqlalchemy_url(path: Path) -> str:
    """The file as a URL of SQLAlchemy's, which quotes what `nas` takes to the letter."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def optuna_url(path: Path) -> str:
    """The file as the URL that Optuna opens it by: it `format`s what it is given."""
    return sqlalchemy_url(path).replace("{", "{{").replace("}", "}}")


def engine_options(path: Path, busy_s: float, durability: Durability) -> dict[str, Any]:
    """Keyword arguments of `create_engine`; they can be pickled, as storages of Optuna are."""
    creator = partial(connect, str(path.absolute()), busy_s, durability)
    return {"creator": creator, "poolclass": QueuePool, "pool_size": 8, "max_overflow": 64}


def read_only_engine(path: Path, busy_s: float) -> Engine:
    """An engine that can only read."""
    creator = partial(connect_read_only, str(path.absolute()), busy_s)
    engine = create_engine(sqlalchemy_url(path), creator=creator, poolclass=QueuePool)
    event.listen(engine, "begin", _begin_reading)
    return engine


def begin_immediately(engine: Engine) -> None:
    """Makes transactions of this engine take the write lock at their start, where they are not `reading()`."""
    event.listen(engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if _READING.get() else "BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def create_file(path: Path) -> None:
    """An empty database where there is none yet."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))


def enter_wal(path: Path, busy_s: float) -> None:
    """Writes the file through a write-ahead log from now on: readers and one writer do not wait for each other.

    Done once when a store is opened, never in a connect hook, where connections of one process would fight for it.
    It stays possible to work without, should another program keep the file locked: that is a warning.
    """
    connection = connect(str(path.absolute()), busy_s, "normal")
    try:
        deadline = time.monotonic() + busy_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() >= deadline:
                    warnings.warn(f"{path}: another program keeps this database open: workers will wait for each "
                                  "other", stacklevel=3)
                    return
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()


def leave_wal(path: Path) -> None:
    """Back to one plain file, which any browser of databases opens; not while someone else has it open."""
    try:
        connection = connect(str(path.absolute()), 0.0, "normal")
    except sqlite3.Error:
        return  # deleted, locked or damaged: nothing that a closed store could still help
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error:
        return  # someone else has it open, and does this when he closes it
    finally:
        connection.close()
