"""The median's interval needs no distribution, and holds the median as often as it says."""

from __future__ import annotations

import math
import random

import numpy
import pytest
from scipy.stats import binom

from nas.latency.statistics import (
    fresh_process_interval,
    interquartile_range,
    median,
    median_interval,
    quantile,
)


@pytest.mark.parametrize(
    "samples", [[3.0], [2.0, 1.0], [5.0, 1.0, 3.0], [4.0, 1.0, 2.0, 3.0], [7.0, 7.0, 1.0, 9.0, 2.5]], ids=len
)
def test_median_and_quartiles_are_numpys(samples: list[float]) -> None:
    assert median(samples) == pytest.approx(numpy.median(samples))
    assert interquartile_range(samples) == pytest.approx(numpy.subtract(*numpy.percentile(samples, [75, 25])))
    assert quantile(samples, 0.0) == min(samples)
    assert quantile(samples, 1.0) == max(samples)


@pytest.mark.parametrize("ask", [median, interquartile_range, median_interval])
def test_no_samples_have_no_statistics(ask: object) -> None:
    with pytest.raises(ValueError, match="no samples"):
        ask([])  # type: ignore[operator]


@pytest.mark.parametrize("n", [6, 7, 10, 20, 25, 50, 99, 100, 1000])
def test_the_interval_is_the_narrowest_pair_of_order_statistics_with_the_exact_binomial_coverage(n: int) -> None:
    samples = [float(value) for value in range(1, n + 1)]  # so that a bound is its own rank
    random.Random(0).shuffle(samples)
    interval = median_interval(samples)
    rank = int(interval.low)
    assert interval.high == n + 1 - rank
    assert interval.coverage == pytest.approx(1 - 2 * binom.cdf(rank - 1, n, 0.5), abs=1e-12)
    assert interval.coverage >= 0.95
    narrower = 1 - 2 * binom.cdf(rank, n, 0.5)
    assert narrower < 0.95


@pytest.mark.parametrize(("n", "coverage"), [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)])
def test_fewer_than_six_samples_give_their_whole_range_and_admit_what_it_is_worth(n: int, coverage: float) -> None:
    samples = [float(value) for value in range(n)]
    interval = median_interval(samples)
    assert (interval.low, interval.high) == (0.0, n - 1.0)
    assert interval.coverage == coverage


@pytest.mark.parametrize("n", [6, 20, 51])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_simulated_coverage_of_a_skewed_distribution_is_the_stated_one(n: int, confidence: float) -> None:
    rng = random.Random(f"{n} {confidence}")
    tries = 4000
    truth = math.log(2)  # the median of the exponential distribution
    intervals = [median_interval([rng.expovariate(1.0) for _ in range(n)], confidence) for _ in range(tries)]
    held = sum(interval.low <= truth <= interval.high for interval in intervals) / tries
    stated = intervals[0].coverage
    assert held == pytest.approx(stated, abs=4 * math.sqrt(stated * (1 - stated) / tries))


def test_the_interval_ignores_how_far_outliers_lie() -> None:
    calm = [1.0 + index / 1000 for index in range(50)]
    assert median_interval([*calm[:-1], 1e9]) == median_interval(calm)


def test_one_more_process_is_expected_where_the_t_distribution_says() -> None:
    """By hand: logs -0.1, 0, 0.1, deviation 0.1; t(0.95, 2) = 2.919986; 2.919986 x 0.1 x sqrt(4 / 3) = 0.337171."""
    low, high = fresh_process_interval([math.exp(-0.1), 1.0, math.exp(0.1)])
    assert (math.log(low), math.log(high)) == (pytest.approx(-0.337171, abs=1e-6), pytest.approx(0.337171, abs=1e-6))


def test_of_one_process_nothing_is_known_of_the_next() -> None:
    assert fresh_process_interval([3.0]) == (0.0, math.inf)


@pytest.mark.parametrize("medians", [[], [1.0, 0.0], [-1.0]])
def test_times_that_are_none_have_no_interval(medians: list[float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        fresh_process_interval(medians)


def test_nine_of_ten_fresh_processes_are_where_they_are_expected() -> None:
    """What a process multiplies all of its times by is drawn anew for each."""
    rng = random.Random(0)
    hits = 0
    for _ in range(2000):
        *known, fresh = (math.exp(rng.gauss(1.0, 0.2)) for _ in range(4))
        low, high = fresh_process_interval(known)
        hits += low <= fresh <= high
    assert 0.88 <= hits / 2000 <= 0.92
