"""`python -m tests.benchmarks.training_free`: its correlations on figures worked out by hand, and itself on a handful of
networks of the published table.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas.plugins import load_plugins
from tests.benchmarks.ranking import bootstrap, partial_spearman, spearman
from tests.benchmarks.training_free import COSTS, METRICS, STUDY_PLUGIN, Score, distinct, drawn, judged, read_table

ROOT = Path(__file__).parents[2]
TABLE = ROOT.parent / "shared/data/nas-bench-macro_cifar10.json"


@pytest.fixture
def table() -> Path:
    if not TABLE.exists():
        pytest.skip(f"the published table is not here: {TABLE}")
    return TABLE


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks.training_free", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=float)


def test_a_rank_correlation_sees_the_order_alone_and_shares_ranks_among_equals() -> None:
    assert spearman(values(1, 2, 3, 4), values(1, 10, 100, 1000)) == pytest.approx(1)
    assert spearman(values(1, 2, 3, 4), values(4, 3, 2, 1)) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, squares 4.5 and 5.
    assert spearman(values(1, 2, 2, 3), values(1, 2, 3, 4)) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert spearman(values(7, 7, 7), values(1, 2, 3)) == 0


def test_given_macs_is_the_partial_correlation_of_the_ranks() -> None:
    """Of ranks 1 2 3 4, 2 1 4 3 and 1 3 2 4: correlations 0.6, 0.8 and 0, of which (0.6 - 0) / sqrt(0.36 x 1) is left."""
    score, accuracy, macs = values(1, 2, 3, 4), values(2, 1, 4, 3), values(1, 3, 2, 4)
    assert (spearman(score, accuracy), spearman(score, macs)) == pytest.approx((0.6, 0.8))
    assert spearman(accuracy, macs) == pytest.approx(0)
    assert partial_spearman(score, accuracy, macs) == pytest.approx(1)
    assert partial_spearman(score, accuracy, np.log(macs)) == partial_spearman(score, accuracy, macs)


def test_what_orders_networks_as_macs_do_tells_nothing_beyond_them() -> None:
    macs, accuracy = values(1, 2, 3, 4, 5), values(2, 1, 4, 3, 5)
    assert partial_spearman(2 * macs, accuracy, macs) == 0


def test_a_bootstrap_interval_holds_the_value_is_repeatable_and_narrows_with_more_networks() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (50, 800):
        one = rng.normal(size=count)
        other = one + rng.normal(size=count)
        found = bootstrap(lambda at, one=one, other=other: spearman(one[at], other[at]), count)
        assert found == bootstrap(lambda at, one=one, other=other: spearman(one[at], other[at]), count)
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert 2.5 < widths[0] / widths[1] < 6.5, "four, as the square root of 16"


def test_only_a_score_whose_lead_over_macs_is_sure_beats_them() -> None:
    rng = np.random.default_rng(0)
    accuracy = rng.normal(size=200)
    macs = accuracy + rng.normal(size=200)
    kinds = {"macs": macs, "activations": rng.normal(size=200), "better": accuracy + 0.1 * rng.normal(size=200), "worse": rng.normal(size=200),
             "alike": macs + 0.1 * rng.normal(size=200)}
    scores = [Score(name, [[value] for value in values], [0.1]) for name, values in kinds.items()]
    rows = {row.name: row for row in judged(scores, accuracy)}
    assert {name: row.verdict for name, row in rows.items()} == {
        "macs": "", "activations": "no: worse", "better": "yes", "worse": "no: worse", "alike": "no: not told apart",
    }
    assert rows["macs"].given.keys() == {"activations"}
    assert rows["better"].given["macs"].low > 0.5
    assert rows["alike"].given["macs"].low < 0 < rows["alike"].given["macs"].high


def test_the_distinct_networks_of_the_table_are_drawn_alike_each_time(table: Path) -> None:
    archs = distinct(read_table(table), load_plugins([STUDY_PLUGIN]))
    assert len(archs) == 3_969
    assert drawn(archs, 500) == drawn(dict(reversed(archs.items())), 500)
    assert len(set(drawn(archs, 500))) == 500


def test_a_handful_of_networks_gives_a_row_a_score(table: Path) -> None:
    done = benchmark("--data", str(table), "--networks", "4", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert "4 networks of 3,969 distinct ones" in done.stdout
    assert "training-free metrics" in done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"`{name}`" for name in (*COSTS, *METRICS)]
    for name, correlation, beyond_macs, beyond_activations, over, *_ in rows:
        cells = {correlation, beyond_macs, beyond_activations, over}
        assert ("" in cells) == (name in ("`macs`", "`activations`"))
        for cell in cells - {""}:
            assert re.fullmatch(r"-?\d\.\d\d \[-?\d\.\d\d, -?\d\.\d\d\]", cell), (name, cell)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("[]", "is not the table"), ('{"0": 1}', "is not the table")])
def test_what_is_no_table_is_told_with_where_it_comes_from(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    done = benchmark("--data", str(path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "github.com/xiusu/NAS-Bench-Macro" in done.stderr
    assert "Traceback" not in done.stderr


def test_more_networks_than_there_are_or_an_unknown_metric_are_refused(table: Path) -> None:
    for wrong, said in ((["--networks", "4000"], "3,969"), (["--metrics", "naswat"], "did you mean 'naswot'?")):
        done = benchmark("--data", str(table), *wrong)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_the_table_of_the_plugin_page_is_of_the_metrics_that_the_benchmark_asks_by_default() -> None:
    page = (ROOT / "plugins/README.md").read_text()
    section = page.split("### Training-free metrics")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == [*COSTS, *METRICS]
    assert "python -m tests.benchmarks.training_free --data" in section
