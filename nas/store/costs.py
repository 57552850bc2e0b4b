"""What blocks cost, by a key of everything that this depends on: counted once for all processes and studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from nas.store import tables

_AFTER = select(tables.costs).where(tables.costs.c.id > bindparam("after")).order_by(tables.costs.c.id)
_KEEP = insert(tables.costs).on_conflict_do_nothing()


def read(connection: Connection, after: int) -> tuple[dict[str, list[Any]], int]:
    """The costs of the rows behind `after`, and the number of the last row."""
    found = {}
    for number, key, cost in connection.execute(_AFTER, {"after": after}):
        found[key] = cost
        after = number
    return found, after


def write(connection: Connection, found: Mapping[str, Sequence[object]]) -> None:
    """Keeps what is new; the same key always has the same cost."""
    connection.execute(_KEEP, [{"key": key, "cost": list(cost)} for key, cost in found.items()])
