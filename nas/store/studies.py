"""Studies in the database: Optuna's row and ours."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, and_, insert, select

from nas.errors import StoreError, nearest
from nas.store import optuna_tables as optuna
from nas.store import tables
from nas.store.rows import ColumnRow, StudyRow


def insert_ours(connection: Connection, study: StudyRow) -> None:
    """Our rows of a study that Optuna has."""
    connection.execute(insert(tables.studies).values(
        uuid=study.uuid,
        optuna_id=study.optuna_id,
        name=study.name,
        created_at=study.created_at,
        nas_version=study.nas_version,
        spec=study.spec,
        registry=study.registry,
        objectives=list(study.objectives.items()),  # in their order, which is that of Optuna's values
        constraints=list(study.constraints),
    ))
    rows = [
        {
            "study_uuid": study.uuid,
            "position": position,
            "name": column.name,
            "metric": column.metric,
            "unit": column.unit,
            "direction": column.direction,
            "source": column.source,
            "role": column.role,
            "required": column.required,
            "options": column.options,
        }
        for position, column in enumerate(study.columns)
    ]
    if rows:
        connection.execute(insert(tables.columns), rows)


def check_columns(study: StudyRow) -> None:
    """Whether each objective and constraint is of a column.

    Raises:
        StoreError: one is not, or there is no objective.
    """
    known = {column.name for column in study.columns}
    used = [*study.objectives, *(name for name, _, _ in study.constraints)]
    if missing := [name for name in used if name not in known]:
        raise StoreError(f"study '{study.name}': {', '.join(missing)} is optimised or bounded, and no column of it")
    if not study.objectives:
        raise StoreError(f"study '{study.name}' has no objective")


def optuna_has(connection: Connection, name: str) -> bool:
    """Whether Optuna has a study of this name, ours or not."""
    return connection.execute(select(optuna.studies.c.study_id).where(optuna.studies.c.study_name == name)
                              ).first() is not None


def find(connection: Connection, name: str) -> StudyRow | None:
    """The study of this name; None where there is neither one of ours nor one of Optuna's alone.

    Raises:
        StoreError: there is one of Optuna's alone.
    """
    ours, theirs, attribute = tables.studies.c, optuna.studies.c, optuna.study_user_attributes.c
    row = connection.execute(
        select(tables.studies, theirs.study_id, attribute.value_json)
        .join_from(optuna.studies, tables.studies, ours.optuna_id == theirs.study_id, isouter=True)
        .join(
            optuna.study_user_attributes,
            and_(attribute.study_id == theirs.study_id, attribute.key == optuna.UUID_KEY),
            isouter=True,
        )
        .where(theirs.study_name == name)
    ).mappings().first()
    if row is None:
        return None
    # Optuna's study carries our UUID too: its ids and names are given anew, and rows of another study are not ours
    if row["uuid"] is None or row["value_json"] != json.dumps(row["uuid"]):
        raise StoreError(f"study '{name}' is one of Optuna's own, without the rows of nas; give the study another name")
    study = _study(connection, row)
    check_columns(study)
    return study


def names(connection: Connection) -> list[str]:
    """Of our studies, in the order of their creation."""
    ours, theirs = tables.studies.c, optuna.studies.c
    rows = connection.execute(
        select(theirs.study_name)
        .join_from(tables.studies, optuna.studies, ours.optuna_id == theirs.study_id)
        .order_by(theirs.study_id)
    )
    return [row[0] for row in rows]


def unknown(name: str, known: list[str], place: object) -> StoreError:
    """The error that no study has this name."""
    told = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
    return StoreError(f"{place}: there is no study '{name}'{nearest(name, known)}; "
                      + (f"there are {told}" if known else "there is none yet"))


def _study(connection: Connection, row: Any) -> StudyRow:
    column = tables.columns.c
    columns = connection.execute(
        select(tables.columns).where(column.study_uuid == row["uuid"]).order_by(column.position)
    ).mappings()
    return StudyRow(
        uuid=row["uuid"],
        name=row["name"],
        optuna_id=row["study_id"],
        created_at=row["created_at"],
        nas_version=row["nas_version"],
        spec=row["spec"],
        registry=row["registry"],
        columns=tuple(
            ColumnRow(
                name=of["name"],
                metric=of["metric"],
                unit=of["unit"],
                direction=of["direction"],
                source=of["source"],
                role=of["role"],
                required=of["required"],
                options=of["options"],
            )
            for of in columns
        ),
        objectives=dict(row["objectives"]),
        constraints=tuple((name, operator, bound) for name, operator, bound in row["constraints"]),
    )
