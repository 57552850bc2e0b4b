"""A duel: alternation, fresh processes, what ends it, and what is refused before any process is started."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rich.console import Console

import nas
from nas.bench import duel as module
from nas.bench.duel_text import rendered
from nas.bench.pair import LEAST_PAIRS, MOST_PAIRS, sampled_pairs

TINY = nas.Architecture(
    (3, 8, 8), (nas.Stage("conv", 1, 1, 8, 2),), nas.Stem(channels=8, stride=1), nas.Head(channels=0), classes=2
)


class Clock:
    """A clock that calls move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def call(self, name: str, order: list[str], seconds: float) -> Callable[[], float]:
        def timed() -> float:
            order.append(name)
            self.now += seconds
            return seconds

        return timed


def test_pairs_alternate_in_an_order_that_is_drawn_anew_for_the_time_given() -> None:
    clock, order = Clock(), []
    pairs = sampled_pairs(clock.call("a", order, 0.01), clock.call("b", order, 0.02), 3.0, random.Random(0), clock)
    assert set(pairs) == {(0.01, 0.02)}, "the first network's time comes first, whoever ran first"
    assert 100 <= len(pairs) <= 101
    turns = list(zip(order[::2], order[1::2], strict=True))
    assert set(turns) == {("a", "b"), ("b", "a")}
    assert 30 < turns.count(("a", "b")) < 70


@pytest.mark.parametrize(("seconds", "pairs"), [(5.0, LEAST_PAIRS), (1e-6, MOST_PAIRS)])
def test_there_are_never_too_few_pairs_nor_too_many(seconds: float, pairs: int) -> None:
    clock = Clock()
    call = clock.call("", [], seconds)
    assert len(sampled_pairs(call, call, 1.0, random.Random(0), clock)) == pairs


class FakeWorker:
    """Answers what `ratios` say, a process each."""

    ratios: tuple[float, ...] = ()
    asked: list[Mapping[str, Any]]
    killed = 0

    def __init__(self) -> None:
        type(self).asked = []

    def call(self, job: str, arguments: Mapping[str, Any]) -> Any:
        if job.endswith(":check"):
            return {"device": "fake", "notice": "a fake device"}
        self.asked.append(arguments)
        ratio = self.ratios[arguments["process"]]
        return {"pairs_ms": [[10.0, 10.0 * ratio], [11.0, 11.0 * ratio]], "warnings": ["hot"], "environment": {"cpu": "x"},
                "conditions": {"device": "cpu", "batch": 1}}

    def kill(self) -> None:
        type(self).killed += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., type[FakeWorker]]:
    def with_ratios(*ratios: float) -> type[FakeWorker]:
        made = type("Made", (FakeWorker,), {"ratios": ratios, "killed": 0})
        monkeypatch.setattr(module, "Worker", made)
        return made

    return with_ratios


def test_it_ends_with_the_first_verdict_and_every_process_is_a_fresh_one(fake) -> None:
    worker = fake(1.10, 1.11, 1.09, 1.10, 9.0)
    told: list[str] = []
    found = nas.duel("resnet18", TINY, tell=told.append, batch=1, seed=3)
    assert (found.verdict, found.processes, found.pairs, found.stopped_by) == ("slower", 4, 8, "verdict")
    assert found.ratios == pytest.approx((1.10, 1.11, 1.09, 1.10))
    assert found.low < found.ratio < found.high
    assert (found.a, found.b) == ("resnet18", nas.load(str(TINY)).arch_id)
    assert (found.a_ms, found.b_ms) == (pytest.approx(10.5), pytest.approx(11.55))
    assert found.warnings == ("a fake device", "hot")
    assert found.conditions["device"] == "cpu"
    assert worker.killed == 5, "before each, and in the end"
    assert [one["process"] for one in worker.asked] == [0, 1, 2, 3]
    assert {one["seed"] for one in worker.asked} == {3}
    assert told == [f"process {n} of at most 16" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [((0.9, 0.91, 0.89, 0.9), "faster"), ((1.0, 1.001, 0.999, 1.0), "no_difference")],
)
def test_the_verdict_is_of_the_second_network(fake, ratios, verdict) -> None:
    fake(*ratios)
    assert nas.duel(TINY, "resnet18").verdict == verdict


def test_without_a_verdict_it_ends_with_the_processes_or_the_budget(fake) -> None:
    noisy = (1.5, 0.7, 1.2, 0.8, 1.6, 0.6) * 3
    fake(*noisy)
    found = nas.duel(TINY, TINY, max_processes=6)
    assert (found.verdict, found.processes, found.stopped_by) == ("undecided", 6, "processes")
    fake(*noisy)
    found = nas.duel(TINY, TINY, budget_s=1e-9)
    assert (found.verdict, found.processes, found.stopped_by) == ("undecided", 1, "budget")
    assert (found.low, found.high) == (0.0, float("inf"))


def test_in_words(fake) -> None:
    fake(1.10, 1.11, 1.09, 1.10)
    found = nas.duel("resnet18", "resnet34")
    assert str(found).startswith("resnet34 is slower than resnet18: 1.100 of its time [")
    out = io.StringIO()
    Console(file=out, width=100).print(rendered(found))
    lines = out.getvalue().splitlines()
    assert lines[0] == "resnet34 is slower than resnet18"
    assert lines[1] == "resnet18: 10.5 ms; resnet34: 11.55 ms"
    assert lines[3].startswith("4 fresh processes, 8 pairs, ")
    assert lines[3].endswith("s: certain")
    assert lines[4].startswith("1.000 |")
    assert lines[4].count("●") == 3
    assert lines[-1] == "note: hot"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": "resnet81"}, "unknown network 'resnet81'"),
        ({"batch": 0}, "batch = 0"),
        ({"budget_s": 0}, "budget_s = 0"),
        ({"max_processes": 3}, "max_processes = 3: give a whole number from 4"),
        ({"margin": -1}, "margin = -1"),
        ({"seed": "x"}, "seed = 'x'"),
        ({"colour": 1}, "unknown option 'colour'"),
    ],
)
def test_a_mistake_is_told_before_a_process_is_started(fake, given, said) -> None:
    worker = fake(1.0)
    asked = {"a": TINY, "b": TINY, **given}
    with pytest.raises(nas.SpecError, match=said):
        nas.duel(asked.pop("a"), asked.pop("b"), **asked)
    assert worker.killed == 0


def test_a_device_that_is_not_there_is_refused_before_a_network_is_built() -> None:
    with pytest.raises(nas.SpecError, match="device = 'cuda:4000'"):
        nas.duel(TINY, TINY, device="cuda:4000")


def test_two_real_networks_meet_in_real_processes() -> None:
    large = nas.Architecture((3, 64, 64), (nas.Stage("conv", 1, 6, 64, 2),), classes=2)
    found = nas.duel(TINY, large, device="cpu", threads=1, max_seconds=0.1)
    assert (found.verdict, found.processes) == ("slower", 4), "a thousand times the work"
    assert found.pairs >= 4 * LEAST_PAIRS
    assert found.ratio > 2
    assert found.environment["torch"]
    assert found.conditions["threads"] == 1
