"""A report as files to pass on: the Markdown page, and its picture beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import SpecError
from nas.files import is_folder, write_files
from nas.report.formats import as_markdown
from nas.report.picture import picture

if TYPE_CHECKING:
    from nas.report.report import Report


def write_page(report: Report, out: Path) -> tuple[Path, Path]:
    """Writes the page to `out` and the picture beside it, `report.svg` for `report.md`, and gives both paths.

    Raises:
        SpecError: `out` is a folder, or named like the picture itself.
        StoreError: a file cannot be written; neither is.
    """
    if is_folder(out):
        raise SpecError(f"{out}: a page is a file, this is a directory; write {out / 'report.md'}")
    image = out.with_suffix(".svg")
    if image == out:
        raise SpecError(f"{out}: this is where the page's picture goes; name the page .md")
    page, drawn = as_markdown.render(report, image.name), picture(report)  # both, before anything is written
    write_files({out: page, image: drawn})
    return out, image
