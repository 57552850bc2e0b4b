"""Stock Optuna on SQLite, at a chosen `PRAGMA synchronous`: its own default is SQLite's, FULL."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy import event


def storage(path: Path, synchronous: str = "NORMAL") -> RDBStorage:
    """Optuna's storage on this file, with every connection at `synchronous`."""
    found = RDBStorage(f"sqlite:///{path}")

    @event.listens_for(found.engine, "connect")
    def connected(connection, record) -> None:  # type: ignore[no-untyped-def]
        connection.execute(f"PRAGMA synchronous={synchronous}")

    found.engine.dispose()  # the connections that it was set up by
    return found
