"""How strict each look must be, against published tables."""

from __future__ import annotations

import pytest

from nas.bench.looks import nominal_level


@pytest.mark.parametrize(("looks", "level"), [(1, 0.05), (2, 0.0294), (3, 0.0221), (4, 0.0182), (5, 0.0158), (10, 0.0106)])
def test_equally_spaced_looks_get_the_levels_that_pocock_published(looks: int, level: float) -> None:
    assert nominal_level(1, looks, 0.05) == pytest.approx(level, abs=6e-5)


def test_looks_that_share_most_of_their_observations_cost_less_than_independent_ones() -> None:
    assert 0.05 / 17 < nominal_level(1, 17, 0.05) < nominal_level(8, 24, 0.05) < 0.05


@pytest.mark.parametrize(("first", "last"), [(0, 5), (6, 5)])
def test_looks_that_are_none_are_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="looks from"):
        nominal_level(first, last, 0.05)
