"""A verification in a report: it decides the front and what is feasible, and stands beside what the search measured."""

from __future__ import annotations

import dataclasses
import io
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import nas
from nas.report.formats import as_html, as_markdown
from nas.report.report import Report, load_report
from nas.report.terminal import summary_table
from nas.report.verification_text import verification
from nas.report.verified import Again, Verified, broken, by_place
from nas.store.rows import StudyRow, Verification
from nas.store.store import Store

SLOWER = Verification(0, "latency_ms", "ok", 4.0, 3.5, 4.6, (3.8, 4.0, 4.2))
MUCH_SLOWER = Verification(1, "latency_ms", "ok", 4.5, 4.3, 4.7, (4.4, 4.5, 4.6))
AS_IT_WAS = Verification(2, "latency_ms", "ok", 3.9, 3.8, 4.1, (3.9, 3.9, 4.0))
HOT = Verification(1, "latency_ms", "throttled", processes=(3.1,), message="too <hot>\x1b[31m | now")


@pytest.fixture
def verified(storage: str, tmp_path: Path) -> Callable[..., str]:
    """The URL of the study, with what its last phase found: trials 0 and 1 are its front by the search."""

    def made(*found: Verification) -> str:
        path = tmp_path / "verified.db"
        shutil.copy(storage.removeprefix("sqlite:///"), path)
        with Store.open(f"sqlite:///{path}") as store:
            store.write_verifications(store.study("digits_small"), found)
        return f"sqlite:///{path}"

    return made


def report_of(url: str) -> Report:
    return load_report("digits_small", url)


def test_the_frame_has_what_was_verified_behind_what_was_searched(verified) -> None:
    frame = nas.read_report("digits_small", storage=verified(SLOWER, MUCH_SLOWER))
    names = list(frame.columns)
    first = names.index("latency_ms_high") + 1
    assert names[first:first + 4] == ["latency_ms_verified", "latency_ms_verified_low", "latency_ms_verified_high",
                                      "naswot"]
    assert (frame["latency_ms"][0], frame["latency_ms_verified"][0]) == (1.25, 4.0)
    assert (frame["latency_ms_verified_low"][1], frame["latency_ms_verified_high"][1]) == (4.3, 4.7)
    assert math.isnan(frame["latency_ms_verified"][2])


def test_without_a_verification_there_is_no_column_of_it(storage: str) -> None:
    assert not [name for name in nas.read_report("digits_small", storage=storage).columns if "verified" in name]
    assert verification(load_report("digits_small", storage)) is None


def test_the_front_is_that_of_the_verified_values(verified) -> None:
    report = report_of(verified(SLOWER, MUCH_SLOWER, AS_IT_WAS))
    assert report.frame["trial"][report.frame["pareto"]].tolist() == [1, 2]
    assert (report.verified.front, report.verified.left, report.verified.joined) == ((1, 2), (0,), (2,))


def test_what_was_not_verified_does_not_win_by_the_search_s_luck(verified) -> None:
    """By the search, trial 2 has 0.90 in 4.0 ms: better than both members are once they were measured again."""
    report = report_of(verified(SLOWER, MUCH_SLOWER))
    assert report.frame["trial"][report.frame["pareto"]].tolist() == [0, 1]


def test_a_member_that_was_not_verified_stays_with_the_search_s_value(verified) -> None:
    report = report_of(verified(SLOWER))
    assert report.frame["trial"][report.frame["pareto"]].tolist() == [1], "0.953 in 3.1 ms beats 0.81 in 4.0"


@pytest.mark.parametrize(
    ("operator", "bound", "told"),
    [
        ("<=", 4.6, []), ("<=", 4.59, ["breaks latency_ms <= 4.59, verified up to 4.6"]),
        (">=", 3.5, []), (">=", 3.51, ["breaks latency_ms >= 3.51, verified down to 3.5"]),
    ],
)
@pytest.mark.parametrize("searched", [1.25, 9.0])
def test_a_bound_is_kept_by_the_worse_end_of_the_verified_interval_whatever_the_search_saw(
    report: Report, operator, bound, told, searched
) -> None:
    study: StudyRow = dataclasses.replace(report.study, constraints=(("latency_ms", operator, bound),))
    assert broken(study, 0, {"latency_ms": searched}, by_place([SLOWER])) == told
    assert broken(study, 1, {"latency_ms": searched}, by_place([SLOWER])) is None, "it was not measured again"


def test_beside_a_verified_bound_the_others_are_kept_or_broken_by_the_search_s_values(report: Report) -> None:
    study = dataclasses.replace(report.study, constraints=(("params", "<=", 10.0), ("latency_ms", "<=", 5.0)))
    assert broken(study, 0, {"params": 11, "latency_ms": 1.25}, by_place([SLOWER])) == ["breaks params <= 10"]
    assert broken(study, 0, {"params": 10, "latency_ms": 1.25}, by_place([SLOWER])) == []


BROKEN = Verification(0, "latency_ms", "ok", 4.9, 4.7, 5.2, (4.9, 4.9))
KEPT = Verification(1, "latency_ms", "ok", 4.7, 4.5, 4.95, (4.7, 4.7))


def verify(url: str, *found: Verification) -> Report:
    with Store.open(url) as store:
        store.write_verifications(store.study("bounded"), found)
    return load_report("bounded", url)


