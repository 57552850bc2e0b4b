"""`python -m tests.benchmarks --small` works, and its table has the form that readers and scripts rely on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = "| what | ours | peer | ratio | target | met? |"
TARGETS = (">= 40x", ">= 20x", ">= 2,000x", ">= 3x", "<= 0.333x", "<= 0.15x", "<= 0.6x", "<= 2x", "<= 1.5x", "<= 0.03x")


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("benchmarks") / "small.md"
    done = benchmarks("--small", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out.read_text()


def cells_of(page: str) -> list[list[str]]:
    """The rows of the page's table."""
    lines = page.split(HEAD)[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_row_has_both_sides_a_ratio_and_a_verdict_where_there_is_a_target(page: str) -> None:
    rows = cells_of(page)
    assert len(rows) >= 12
    for what, ours, peer, ratio, target, met in rows:
        assert what
        assert ours
        assert peer
        if target:
            assert re.fullmatch(r"[\d,.e+-]+x", ratio), what
            assert met in ("yes", "no"), what
        else:
            assert met == "", what


def test_every_target_is_in_the_table(page: str) -> None:
    assert {row[4] for row in cells_of(page)} - {""} == set(TARGETS)


def test_the_page_says_that_small_figures_mean_nothing_and_names_the_machine_and_the_versions(page: str) -> None:
    assert "The figures mean nothing." in page
    for name in ("CPU", "system", "torch", "optuna", "fvcore"):
        assert re.search(rf"^- {name}: \S", page, re.MULTILINE), name


def test_an_unknown_benchmark_is_refused_with_the_names_that_there_are() -> None:
    done = benchmarks("--only", "nothing")
    assert done.returncode == 2
    for name in ("cost", "storage", "report"):
        assert f"'{name}'" in done.stderr or name in done.stderr.splitlines()[-1]


def test_a_file_named_bench_is_a_benchmark_by_lying_there() -> None:
    from tests.benchmarks.__main__ import names

    files = (ROOT / "tests" / "benchmarks").glob("bench_*.py")
    assert names() == sorted(file.stem.removeprefix("bench_") for file in files)
