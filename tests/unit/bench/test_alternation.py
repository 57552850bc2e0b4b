"""Two calls alternate in random order, each as often first, until their ratio is known or the time is up."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from nas.bench.alternation import LEAST_PAIRS, PairRule, Pairs, alternate
from nas.latency.timing import HostTimer

NEVER = PairRule(target=-1.0, seconds=1e9, pairs=40)


class Machine:
    """A clock that only moves when a call takes its time."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.log = ""
        self.slowness = 1.0

    def call(self, name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.log += name
            self.now_ns += round(seconds * self.slowness * 1e9)

        return call

    def run(self, rule: PairRule, a_s: float = 0.001, b_s: float = 0.002, seed: int = 0, **options: tuple[int, int]) -> Pairs:
        timer = HostTimer(lambda: self.now_ns)
        calls = self.call("a", a_s), self.call("b", b_s)
        return alternate(*calls, timer, rule, random.Random(seed), **options, clock=lambda: self.now_ns / 1e9)


def test_of_every_two_pairs_one_begins_with_a_and_one_with_b() -> None:
    machine = Machine()
    machine.run(NEVER)
    blocks = [machine.log[at : at + 4] for at in range(0, len(machine.log), 4)]
    assert len(blocks) == 20
    assert set(blocks) == {"abba", "baab"}


def test_the_order_is_that_of_the_seed() -> None:
    logs = []
    for seed in (1, 1, 2):
        machine = Machine()
        machine.run(NEVER, seed=seed)
        logs.append(machine.log)
    assert logs[0] == logs[1] != logs[2]


def test_samples_are_kept_in_pairs_in_seconds_a_pass() -> None:
    pairs = Machine().run(NEVER, a_s=0.0015, b_s=0.003, repeats=(4, 1))
    assert len(pairs.a_s) == len(pairs.b_s) == 40
    assert set(pairs.a_s) == {0.0015}
    assert set(pairs.b_s) == {0.003}


def test_it_stops_once_the_ratio_is_known() -> None:
    pairs = Machine().run(PairRule(target=0.01, seconds=100.0, pairs=10_000), a_s=0.02)
    assert pairs.precise
    assert len(pairs.a_s) == LEAST_PAIRS


def test_short_passes_are_watched_for_a_while_however_well_they_agree() -> None:
    pairs = Machine().run(PairRule(target=0.01, seconds=100.0, pairs=10_000))
    assert pairs.precise
    assert pairs.seconds >= 0.2


def test_it_ends_when_two_more_pairs_would_not_fit_into_the_time() -> None:
    pairs = Machine().run(PairRule(target=-1.0, seconds=0.05, pairs=10_000))
    assert not pairs.precise
    assert 0.05 - 0.006 <= pairs.seconds <= 0.05


def test_two_pairs_are_taken_however_short_the_time() -> None:
    pairs = Machine().run(PairRule(target=0.01, seconds=1e-6, pairs=1), a_s=3.0)
    assert len(pairs.a_s) == 2


def test_a_machine_that_slows_down_leaves_the_ratios_alone() -> None:
    machine = Machine()
    timer = HostTimer(lambda: machine.now_ns)
    a, b = machine.call("a", 0.01), machine.call("b", 0.01)

    def slower(call: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            machine.slowness *= 1.001
            call()

        return run

    pairs = alternate(slower(a), slower(b), timer, NEVER, random.Random(0), clock=lambda: machine.now_ns / 1e9)
    ratios = sorted(b_s / a_s for a_s, b_s in zip(pairs.a_s, pairs.b_s, strict=True))
    assert pairs.a_s[-1] > 1.07 * pairs.a_s[0]
    assert (ratios[19] + ratios[20]) / 2 == pytest.approx(1.0, abs=1e-5)
