"""From a storage URL to a file that may be opened: what is wrong with it is told before it is touched."""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path

from nas.errors import StoreError
from nas.store import optuna_tables
from nas.store.faults import file_error

PREFIX = "sqlite:///"
MAGIC = b"SQLite format 3\0"

VERSION_TABLE = "nas_alembic_version"
"""Where the revision of our schema stands. `alembic_version` is Optuna's."""

BUSY_S = 60.0
"""How long a lock of another process is waited for."""


@dataclass(frozen=True)
class Contents:
    """What is in a database file: nothing, Optuna's tables, or ours too.

    `revision` is that of our schema, None where our tables are not there.
    """

    has_optuna: bool = False
    revision: str | None = None


def database_path(url: str) -> Path:
    """The file of a storage URL. What follows `sqlite:///` is its path to the letter: nothing is unquoted.

    Raises:
        StoreError: the URL is none that `nas` stores in.
    """
    if not isinstance(url, str) or "://" not in url:
        raise StoreError(f"storage {url!r} is no URL: a study lives in a file, write sqlite:///nas.db")
    scheme = url.partition("://")[0]
    if not url.startswith(PREFIX):  # the rest may hold a password: it is not repeated
        if scheme == "sqlite":
            raise StoreError("storage sqlite:// names no file: write sqlite:///nas.db, or sqlite:////srv/nas.db")
        raise StoreError(f"storage {scheme}://...: studies are stored in SQLite only, others come later; "
                         "write sqlite:///nas.db")
    name = url.removeprefix(PREFIX)
    if name in ("", ":memory:"):
        raise StoreError(f"storage {url!r}: a study lives in a file, not in memory; write sqlite:///nas.db")
    if "\0" in name:
        raise StoreError(f"storage {url!r}: a path cannot hold a NUL character")
    return Path(name)


def examine(path: Path, *, create: bool, read_only: bool) -> Contents:
    """What is in the file. Nothing is written: neither to the file nor, if it is not ours, beside it.

    Args:
        create: whether a file that is missing is a new database.
        read_only: whether it will be only read.

    Raises:
        StoreError: it cannot be opened for what it is wanted for, or is not a database of ours or of Optuna's.
    """
    try:
        size = _size(path, create=create)
        _check_rights(path, read_only=read_only, exists=size is not None)
        if not size:
            return Contents()
        with path.open("rb") as file:
            header = file.read(len(MAGIC))
    except OSError as error:
        raise StoreError(f"{path}: cannot open this database: {error.strerror}") from None
    if header != MAGIC:
        raise StoreError(f"{path}: not a SQLite database, and left untouched; give another file as storage")
    return _contents(path)


def _size(path: Path, *, create: bool) -> int | None:
    """Bytes in the file, None where it is missing and may be."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.exists():
            raise StoreError(f"{path}: the folder {path.parent} does not exist; create it, or give another path"
                             ) from None
        if not create:
            raise StoreError(f"{path}: there is no database here; give the storage that the study was run with"
                             ) from None
        return None
    except NotADirectoryError:
        raise StoreError(f"{path}: {path.parent} is a file, not a folder; give another path") from None
    if stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{path}: a database is a file, this is a directory; write {PREFIX}{path / 'nas.db'}")
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path}: a database is a regular file, this is a device or a pipe")
    return status.st_size


def _check_rights(path: Path, *, read_only: bool, exists: bool) -> None:
    if exists and not os.access(path, os.R_OK):
        raise StoreError(f"{path}: you may not read this database; ask its owner, or give another path")
    if read_only:
        return
    if exists and not os.access(path, os.W_OK):
        raise StoreError(f"{path}: you may not write to this database; ask its owner, or give another path")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise StoreError(f"{path}: you may not write to the folder {path.parent}, where SQLite keeps its journal; "
                         "give another path")


def _contents(path: Path) -> Contents:
    tables, revision = _schema(path)
    has_optuna = tables >= optuna_tables.NAMES
    if tables and not has_optuna:
        told = ", ".join(sorted(tables)[:5])
        raise StoreError(
            f"{path}: another program's database (tables {told}), left untouched; give another file as storage"
        )
    return Contents(has_optuna, revision)


def _schema(path: Path) -> tuple[frozenset[str], str | None]:
    """The names of the tables, and the revision of ours."""
    # Before it is known whose it is, nothing may be written beside it, as SQLite does for a database in WAL mode.
    # Without a log nobody has it open, and it can be read as it stands; with one nothing new appears.
    options = "" if in_use(path) else "&immutable=1"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{options}", uri=True)
        try:
            rows = connection.execute("SELECT name, type FROM sqlite_master").fetchall()
            tables = frozenset(name for name, kind in rows if kind == "table" and not name.startswith("sqlite_"))
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() if (
                VERSION_TABLE in tables) else None
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise file_error(path, error) from None
    return tables, str(row[0]) if row else None


def in_use(path: Path) -> bool:
    """Whether a log lies beside the database: someone has it open, or was killed while he had."""
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal"))


def in_wal_mode(path: Path) -> bool:
    """Whether the file's header says that it is written through a write-ahead log."""
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\2\2"
