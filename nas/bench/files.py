"""A bench as files: a Markdown page with its picture, CSV with a line a measurement, JSON with every sample."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from nas.bench.page import page
from nas.bench.picture import picture
from nas.bench.result import Bench, Row, Timing
from nas.errors import SpecError, StoreError
from nas.files import check_files, is_folder, write_files
from nas.outcomes import COST_COLUMNS
from nas.text import in_spreadsheet
from nas.version import VERSION

_OF_A_TIMING = ("runtime", "batch", "median_ms", "low_ms", "high_ms", "iqr_ms", "reference_ratio", "fused",
                "launch_bound", "stopped_by", "environment", "seconds")
CSV_COLUMNS = ("network", "outcome", "message", "ended", "input_shape", *COST_COLUMNS, *_OF_A_TIMING, "n",
               "images_per_s", "flop_per_s", "bytes_per_s", "of_roof", "warnings", "published_accuracy",
               "published_params", "published_gflops")


def as_csv(bench: Bench) -> str:
    """A line a measurement; one without a measurement for a network that has none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for row in bench.rows:
        writer.writerows(_lines(bench, row))
    return text.getvalue()


def _lines(bench: Bench, row: Row) -> Iterator[dict[str, object]]:
    line: dict[str, object] = {
        "network": in_spreadsheet(row.network), "outcome": row.outcome, "message": in_spreadsheet(row.message),
        "ended": in_spreadsheet(row.ended), "input_shape": "x".join(map(str, row.input_shape)),
    }
    if row.cost:
        line |= {name: getattr(row.cost, name) for name in COST_COLUMNS}
    if row.published:
        line |= {"published_accuracy": row.published.accuracy, "published_params": row.published.params,
                 "published_gflops": row.published.gflops}
    if not row.timings:
        yield line
    for timing in row.timings:
        yield line | _measured(bench, row, timing)


def _measured(bench: Bench, row: Row, timing: Timing) -> dict[str, object]:
    per_s, share = 1e3 / timing.median_ms, bench.share(row, timing)
    line = {name: getattr(timing, name) for name in _OF_A_TIMING}
    line |= {"n": len(timing.samples_ms), "images_per_s": timing.images_per_s,
             "warnings": in_spreadsheet("; ".join(timing.warnings))}
    if row.cost:
        line |= {"flop_per_s": per_s * row.flop(timing.batch),
                 "bytes_per_s": per_s * row.traffic(timing.batch, bench.conditions.itemsize)}
    return line | ({} if share is None else {"of_roof": share})


def as_json(bench: Bench) -> str:
    """Everything, every sample among it."""
    return json.dumps({"nas": VERSION, **bench.as_dict()}, indent=1) + "\n"


def _page(bench: Bench, out: Path) -> dict[Path, str]:
    return {out: page(bench, _image(out).name), _image(out): picture(bench)}


def _image(out: Path) -> Path:
    return out.with_suffix(".svg")


_FORMATS: dict[str, Callable[[Bench, Path], dict[Path, str]]] = {
    ".md": _page,
    ".csv": lambda bench, out: {out: as_csv(bench)},
    ".json": lambda bench, out: {out: as_json(bench)},
}


def check_out(out: Path) -> None:
    """Whether a bench can be written there, with its picture if it has one: asked before anything is measured.

    Raises:
        SpecError: its ending is of no format; a file is a folder, its folder is not there, or may not be written to.
    """
    if out.suffix not in _FORMATS:
        raise SpecError(f"--out: {out}: name a file that ends in {', '.join(_FORMATS)}")
    if is_folder(out):
        raise SpecError(f"--out: {out} is a folder; name a file in it")
    if not is_folder(out.parent):
        raise SpecError(f"--out: there is no folder {out.parent}; make it, or give another path")
    try:
        check_files([out, _image(out)] if out.suffix == ".md" else [out])
    except StoreError as error:
        raise SpecError(f"--out: {error}") from None


def write(bench: Bench, out: Path) -> tuple[Path, ...]:
    """Writes the files, `out` first, and gives their paths.

    Raises:
        StoreError: one cannot be written; none is.
    """
    texts = _FORMATS[out.suffix](bench, out)
    try:
        write_files(texts)
    except StoreError as error:
        raise StoreError(f"--out: {error}") from None
    return tuple(texts)
