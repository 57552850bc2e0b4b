"""The centre of a symmetric distribution and its exact interval."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import wilcoxon

from nas.bench.signed_rank import centre, distribution, interval_rank


@pytest.mark.parametrize(("n", "level", "rank"), [(5, 0.05, 0), (6, 0.05, 1), (10, 0.05, 9), (20, 0.05, 53), (25, 0.01, 69)])
def test_ranks_are_those_of_the_published_tables(n: int, level: float, rank: int) -> None:
    """Wilcoxon's critical values are one less: the largest rank sum that is still significant."""
    assert interval_rank(n, level) == rank


def test_the_rank_sums_chances_are_those_of_all_signs_written_out() -> None:
    sums = [sum(rank * sign for rank, sign in enumerate(signs, 1)) for signs in product((0, 1), repeat=6)]
    assert distribution(6).tolist() == [sums.count(value) / 2**6 for value in range(22)]


def test_the_interval_leaves_out_exactly_what_the_test_rejects() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 14)
    found = centre(values.tolist(), 0.05)
    for shift, inside in ((found.low - 1e-9, False), (found.low + 1e-9, True), (found.high - 1e-9, True), (found.high + 1e-9, False)):
        assert (wilcoxon(values - shift, method="exact").pvalue > 0.05) == inside


def test_of_symmetric_values_the_interval_misses_as_often_as_it_says() -> None:
    """Over all signs of ten sizes: a distribution-free statement, shown by enumeration."""
    sizes = np.random.default_rng(2).standard_cauchy(10)
    missed = 0
    for signs in product((-1, 1), repeat=10):
        found = centre((sizes * signs).tolist(), 0.05)
        missed += found.low > 0 or found.high < 0
    assert missed / 2**10 == 2 * distribution(10)[:9].sum() <= 0.05


def test_one_wild_value_moves_the_estimate_little() -> None:
    calm = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
    assert centre([*calm, 50.0], 0.05).value == pytest.approx(centre(calm, 0.05).value, abs=0.006)


def test_of_too_few_values_nothing_is_ruled_out() -> None:
    found = centre([0.1, 0.1, 0.1, 0.1, 0.1], 0.05)
    assert (found.value, found.low, found.high) == (pytest.approx(0.1), -np.inf, np.inf)


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        centre([], 0.05)
