"""`python -m tests.benchmarks [--small] [--only NAME ...]`: ours beside its peers, as one table.

A benchmark is a file `bench_NAME.py` beside this one, with `rows(scale, folder)` that yields its rows as they are
measured: whatever lies there is run. `folder` is its own, on the disk that holds the system's temporary files.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from tests.benchmarks.row import Row, Scale
from tests.benchmarks.table import ROOT, page, plain

HERE = Path(__file__).parent
PREFIX = "bench_"
OUT = ROOT / "reports" / "benchmarks.md"


def names() -> list[str]:
    """Every benchmark that there is."""
    found = (module.name for module in pkgutil.iter_modules([str(HERE)]))
    return sorted(name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))


def measured(name: str, scale: Scale) -> tuple[list[Row], bool]:
    """The rows of one benchmark, and whether it came to its end; one that fails leaves a row that says why."""
    rows: list[Row] = []
    module = importlib.import_module(f"tests.benchmarks.{PREFIX}{name}")
    try:
        with tempfile.TemporaryDirectory(prefix=f"nas-benchmark-{name}-") as folder:
            for row in module.rows(scale, Path(folder)):
                rows.append(row)
                print(f"  {row.what}: {row.ours} against {row.peer}", file=sys.stderr, flush=True)
    except Exception as error:  # noqa: BLE001  # the other benchmarks are run all the same
        traceback.print_exc()
        return [*rows, Row(f"{name}: failed", "", "", None, None, f"{type(error).__name__}: {error}")], False
    return rows, True


def main() -> int:
    """Runs what was asked for; 1 where a benchmark failed. A target that is missed is a result, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="show that it works; the figures mean nothing")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names(), help=f"some of: {', '.join(names())}")
    parser.add_argument("--out", type=Path, help="the page to write; default: reports/benchmarks.md of a full run of "
                                                 "all of them, else none")
    asked = parser.parse_args()

    import optuna
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began, groups, well = time.perf_counter(), {}, True
    for name in asked.only or names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        groups[name], done = measured(name, Scale(asked.small))
        well = well and done
    print(plain([row for rows in groups.values() for row in rows]))
    out = asked.out or (None if asked.small or asked.only else OUT)
    if out is not None:
        out.write_text(page(groups, asked.small, time.perf_counter() - began))
        print(f"\nwrote {out}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
