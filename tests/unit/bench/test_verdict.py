"""A verdict is rarely false, however often it was looked for, and is reached where there is a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, t

from nas.bench.verdict import LOOKS, Look, look

TRIES = 400


def fought(logs: np.ndarray, margin: float = 0.02) -> Look:
    """A duel over processes of these logs, which ends with its first verdict."""
    for n in LOOKS:
        found = look(list(logs[:n]), margin)
        if found.verdict != "undecided":
            return found
    return found


def processes(rng: np.random.Generator, ratio: float, kind: str) -> np.ndarray:
    """log(b / a) of each process of a duel: the median over pairs whose noise is heavy-tailed, correlated and drifts."""
    n, pairs = LOOKS[-1], 60
    spread = {"quiet": 0.004, "busy": 0.02, "noisy": 0.04}[kind]
    memory = rng.standard_t(4, n) * spread  # where its weights came to lie, for as long as the process lives
    noise = rng.standard_t(2.5, (n, pairs)) * spread
    for step in range(1, pairs):
        noise[:, step] += 0.5 * noise[:, step - 1]
    drift = np.outer(rng.normal(0, spread, n), np.linspace(-1, 1, pairs))
    return math.log(ratio) + memory + np.median(noise + drift, axis=1)


def share_called(verdicts: set[str], ratio: float, kind: str) -> int:
    rng = np.random.default_rng([7, int(ratio * 1000), len(kind)])
    return sum(fought(processes(rng, ratio, kind)).verdict in verdicts for _ in range(TRIES))


@pytest.mark.parametrize("kind", ["quiet", "busy", "noisy"])
def test_a_network_is_rarely_called_different_from_itself(kind: str) -> None:
    called = share_called({"faster", "slower"}, 1.0, kind)
    assert called <= 0.05 * TRIES
    assert beta.ppf(0.95, called + 1, TRIES - called) <= 0.08, "the upper binomial bound"


@pytest.mark.parametrize("kind", ["quiet", "busy"])
def test_one_that_is_five_percent_slower_is_told_apart(kind: str) -> None:
    assert share_called({"slower"}, 1.05, kind) >= 0.9 * TRIES
    assert share_called({"faster"}, 1 / 1.05, kind) >= 0.9 * TRIES


def test_where_the_noise_is_too_large_the_answer_is_undecided_and_not_a_guess() -> None:
    called = [share_called({verdict}, 1.05, "noisy") for verdict in ("faster", "no_difference", "undecided")]
    assert called[0] + called[1] <= 0.02 * TRIES
    assert called[2] > 0


def test_on_a_quiet_machine_the_same_network_takes_the_same_time() -> None:
    assert share_called({"no_difference"}, 1.0, "quiet") >= 0.95 * TRIES


def test_an_interval_is_student_s_with_a_fifth_of_the_error() -> None:
    logs = [0.10, 0.12, 0.08, 0.11]
    found = look(logs)
    reach = t.ppf(1 - 0.05 / 5 / 2, 3) * np.std(logs, ddof=1) / 2
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.1025 - reach, 0.1025 + reach))
    assert math.log(found.ratio) == pytest.approx(0.1025)


@pytest.mark.parametrize(
    ("logs", "verdict"),
    [
        ([0.10, 0.101, 0.099, 0.1], "slower"),
        ([-0.10, -0.101, -0.099, -0.1], "faster"),
        ([0.001, -0.001, 0.0, 0.0005], "no_difference"),
        ([0.010, 0.0101, 0.0099, 0.01], "no_difference"),  # certainly 1 % slower, which is within the margin
        ([0.3, -0.2, 0.1, 0.0], "undecided"),
    ],
)
def test_what_is_said(logs: list[float], verdict: str) -> None:
    assert look(logs).verdict == verdict


def test_the_margin_is_the_caller_s() -> None:
    assert look([0.010, 0.0101, 0.0099, 0.01], margin=0.001).verdict == "slower"


def test_between_two_looks_nothing_is_said_however_clear_it_is() -> None:
    assert [look([0.1 + step / 1e4 for step in range(n)]).verdict for n in (1, 2, 3, 5, 7)] == ["undecided"] * 5
    with pytest.raises(ValueError, match="no processes"):
        look([])


def test_the_same_number_from_every_process_is_certain() -> None:
    assert look([0.1] * 4).verdict == "slower"