def test_what_was_verified_on_another_machine_decides_nothing_unless_they_are_mixed(bounded) -> None:
    with Store.open(bounded) as store:
        there = store.keep_environment({"cpu": "another"})
    elsewhere = dataclasses.replace(BROKEN, environment=there)
    report = verify(bounded, elsewhere, KEPT)
    assert report.frame["feasible"].tolist() == [True, True], "trial 0 as the search measured it"
    assert report.frame["latency_ms_verified"].isna().tolist() == [True, False]
    [notice] = report.notices
    assert notice == ("1 of 2 verified values were measured in another environment than the search's "
                      f"({there}), and are left out; --mix-environments takes them")
    mixed = load_report("bounded", bounded, mix_environments=True)
    assert mixed.frame["feasible"].tolist() == [False, True]
    assert mixed.notices == ()
    assert there in mixed.environments


def test_what_was_verified_on_the_machine_of_the_search_counts(bounded) -> None:
    with Store.open(bounded) as store:
        [here] = store.environment_rows(store.study("bounded"))
    report = verify(bounded, dataclasses.replace(BROKEN, environment=here))
    assert report.notices == ()
    assert report.frame["feasible"].tolist() == [False, False]


def test_a_near_miss_that_keeps_the_bound_once_verified_joins_the_front_and_who_breaks_it_says_so(bounded) -> None:
    report = verify(bounded, BROKEN, KEPT)
    assert report.frame["feasible"].tolist() == [False, True]
    assert report.frame["pareto"].tolist() == [False, True]
    assert report.frame["message"].tolist() == ["breaks latency_ms <= 5, verified up to 5.2", ""]
    assert (report.verified.left, report.verified.joined) == ((0,), (1,))


def test_where_nobody_keeps_a_bound_the_nearest_is_told_by_what_it_was_verified_to(bounded) -> None:
    out = io.StringIO()
    Console(file=out, width=160, force_terminal=False).print(summary_table(verify(bounded, BROKEN)))
    assert "latency_ms <= 5: the nearest of 2 came to 5.1 ms" in out.getvalue()


def test_one_that_failed_says_how_and_keeps_the_search_s_value(verified) -> None:
    report = report_of(verified(HOT, SLOWER))
    assert report.frame["pareto"][1]
    told = verification(report)
    assert told is not None
    (row,) = (row for row in told.rows if row[0] == "1")
    assert row == ("1", "3.123 [3.077, 3.169]", "throttled", "", "on it")
    assert "trial 1, latency_ms: throttled: too <hot>[31m | now" in told.sentences


def test_the_table_says_what_became_of_each_and_how_far_the_two_agree(verified) -> None:
    told = verification(report_of(verified(SLOWER, MUCH_SLOWER, AS_IT_WAS)))
    assert told is not None
    assert told.headers == ("trial", "searched", "verified", "verified / searched", "front")
    assert told.rows == (
        ("0", "1.25 [1.204, 1.296]", "4 [3.5, 4.6]", "3.20", "left it"),
        ("1", "3.123 [3.077, 3.169]", "4.5 [4.3, 4.7]", "1.44", "on it"),
        ("2", "4 [3.954, 4.046]", "3.9 [3.8, 4.1]", "0.97", "joined it"),
    )
    measured, changed = told.sentences
    assert measured == (
        "latency_ms: each network in 3 fresh processes, in random order. Verified is the median of the processes, with "
        "the 90 % interval of one more. Search and verification order the 3 networks alike to Spearman's rho -0.50, "
        "Kendall's tau -0.33."
    )
    assert changed == "1 left the front: trial 0; 1 joined it: trial 2."


def test_of_two_networks_no_order_is_told(verified) -> None:
    told = verification(report_of(verified(SLOWER, MUCH_SLOWER)))
    assert told is not None
    assert "rho" not in told.sentences[0]
    assert told.sentences[-1] == "Nobody left the front, and nobody joined it."


def test_ranks_are_compared_whatever_the_scale() -> None:
    def row(trial: int, searched: float, value: float) -> Again:
        return Again(searched, None, None, Verification(trial, "t", "ok", value))

    same = Verified(tuple(row(trial, trial + 1.0, (trial + 1.0) ** 3) for trial in range(5)))
    assert same.correlation("t") == (5, pytest.approx(1.0), pytest.approx(1.0))
    assert same.correlation("other")[0] == 0


def test_where_all_values_are_equal_there_is_no_order_to_compare() -> None:
    rows = tuple(Again(1.0, None, None, Verification(trial, "t", "ok", 1.0 + trial)) for trial in range(4))
    n, rho, tau = Verified(rows).correlation("t")
    assert n == 4
    assert math.isnan(rho)
    assert math.isnan(tau)


def test_every_report_for_people_has_it_and_no_text_of_others_acts(verified) -> None:
    report = report_of(verified(HOT, SLOWER))
    out = io.StringIO()
    Console(file=out, width=160, force_terminal=False).print(summary_table(report))
    page, html = as_markdown.render(report), as_html.render(report)
    assert "## Verification" in page
    assert "<h2>Verification</h2>" in html
    assert "Verification" in out.getvalue()
    assert "too <hot>" not in html
    assert "too &lt;hot&gt;" in html
    assert all("\x1b" not in text for text in (page, html, out.getvalue()))


def test_the_front_s_table_shows_the_verified_values(verified) -> None:
    page = as_markdown.render(report_of(verified(SLOWER, MUCH_SLOWER)))
    (row,) = (line for line in page.splitlines() if line.startswith("| 0 | 0.8101"))
    assert "4 [3.5, 4.6]" in row
