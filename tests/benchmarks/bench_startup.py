"""How long the command line takes to answer, beside an interpreter that imports torch and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.filled import filled
from tests.benchmarks.row import Row, Scale, Target, alternately, duration
from tests.benchmarks.table import ROOT

NAS = "from nas.cli import main; main()"


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """`nas --help`, and the report of a small study."""
    name, storage = filled(folder / "small.db", scale.of(20, 3))
    calls = [
        lambda: _python("import torch"),
        lambda: _python(NAS, "--help"),
        lambda: _python(NAS, "report", name, "--storage", storage),
    ]
    if not scale.small:
        alternately(calls, 1)  # what the disk has to be asked for once, is there
    torch, usage, report = alternately(calls, scale.of(9, 1))
    told = f"whole processes, in turns, median of {scale.of(9, 1)}, everything in the disk's cache."
    yield Row("`nas --help`", duration(usage), f"{duration(torch)} import torch", usage / torch,
              Target(0.15, at_least=False), told)
    yield Row("`nas report` of a small study", duration(report), f"{duration(torch)} import torch", report / torch,
              Target(0.6, at_least=False), f"20 trials of 40 parameters with a latency. {told}")


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True)
