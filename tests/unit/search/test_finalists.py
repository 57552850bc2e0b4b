"""Who is measured again: the front, and who would be on it had its times been a little better."""

from __future__ import annotations

from nas.search.finalists import MOST_MEMBERS, MOST_OTHERS, finalists
from nas.spec import Bound
from nas.store.rows import TrialRecord

GOALS = {"accuracy": "maximize", "latency_ms": "minimize"}
NOISY = {"latency_ms": "minimize"}


def trial(number: int, accuracy: float, latency_ms: float, outcome: str = "ok") -> TrialRecord:
    values = {"accuracy": accuracy, "latency_ms": latency_ms}
    return TrialRecord(number, "COMPLETE", f"{number:012x}", outcome, None, "random", True, 1.0, values)


def chosen(trials: list[TrialRecord], bounds: tuple[Bound, ...] = (), **noisy: str) -> tuple[list[int], list[int]]:
    members, others = finalists(trials, GOALS, bounds, noisy or NOISY)
    return [one.number for one in members], [one.number for one in others]


FRONT = [trial(0, 0.9, 9.0), trial(1, 0.8, 5.0), trial(2, 0.7, 2.0)]


def test_the_front_s_members_in_the_order_of_their_trials() -> None:
    assert chosen([*FRONT, trial(3, 0.5, 9.0)]) == ([0, 1, 2], [])


def test_an_other_that_a_tenth_would_bring_there_is_the_nearest_one() -> None:
    near, too_far = trial(3, 0.75, 5.4), trial(4, 0.75, 5.6)
    assert chosen([*FRONT, near, too_far]) == ([0, 1, 2], [3])


def test_the_accuracy_is_no_noisy_column_and_helps_nobody() -> None:
    assert chosen([*FRONT, trial(3, 0.899, 9.95)]) == ([0, 1, 2], [3])
    assert chosen([*FRONT, trial(3, 0.899, 10.05)]) == ([0, 1, 2], [])


def test_those_that_need_the_least_come_first_and_there_are_not_many() -> None:
    others = [trial(10 + step, 0.79, 5.0 * (1 + step / 100)) for step in (8, 5, 2, 7)]
    assert chosen([*FRONT, *others]) == ([0, 1, 2], [12, 15]), "half of three members, rounded up"
    many = [trial(number, number / 100, 1.0 + number) for number in range(MOST_MEMBERS)]
    near = [trial(100 + number, number / 100, 1.01 + number) for number in range(1, MOST_MEMBERS)]
    assert len(chosen([*many, *near])[1]) == MOST_OTHERS


def test_of_a_long_front_both_ends_and_what_is_spread_between_them() -> None:
    front = [trial(number, number / 100, 1.0 + number) for number in range(100)]
    members, _ = chosen(front)
    assert len(members) == MOST_MEMBERS
    assert {0, 99} <= set(members)
    assert max(later - sooner for sooner, later in zip(members, members[1:], strict=False)) <= 6


def test_a_bound_decides_who_is_a_member_and_a_near_miss_is_an_other() -> None:
    limit = Bound(column="latency_ms", operator="<=", bound=8.5)
    assert chosen(FRONT, (limit,)) == ([1, 2], [0]), "9.0 less a tenth is within 8.5"
    assert chosen(FRONT, (limit.model_copy(update={"bound": 8.0}),)) == ([1, 2], [])


def test_where_all_were_too_slow_the_nearest_misses_may_turn_out_to_fit() -> None:
    limit = Bound(column="latency_ms", operator="<=", bound=1.9)
    assert chosen(FRONT, (limit,)) == ([], [2])


def test_what_failed_or_was_not_measured_is_neither() -> None:
    partly = TrialRecord(4, "PRUNED", "f" * 12, "infeasible", None, "random", False, 1.0, {"latency_ms": 1.0})
    assert chosen([*FRONT, trial(3, 0.99, 1.0, "timeout"), partly]) == ([0, 1, 2], [])
    assert chosen([partly]) == ([], [])


def test_of_a_throughput_more_is_better() -> None:
    goals = {"accuracy": "maximize", "latency_ms": "maximize"}
    trials = [trial(0, 0.9, 100.0), trial(1, 0.8, 95.0), trial(2, 0.8, 85.0)]
    members, others = finalists(trials, goals, (), {"latency_ms": "maximize"})
    assert ([one.number for one in members], [one.number for one in others]) == ([0], [1])
