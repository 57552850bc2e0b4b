"""The interval of an accuracy."""

from __future__ import annotations

import pytest

from nas.train.interval import wilson


def test_agrees_with_the_textbook_example() -> None:
    # 15 of 20: Wilson's interval is 0.531 .. 0.888 in every table.
    assert wilson(15, 20) == pytest.approx((0.5313, 0.8881), abs=1e-4)


def test_stays_within_0_and_1_where_all_or_none_are_right() -> None:
    low, high = wilson(0, 10)
    assert low == 0.0
    assert high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(10, 10) == pytest.approx((1 - high, 1.0))


def test_is_symmetric_and_narrows_with_more_images() -> None:
    low, high = wilson(300, 1000)
    assert wilson(700, 1000) == pytest.approx((1 - high, 1 - low))
    wider = wilson(30, 100)
    assert wider[0] < low < 0.3 < high < wider[1]


@pytest.mark.parametrize(("correct", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_refuses_what_is_no_share(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(correct, total)
