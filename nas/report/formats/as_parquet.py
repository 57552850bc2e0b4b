"""Parquet for other programs: every row and column in its type, as `nas.read_report(params=True)` has them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nas.errors import SpecError
from nas.report.render import Format

if TYPE_CHECKING:
    from nas.report.report import Report


def render(report: Report) -> bytes:
    """The report as a Parquet file. A parameter whose choices are of several types is a column of text.

    Raises:
        SpecError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401  # pandas writes with it
    except ImportError:
        raise SpecError("the format parquet needs pyarrow: run `pip install 'stagenas[parquet]'`") from None
    frame = report.frame.copy()
    for name, kind in frame.dtypes.items():
        if kind == "object":
            frame[name] = frame[name].map(lambda value: None if value is None else str(value)).astype("str")
    file = io.BytesIO()
    frame.to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


FORMAT = Format("parquet", ".parquet", render)
