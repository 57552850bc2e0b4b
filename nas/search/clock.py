"""Where the time of a study goes: every moment of a run belongs to one part."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nas.outcomes import TRIAL_PARTS

PARTS = ("check", *TRIAL_PARTS, "verify", "rest")
"""check: reading the study and asking its blocks, before the first trial. ask: proposing networks. cost: counting
them. build: starting workers, building networks and making them ready to run. measure: timing, training and all else
that metrics do. store: writing, and looking for, studies, trials and measurements. verify: the front's second
measurement. rest: everything else.
"""

_BUILDING = ("loading plugins", "building the network", "preparing", "checking", "asking the device")
"""What a metric tells that it does while it does not measure yet."""


def part_of(phase: str) -> str:
    """Whether a metric builds or measures, by the phase that it tells."""
    return "build" if phase.startswith(_BUILDING) else "measure"


class Clock:
    """Adds up the seconds of each part; a part that is entered within another one interrupts it."""

    def __init__(self) -> None:
        self._spent = dict.fromkeys(PARTS, 0.0)
        self._part = "rest"
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """What runs within belongs to `part`."""
        before = self._part
        self.turn_to(part)
        try:
            yield
        finally:
            self.turn_to(before)

    def turn_to(self, part: str) -> None:
        """What follows belongs to `part`.

        Raises:
            KeyError: there is no such part.
        """
        now = time.perf_counter()
        self._spent[self._part] += now - self._since
        self._since = now
        if part not in self._spent:
            raise KeyError(part)
        self._part = part

    @property
    def spent(self) -> Mapping[str, float]:
        """Seconds of each part up to now, in the order of `PARTS`."""
        self.turn_to(self._part)
        return dict(self._spent)


def since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """The seconds of a trial's parts between two looks at a clock, to the microsecond."""
    return {part: round(now[part] - before[part], 6) for part in TRIAL_PARTS}
