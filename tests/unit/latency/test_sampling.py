"""Warm-up and sampling, driven by a clock that only the timed calls move."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from nas.latency.sampling import Samples, reference_every, sample, warm_up
from nas.latency.stopping import Budget, StoppingRule, WarmUpRule
from nas.latency.timing import HostTimer

if TYPE_CHECKING:
    from conftest import FakeClock

RULE = WarmUpRule(min_seconds=0.1, max_share=0.3, window_s=0.03, windows=3, tolerance=0.02)
BUDGET = Budget(passes=100, least_s=1.0, max_seconds=10.0)


def test_a_steady_network_is_warm_after_the_shortest_time(clock: FakeClock) -> None:
    warm = warm_up(clock.call(0.001), HostTimer(clock.ns), RULE, BUDGET, clock=clock.seconds)
    assert warm.stable
    assert warm.level_s == pytest.approx(0.001)
    assert warm.seconds == pytest.approx(0.12)  # four windows of 30 ms: three end before 100 ms
    assert warm.calls == 120


def test_warm_up_goes_by_time_and_waits_until_a_slow_start_is_over(clock: FakeClock) -> None:
    cooling = (max(0.001, 0.002 - index * 1e-5) for index in itertools.count())  # falls over 100 calls
    warm = warm_up(clock.call(cooling), HostTimer(clock.ns), RULE, BUDGET, clock=clock.seconds)
    assert warm.stable
    assert warm.level_s == pytest.approx(0.001)
    assert warm.seconds > 0.15


def test_a_level_that_never_settles_ends_at_the_share_of_the_budget_and_says_so(clock: FakeClock) -> None:
    restless = itertools.cycle([0.03, 0.04])
    warm = warm_up(clock.call(restless), HostTimer(clock.ns), RULE, BUDGET, clock=clock.seconds)
    assert not warm.stable
    assert warm.seconds <= 0.3 * BUDGET.passes * 0.04 + 0.04


def test_a_network_of_seconds_is_called_once_or_twice(clock: FakeClock) -> None:
    warm = warm_up(clock.call(1.5), HostTimer(clock.ns), RULE, BUDGET, clock=clock.seconds)
    assert (warm.calls, warm.stable) == (2, False)


def test_candidate_and_reference_alternate(clock: FakeClock) -> None:
    log: list[str] = []
    result = sample(
        clock.call(0.01, log, "candidate"),
        clock.call(0.002, log, "reference"),
        HostTimer(clock.ns),
        StoppingRule(0.01, 10.0, 8),
        clock=clock.seconds,
    )
    assert log == ["candidate", "reference", "reference"] * 8
    assert result.candidate_s == pytest.approx([0.01] * 8)
    assert result.reference_s == pytest.approx([0.002] * 8)
    assert result.paces == pytest.approx([0.002] * 8)
    assert result.ratios == pytest.approx([5.0] * 8)


def test_a_ratio_pairs_neighbours_so_that_drift_which_hits_both_cancels(clock: FakeClock) -> None:
    drift = [1.0, 1.5, 2.0, 1.2]
    result = sample(
        clock.call([0.01 * factor for factor in drift]),
        clock.call([0.002 * factor for factor in drift for _ in range(2)]),
        HostTimer(clock.ns),
        StoppingRule(0.01, 10.0, 4),
        clock=clock.seconds,
    )
    assert result.ratios == pytest.approx([5.0] * 4)


def test_a_reference_larger_than_the_candidate_is_timed_less_often(clock: FakeClock) -> None:
    log: list[str] = []
    every = reference_every(0.001, 0.0015)
    assert every == 3
    sample(
        clock.call(0.001, log, "c"),
        clock.call(0.0015, log, "r"),
        HostTimer(clock.ns),
        StoppingRule(0.01, 10.0, 7),
        every=every,
        clock=clock.seconds,
    )
    assert "".join(log) == "crrcccrrcccrr"


@pytest.mark.parametrize(
    ("sample_s", "reference_s", "every"), [(0.01, 0.001, 1), (0.001, 0.0005, 1), (0.0001, 0.0005, 10)]
)
def test_the_reference_takes_at_most_half_of_the_candidates_time(
    sample_s: float, reference_s: float, every: int
) -> None:
    assert reference_every(sample_s, reference_s) == every
    assert reference_s <= 0.5 * every * sample_s + 1e-12


def _run(clock: FakeClock, durations: list[float] | itertools.cycle[float], rule: StoppingRule) -> Samples:
    return sample(clock.call(durations), clock.call(5e-5), HostTimer(clock.ns), rule, clock=clock.seconds)


def test_steady_samples_stop_by_precision_once_they_were_watched_long_enough(clock: FakeClock) -> None:
    result = _run(clock, itertools.cycle([0.0100, 0.01001]), StoppingRule(0.01, 10.0, 1000))
    assert result.stopped_by == "precision"
    assert 20 <= len(result.candidate_s) <= 25
    assert result.seconds == pytest.approx(clock.seconds())


def test_noisy_samples_stop_by_the_cap_of_time(clock: FakeClock) -> None:
    result = _run(clock, itertools.cycle([0.010, 0.014]), StoppingRule(0.01, 1.0, 1000))
    assert result.stopped_by == "cap"
    assert 0.95 <= result.seconds <= 1.0


def test_noisy_samples_stop_by_the_cap_of_count(clock: FakeClock) -> None:
    result = _run(clock, itertools.cycle([0.010, 0.014]), StoppingRule(0.01, 100.0, 37))
    assert (result.stopped_by, len(result.candidate_s)) == ("cap", 37)


def test_a_network_slower_than_the_cap_is_sampled_once(clock: FakeClock) -> None:
    result = _run(clock, [60.0], StoppingRule(0.01, 5.0, 1000))
    assert (result.stopped_by, result.candidate_s) == ("cap", (60.0,))
    assert len(result.ratios) == 1
