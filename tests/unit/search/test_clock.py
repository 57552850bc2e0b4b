"""Where the time goes: every moment belongs to one part."""

from __future__ import annotations

import time

import pytest

import nas
from nas.outcomes import TRIAL_PARTS
from nas.search.clock import PARTS, Clock, part_of, since


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of a time that passes only where a test says so."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    made = Clock()
    made.wait = lambda seconds: now.__setitem__(0, now[0] + seconds)  # type: ignore[attr-defined]
    return made


def test_a_part_within_another_interrupts_it(clock) -> None:
    clock.wait(1)
    with clock("ask"):
        clock.wait(2)
        with clock("cost"):
            clock.wait(4)
        clock.wait(8)
    clock.wait(16)
    assert {part: spent for part, spent in clock.spent.items() if spent} == {"rest": 17, "ask": 10, "cost": 4}


def test_what_follows_a_phase_belongs_to_it_until_the_block_is_left(clock) -> None:
    with clock("build"):
        clock.wait(1)
        clock.turn_to(part_of("building the network"))
        clock.wait(1)
        clock.turn_to(part_of("timing"))
        clock.wait(4)
    clock.wait(8)
    assert (clock.spent["build"], clock.spent["measure"], clock.spent["rest"]) == (2, 4, 8)


def test_a_part_that_raises_has_had_its_time(clock) -> None:
    with pytest.raises(ValueError), clock("store"):  # any
        clock.wait(3)
        raise ValueError
    clock.wait(1)
    assert (clock.spent["store"], clock.spent["rest"]) == (3, 1)


def test_a_part_that_is_none_is_refused(clock) -> None:
    with pytest.raises(KeyError, match="breakfast"):
        clock.turn_to("breakfast")


def test_a_trial_tells_what_has_been_spent_since_the_one_before(clock) -> None:
    before = clock.spent
    with clock("ask"):
        clock.wait(0.25)
    with clock("verify"):
        clock.wait(9)
    assert since(before, clock.spent) == {"ask": 0.25, "cost": 0, "build": 0, "measure": 0, "store": 0}
    assert set(TRIAL_PARTS) < set(PARTS)


def test_every_trial_s_row_has_its_parts(spec, plugin, storage) -> None:
    nas.run(spec(), 3, storage, plugins=[plugin], isolated=False)
    frame = nas.read_report("tiny", storage, seconds=True)
    parts = frame[[f"seconds.{part}" for part in TRIAL_PARTS]]
    assert (parts >= 0).all(axis=None)
    assert (parts[["seconds.ask", "seconds.cost", "seconds.store"]] > 0).all(axis=None)
    within = parts[["seconds.build", "seconds.measure"]].sum(axis=1)
    assert (within <= frame["duration_s"]).all()
    assert not [name for name in nas.read_report("tiny", storage) if name.startswith("seconds.")]
