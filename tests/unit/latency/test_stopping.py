"""When enough is enough."""

from __future__ import annotations

import pytest

from nas.latency.stopping import MIN_SAMPLES, MIN_SECONDS, StoppingRule, WarmUpRule, budget_of

RULE = StoppingRule(target=0.01, max_seconds=5.0, max_samples=100)
WIDE = [1.0, 2.0] * 20


def test_a_narrow_interval_stops_by_precision() -> None:
    assert RULE.verdict([1.0] * MIN_SAMPLES, MIN_SECONDS) == "precision"


def test_a_wide_interval_goes_on() -> None:
    assert RULE.verdict(WIDE, 1.0) is None


def test_the_width_is_relative_to_the_median() -> None:
    samples = [1.0, 1.009] * 20
    assert StoppingRule(0.01, 5.0, 100).verdict(samples, 1.0) == "precision"
    assert StoppingRule(0.008, 5.0, 100).verdict(samples, 1.0) is None


def test_too_few_samples_or_too_short_a_look_are_not_trusted_however_much_they_agree() -> None:
    assert RULE.verdict([1.0] * (MIN_SAMPLES - 1), 1.0) is None
    assert RULE.verdict([0.001] * MIN_SAMPLES, MIN_SECONDS / 2) is None


@pytest.mark.parametrize("elapsed", [5.0, 4.5])
def test_time_that_is_spent_or_does_not_hold_another_sample_stops_by_cap(elapsed: float) -> None:
    assert RULE.verdict([1.0, 1.0], elapsed) == "cap"


def test_the_count_stops_by_cap() -> None:
    assert RULE.verdict([1.0, 2.0] * 50, 1.0) == "cap"


def test_precision_that_is_there_when_a_cap_is_reached_is_called_precision() -> None:
    assert RULE.verdict([1e-4] * 100, 0.01) == "precision"


@pytest.mark.parametrize(
    ("kind", "pass_s", "seconds"),
    [("cpu", 0.0001, 0.25), ("cpu", 0.01, 0.45), ("cpu", 0.1, 4.5), ("cpu", 1.0, 10.0), ("cpu", 30.0, 10.0),
     ("cuda", 0.001, 1.0), ("cuda", 0.02, 2.0), ("cuda", 1.0, 10.0)],
)
def test_a_budget_grows_with_the_network_between_a_floor_and_the_cap(kind: str, pass_s: float, seconds: float) -> None:
    assert budget_of(kind, max_seconds=10.0).seconds(pass_s) == pytest.approx(seconds)


@pytest.mark.parametrize("pass_s", [0.005, 0.01, 0.1])
def test_on_a_cpu_an_attempt_costs_less_than_ten_passes_and_fifty_by_hand(pass_s: float) -> None:
    assert budget_of("cpu", max_seconds=10.0).seconds(pass_s) < 60 * pass_s


def test_a_cap_below_the_floor_holds_for_every_network() -> None:
    assert budget_of("cpu", max_seconds=0.2).seconds(0.001) == 0.2


@pytest.mark.parametrize(
    ("levels", "stable"),
    [
        ([1.0], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([9.0, 1.0, 1.01, 1.015], True),
        ([1.0, 1.0, 1.05], False),
        ([1.10, 1.05, 1.0], False),
        ([1.0, 1.0, 1.0, 2.0], False),
    ],
)
def test_warm_is_when_the_last_three_windows_agree(levels: list[float], stable: bool) -> None:
    assert WarmUpRule(tolerance=0.02).is_stable(levels) is stable
