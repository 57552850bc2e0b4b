"""When a machine has moved under a measurement: told from made-up samples, and driven by a clock that calls move."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from nas.latency.contamination import Pace, Usual, moved_within, pace, until_steady
from nas.latency.sampling import Samples, sample
from nas.latency.stopping import StoppingRule
from nas.latency.timing import HostTimer

if TYPE_CHECKING:
    from conftest import FakeClock


def samples(references: list[float], busy: list[float] | None = None) -> Samples:
    """Of a measurement whose references came a second apart; `busy` is the share of each second spent on a CPU."""
    shares = busy or [1.0] * len(references)
    moments = tuple((float(second), sum(shares[: second + 1]) - shares[0]) for second in range(len(shares)))
    return Samples((), (), (), "cap", float(len(references)), tuple(references), moments)


def steady(level: float) -> Pace:
    return Pace(level, level, level, 1.0, 0.0)


def noise(rng: random.Random, spread: float) -> Pace:
    return steady(rng.lognormvariate(0.0, spread))


def test_the_pace_of_a_machine_that_is_ours_is_the_median_of_the_reference() -> None:
    found = pace(samples([1.0, 2.0, 3.0, 2.0, 2.0, 2.0]))
    assert (found.level, found.low, found.high, found.waited) == (2.0, 1.0, 3.0, 0.0)


def test_waiting_for_a_cpu_stretches_the_pace_even_where_no_pass_of_the_reference_was_interrupted() -> None:
    found = pace(samples([1.0] * 12, busy=[0.5] * 12))
    assert found.waited == pytest.approx(0.5)
    assert found.level == pytest.approx(2.0)


def test_where_nobody_told_how_busy_the_process_was_nothing_is_stretched() -> None:
    found = pace(samples([1.0] * 12, busy=[float("nan")] * 12))
    assert (found.level, found.waited) == (1.0, 0.0)


def test_several_threads_that_keep_more_than_one_cpu_busy_do_not_shrink_the_pace() -> None:
    assert pace(samples([1.0] * 12, busy=[2.0] * 12)).level == 1.0


def test_one_reference_tells_a_pace_but_no_waiting() -> None:
    assert pace(samples([1.5])).level == 1.5
    assert moved_within(samples([1.5])) == ""


def test_a_machine_that_becomes_slower_in_the_midst_of_a_measurement_has_moved() -> None:
    assert moved_within(samples([1e-3] * 10 + [1.3e-3] * 10)) == (
        "the reference took 1 ms in the first half of the measurement and 1.3 ms in the second")


def test_a_machine_that_becomes_faster_has_moved_as_well() -> None:
    assert moved_within(samples([1.3] * 10 + [1.0] * 10))


def test_a_neighbour_that_comes_and_takes_cpus_away_moves_the_machine_though_no_reference_shows_it() -> None:
    assert moved_within(samples([1.0] * 20, busy=[1.0] * 10 + [0.6] * 10))


def test_a_small_step_leaves_the_median_of_the_whole_where_it_was() -> None:
    assert moved_within(samples([1.0] * 10 + [1.15] * 10)) == ""


def test_noise_that_is_as_large_in_both_halves_is_no_movement() -> None:
    rng = random.Random(0)
    fired = sum(bool(moved_within(samples([rng.lognormvariate(0.0, 0.4) for _ in range(40)]))) for _ in range(400))
    assert fired <= 0.03 * 400


def test_of_too_few_references_nothing_is_said() -> None:
    assert moved_within(samples([1.0] * 5 + [9.0] * 5)) == ""


def usual(*levels: float) -> Usual:
    found = Usual()
    for level in levels:
        found.remember(steady(level))
    return found


def test_without_enough_measurements_nothing_is_usual() -> None:
    few = usual(1.0, 1.0, 1.0)
    assert few.interval() is None
    assert few.moved(steady(9.0)) == ""


def test_on_a_steady_machine_a_tenth_more_is_contamination() -> None:
    quiet = usual(*[1e-3] * 4)
    assert quiet.moved(steady(1.09e-3)) == ""
    assert quiet.moved(steady(1.2e-3)) == (
        "the reference took 1.2 ms, and in the measurements before usually 1 ms, 1.1 ms at most")


def test_on_a_machine_that_trembles_it_takes_more() -> None:
    trembling = usual(1.0, 1.1, 1.2, 1.4)
    assert trembling.interval() == (1.1, pytest.approx(1.1 * 1.1**4))
    assert trembling.moved(steady(1.55)) == ""
    assert trembling.moved(steady(1.65))


def test_an_interval_that_reaches_down_to_the_usual_level_has_not_left_it() -> None:
    assert usual(*[1.0] * 4).moved(Pace(1.5, 0.99, 2.0, 0.95, 0.0)) == ""


def test_a_faster_machine_spoils_nothing() -> None:
    assert usual(*[1.0] * 4).moved(steady(0.5)) == ""


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.1, 0.3])
def test_noise_that_is_always_there_seldom_counts_as_movement_however_large_it_is(spread: float) -> None:
    rng, found, fired = random.Random(1), Usual(), 0
    for _ in range(2000):
        now = noise(rng, spread)
        fired += bool(found.moved(now))
        found.remember(now)
    assert fired <= 0.15 * 2000


def test_a_machine_that_is_loaded_half_of_the_time_is_known_for_what_it_is_when_nobody_loads_it() -> None:
    rng, found, unnoticed, loaded = random.Random(2), Usual(), 0, 0
    for _ in range(1000):
        load = rng.random() < 0.5
        now = steady(rng.lognormvariate(0.0, 0.02) * (1.5 if load else 1.0))
        moved = found.moved(now)
        loaded += load
        unnoticed += load and not moved
        assert load or not moved
        found.remember(now)
    assert unnoticed <= 0.15 * loaded


def test_a_machine_that_is_slower_for_good_is_the_usual_one_before_ten_measurements_in_a_row_have_failed() -> None:
    found = usual(*[1.0] * 11)
    failed = 0
    while found.moved(steady(2.0)):
        found.remember(steady(2.0))
        failed += 1
    assert failed == 9


def attempts(clock: FakeClock, verdicts: list[str], seconds: float, max_seconds: float) -> list[tuple[int, str]]:
    number = iter(range(10))
    call = clock.call(seconds)

    def once() -> int:
        call()
        return next(number)

    return until_steady(once, verdicts.__getitem__, max_seconds, clock=clock.seconds)


def test_a_steady_measurement_is_taken_once(clock: FakeClock) -> None:
    assert attempts(clock, [""], 1.0, 10.0) == [(0, "")]


def test_a_contaminated_measurement_is_repeated_until_it_is_steady(clock: FakeClock) -> None:
    assert attempts(clock, ["moved", ""], 1.0, 10.0) == [(0, "moved"), (1, "")]


def test_it_is_tried_five_times_at_most(clock: FakeClock) -> None:
    assert [said for _, said in attempts(clock, [*"abcde", ""], 1.0, 10.0)] == [*"abcde"]


@pytest.mark.parametrize(("max_seconds", "taken"), [(1.0, 1), (1.9, 1), (2.0, 2), (2.9, 2), (3.0, 3)])
def test_none_is_begun_that_would_go_past_the_budget(clock: FakeClock, max_seconds: float, taken: int) -> None:
    assert len(attempts(clock, ["moved"] * 4, 1.0, max_seconds)) == taken


def test_sampling_notes_when_each_reference_ended_and_how_busy_the_process_was_until_then(clock: FakeClock) -> None:
    result = sample(
        clock.call(0.5), clock.call(itertools.cycle([0.375, 0.125])), HostTimer(clock.ns), StoppingRule(0.01, 100.0, 3),
        clock=clock.seconds, busy=lambda: clock.seconds() / 2,
    )
    assert result.moments == ((1.0, 0.5), (2.0, 1.0), (3.0, 1.5))
    assert pace(result).level == pytest.approx(2 * 0.125)  # the second passes, twice as long for half of a CPU
