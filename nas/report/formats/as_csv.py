"""CSV for other programs: every row and column, numbers in full precision, and no text that acts as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.render import Format
from nas.text import in_spreadsheet

if TYPE_CHECKING:
    import pandas as pd

    from nas.report.report import Report


def render(report: Report) -> str:
    """The report as CSV with a header. A missing value is an empty cell."""
    return written(report.frame)


def written(frame: pd.DataFrame) -> str:
    """A frame as CSV with a header, and with no text that acts as a formula."""
    inert = frame.rename(columns=in_spreadsheet)
    for name, kind in inert.dtypes.items():
        if kind in ("str", "object"):
            inert[name] = inert[name].map(_cell)
    return inert.to_csv(index=False, lineterminator="\n")


def _cell(value: object) -> object:
    return in_spreadsheet(value) if isinstance(value, str) else value


FORMAT = Format("csv", ".csv", render)
