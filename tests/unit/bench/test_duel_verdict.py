"""The claims of a duel, on fake machines: what two equal networks are called, and one that is 5 % slower."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest, rankdata

from nas.bench.limits import MARGIN, MAX_PROCESSES
from nas.bench.signed_rank import interval_rank
from nas.bench.verdict import ERROR, Judgement, rule

TRIES = 400
PAIRS = 60
Values = NDArray[np.float64]
Effects = Callable[[np.random.Generator, tuple[int, int]], Values]


def gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    return rng.normal(0, 0.03, shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """A standard deviation of 3.5 %, and now and then 20 %."""
    return 0.02 * rng.standard_t(3, shape)


def lucky_or_not(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """One of the two lies better in memory, by always the same 4 %."""
    return 0.04 * rng.choice([-1.0, 1.0], shape) + rng.normal(0, 0.001, shape)


def changing(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """A neighbour comes, so that later processes differ three times as much as the first ones."""
    return rng.normal(0, 1, shape) * np.linspace(0.012, 0.036, shape[1])


MACHINES = [gaussian, heavy_tailed, lucky_or_not, changing]


def medians(effects: Effects, ratio: float, seed: int) -> Values:
    """Log ratios of shape (tries, processes): of each process the median over its pairs.

    A pair is two times, that share the machine's drift; each has spikes upwards of its own, and their difference has a
    memory of its own that outlasts many pairs (a neighbour in the cache).
    """
    rng = np.random.default_rng(seed)
    shape = (TRIES, MAX_PROCESSES, PAIRS)
    drift = np.cumsum(rng.normal(0, 0.01, shape), axis=2)
    spikes = [rng.exponential(0.5, shape) * (rng.random(shape) < 0.1) + rng.normal(0, 0.02, shape) for _ in "ab"]
    memory = lfilter([0.004], [1, -0.9], rng.standard_t(3, shape), axis=2)
    a, b = drift + spikes[0], drift + spikes[1] + memory + effects(rng, shape[:2])[:, :, None] + math.log(ratio)
    found: Values = np.median(b - a, axis=2)
    return found


def fight(logs: Values, **changed: Any) -> tuple[Judgement, int]:
    """The judgement at which a duel stops, and after how many processes."""
    judge = rule(MAX_PROCESSES, changed.get("margin", MARGIN))
    for n in range(judge.first, MAX_PROCESSES + 1):
        judgement = judge.judge(logs[:n].tolist())
        if judgement.verdict != "undecided":
            break
    return judgement, n


@pytest.mark.parametrize("effects", MACHINES)
def test_of_400_duels_of_equal_networks_at_most_5_percent_see_a_difference(effects: Effects) -> None:
    duels = [fight(logs)[0] for logs in medians(effects, 1.0, seed=1)]
    wrong = sum(duel.verdict in ("faster", "slower") for duel in duels)
    assert wrong / TRIES <= 0.05
    assert binomtest(wrong, TRIES).proportion_ci(0.9).high <= 0.08  # one-sided at 95 %
    assert sum(duel.low <= 1 <= duel.high for duel in duels) / TRIES >= 0.95


@pytest.mark.parametrize("effects", MACHINES)
@pytest.mark.parametrize(("ratio", "expected"), [(1.05, "slower"), (1 / 1.05, "faster")])
def test_a_network_that_is_5_percent_slower_is_told_apart_in_at_least_90_percent(
    effects: Effects, ratio: float, expected: str
) -> None:
    verdicts = Counter(fight(logs)[0].verdict for logs in medians(effects, ratio, seed=2))
    assert verdicts[expected] / TRIES >= 0.9


@pytest.mark.parametrize("beyond", [1.02, 1.03])
def test_what_lies_at_the_margin_or_beyond_is_seldom_called_no_difference(beyond: float) -> None:
    duels = [fight(logs)[0] for logs in medians(lambda rng, shape: rng.normal(0, 0.01, shape), beyond, seed=3)]
    assert sum(duel.verdict == "no_difference" for duel in duels) / TRIES <= ERROR


def test_on_a_quiet_machine_equal_networks_are_mostly_called_no_difference_at_the_first_look() -> None:
    duels = [fight(logs) for logs in medians(lambda rng, shape: rng.normal(0, 0.002, shape), 1.0, seed=4)]
    assert sum(duel.verdict == "no_difference" for duel, _ in duels) / TRIES >= 0.99
    assert sorted(n for _, n in duels)[TRIES // 2] == rule(MAX_PROCESSES, MARGIN).first


def test_all_looks_together_miss_no_more_often_than_they_say_whatever_the_machine_does() -> None:
    """The signs alone decide, so one distribution of sizes is all: 20,000 walks, by which 3 % are known to 0.25 %."""
    judge = rule(MAX_PROCESSES, MARGIN)
    rng = np.random.default_rng(5)
    values = rng.normal(size=(20_000, MAX_PROCESSES))
    missed = np.zeros(len(values), dtype=bool)
    for n in range(judge.first, MAX_PROCESSES + 1):
        ranks = rankdata(np.abs(values[:, :n]), axis=1)
        above = (ranks * (values[:, :n] > 0)).sum(axis=1)
        missed |= np.minimum(above, n * (n + 1) / 2 - above) < interval_rank(n, judge.level)
    assert 0.02 <= missed.mean() <= ERROR


def test_the_first_look_is_the_first_that_can_see_anything() -> None:
    judge = rule(MAX_PROCESSES, MARGIN)
    assert interval_rank(judge.first, judge.level) >= 1
    assert interval_rank(judge.first - 1, judge.level) == 0
    before, at = (judge.judge([0.05] * n) for n in (judge.first - 1, judge.first))
    assert (before.verdict, before.low, before.high) == ("undecided", 0.0, math.inf)
    assert (at.verdict, at.low, at.high) == ("slower", pytest.approx(math.exp(0.05)), pytest.approx(math.exp(0.05)))


def test_the_fewest_processes_have_one_look() -> None:
    assert rule(7, MARGIN).judge([-0.05, -0.04, -0.06, -0.05, -0.03, -0.05, -0.04]).verdict == "faster"


def test_a_difference_that_is_sure_and_within_the_margin_is_none() -> None:
    judgement = rule(MAX_PROCESSES, MARGIN).judge([0.010, 0.011, 0.009, 0.010, 0.012, 0.008, 0.010, 0.011, 0.009])
    assert judgement.low > 1
    assert judgement.verdict == "no_difference"


def test_a_swap_of_the_networks_turns_the_verdict_round() -> None:
    logs = medians(gaussian, 1.05, seed=6)[0]
    forth, back = fight(logs)[0], fight(-logs)[0]
    assert (forth.verdict, back.verdict) == ("slower", "faster")
    assert back.ratio == pytest.approx(1 / forth.ratio)
    assert (back.low, back.high) == (pytest.approx(1 / forth.high), pytest.approx(1 / forth.low))


@pytest.mark.parametrize("processes", [6, 101])
def test_a_number_of_processes_for_which_there_is_no_rule_is_refused(processes: int) -> None:
    with pytest.raises(ValueError, match="processes"):
        rule(processes, MARGIN)
