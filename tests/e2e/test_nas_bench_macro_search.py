"""A search of NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543) by the default sampler, and the benchmark of samplers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas.search.samplers import distributions
from tests.benchmarks.nas_bench_macro import LIMIT, OURS, Table, questions, sampler_of, search, short, space

ROOT = Path(__file__).parents[2]
TABLE = ROOT.parent / "shared/data/nas-bench-macro_cifar10.json"


@pytest.fixture(scope="module")
def table() -> Table:
    if not TABLE.exists():
        pytest.skip(f"the published table is not here: {TABLE}")
    return Table.read(TABLE)


def searched(table: Table, asked: str, evaluations: int, seed: int = 0) -> list[int]:
    question = questions(table)[asked]
    sampler = sampler_of(OURS, TABLE, question, seed)
    return search(sampler, question, table, distributions(space(TABLE)), evaluations)[0]


def test_after_60_of_3969_networks_the_front_is_all_but_found(table: Table) -> None:
    asked = "mean accuracy and MACs"
    places = searched(table, asked, 60)
    assert len(set(places)) == 60
    assert short(questions(table)[asked], table, places) < 0.5  # by chance 12 %


def test_no_network_is_evaluated_that_breaks_a_constraint_on_macs(table: Table) -> None:
    places = searched(table, "mean accuracy and MACs, macs <= 40e6", 30)
    assert table.macs[places].max() <= LIMIT


def test_the_benchmark_sets_ours_beside_a_stock_sampler(table: Table, tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    command = [sys.executable, "-m", "tests.benchmarks.nas_bench_macro", "--data", str(TABLE), "--seeds", "1",
               "--evaluations", "12", "--only", OURS, "RandomSampler", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = out.read_text()
    assert page.count(f"| {OURS} |") == page.count("| RandomSampler |") == len(questions(table)) == 4
    assert "| 100 % |" in page
