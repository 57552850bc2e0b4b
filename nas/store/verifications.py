"""What the last phase of a run measured again: a row a trial and column, replaced by the next verification."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from nas.store import tables
from nas.store.rows import StudyRow, Verification


def write(connection: Connection, study: StudyRow, found: Iterable[Verification]) -> None:
    """Keeps these instead of all that were kept before: a verification compares those that it measured together."""
    of = tables.verifications.c
    connection.execute(delete(tables.verifications).where(of.study_uuid == study.uuid))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        {
            "study_uuid": study.uuid,
            "trial": one.trial,
            "column": one.column,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "processes": list(one.processes),
            "outcome": one.outcome,
            "message": one.message,
            "created_at": now,
            "environment": one.environment,
        }
        for one in found
    ]
    if rows:
        connection.execute(insert(tables.verifications), rows)


def read(connection: Connection, study: StudyRow) -> list[Verification]:
    """Those of the last verification, by trial."""
    of = tables.verifications.c
    rows = connection.execute(
        select(tables.verifications).where(of.study_uuid == study.uuid).order_by(of.trial, of.column)
    )
    return [
        Verification(of.trial, of.column, of.outcome, of.value, of.low, of.high, tuple(of.processes), of.message,
                     of.environment)
        for of in rows
    ]
