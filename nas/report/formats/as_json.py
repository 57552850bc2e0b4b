"""JSON for other programs: what the study and its columns are, and every row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.report.render import Format

if TYPE_CHECKING:
    import pandas as pd

    from nas.report.report import Report


def render(report: Report) -> str:
    """`{study, columns, rows}`, strictly valid: a missing value is null. Every row has every column."""
    study = report.study
    about = {
        "name": study.name,
        "uuid": study.uuid,
        "created_at": study.created_at,
        "nas_version": study.nas_version,
        "objectives": dict(study.objectives),
        "constraints": [
            {"column": column, "operator": operator, "bound": bound} for column, operator, bound in study.constraints
        ],
        "spec": study.spec,
        "registry": study.registry,
    }
    columns = [
        {"name": column.name, "unit": column.unit, "source": column.source, "direction": column.direction}
        for column in report.columns
    ]
    return (
        f'{{"study": {json.dumps(about, indent=1, allow_nan=False)},\n'
        f'"columns": {lines(columns)},\n'
        f'"rows": {lines(cells(report.frame))}}}\n'
    )


def lines(items: Sequence[Mapping[str, Any]]) -> str:
    """An array with an item a line: what changed between two reports shows line by line."""
    return "[\n" + ",\n".join(json.dumps(item, allow_nan=False) for item in items) + "\n]"


def cells(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A mapping a row of the frame, in plain values; None for what is missing."""
    columns = [[_cell(value) for value in frame[name].tolist()] for name in frame.columns]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _cell(value: Any) -> Any:
    """A plain value; None for what pandas has for missing, and for what is no number in JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int) else None


FORMAT = Format("json", ".json", render)
