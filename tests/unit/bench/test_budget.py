"""How a network's seconds are shared out."""

from __future__ import annotations

import pytest

from nas.bench.budget import LEAST_PASSES, Step, allowed_s, steps


def test_latencies_come_first_and_the_last_runtime_goes_on_along_the_batches() -> None:
    assert steps(("eager", "graph"), (1, 2, 4)) == (
        Step("eager", 1), Step("graph", 1), Step("graph", 2), Step("graph", 4)
    )


def test_the_first_measurement_is_always_begun_and_leaves_half() -> None:
    assert allowed_s(10.0, 4, None) == 5.0
    assert allowed_s(10.0, 1, None) == 10.0


def test_what_is_left_is_shared_evenly() -> None:
    assert allowed_s(6.0, 3, pass_s=0.001) == 2.0


def test_a_slow_pass_gets_more_than_its_share_while_there_is_time() -> None:
    assert allowed_s(6.0, 3, pass_s=0.3) == pytest.approx(LEAST_PASSES * 0.3)


def test_what_has_no_time_for_its_passes_is_not_begun() -> None:
    assert allowed_s(6.0, 3, pass_s=6.0 / LEAST_PASSES + 0.01) is None
    assert allowed_s(-1.0, 3, pass_s=0.001) is None
