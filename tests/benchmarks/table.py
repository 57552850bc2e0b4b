"""The table of all rows: on the terminal, and as a page with the machine and the versions."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.benchmarks.row import Row

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "optuna", "scikit-learn", "scipy", "sqlalchemy", "pandas", "numpy", "fvcore", "ptflops")
HEAD = ("what", "ours", "peer", "ratio", "target", "met?")


def cells(row: Row) -> tuple[str, ...]:
    """What stands in the row's columns."""
    ratio = "" if row.ratio is None else f"{row.ratio:,.3g}x" if row.ratio < 1000 else f"{row.ratio:,.0f}x"
    return row.what, row.ours, row.peer, ratio, str(row.target or ""), row.met


def plain(rows: Sequence[Row]) -> str:
    """The table in columns of equal width."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)


def page(groups: Mapping[str, Sequence[Row]], small: bool, took_s: float) -> str:
    """The table as Markdown, with a note for each row, the machine and the versions."""
    rows = [row for found in groups.values() for row in found]
    missed = [row.what for row in rows if row.met == "no"]
    lines = [
        "# Benchmarks",
        "",
        f"`python -m tests.benchmarks{' --small' if small else ''}` wrote this page in {took_s / 60:.1f} min: one run.",
        "A ratio says how many times better ours is; where the target is from above, it is ours / peer.",
        "",
    ]
    if small:
        lines += ["**Small: this shows that the benchmarks work. The figures mean nothing.**", ""]
    lines += [_line(HEAD), _line(["---"] * len(HEAD)), *(_line(cells(row)) for row in rows), "", "## How, and why", ""]
    for name, found in groups.items():
        lines += [f"### {name}", "", *(f"- {row.what}: {row.note or 'as it says.'}" for row in found), ""]
    if missed:
        lines += ["## Missed", "", *(f"- {what}" for what in missed), ""]
    lines += ["## Machine", "", *(f"- {name}: {value}" for name, value in machine().items()), ""]
    return "\n".join(lines)


def machine() -> dict[str, str]:
    """What the figures depend on besides the code."""
    from nas.latency import processor

    found = {
        "nas": _revision(),
        "CPU": f"{processor.model()}, {len(processor.available_cpus())} available",
        "load": f"{load:.2f} in the last minute" if (load := processor.load_average()) is not None else "not known",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
                  f"SQLite {sqlite3.sqlite_version}",
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _revision() -> str:
    from nas.version import VERSION

    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{VERSION}, revision {told.stdout.strip() or 'not known'}, {sys.executable.rsplit('/', 1)[-1]}"


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
