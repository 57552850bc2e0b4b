"""One line of the table, and how often and how long a benchmark may try."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What the ratio has to come to: at least, or at most, so much."""

    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:{',.0f' if self.bound >= 10 else '.3g'}}x"

    def met(self, ratio: float) -> bool:
        """Whether the ratio comes to it."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: is compared.
        ours, peer: what was found, with its unit.
        ratio: how many times better ours is, or, of a target from above, ours / peer; None where it was not measured.
        target: None where the line only informs.
        note: what the reader should know of how it was measured.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> str:
        """ "yes", "no", or nothing where there is no target; "not measured" where there is one."""
        if self.target is None:
            return ""
        if self.ratio is None:
            return "not measured"
        return "yes" if self.target.met(self.ratio) else "no"


@dataclass(frozen=True)
class Scale:
    """How large a benchmark is: `small` shows that it works, and its figures mean nothing."""

    small: bool

    def of(self, full: int, small: int) -> int:
        """A count of trials, repetitions or candidates."""
        return small if self.small else full


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternately(calls: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """The median seconds of each call, called in turns: what disturbs the machine meanwhile disturbs all of them."""
    found = [[seconds(call) for call in calls] for _ in range(turns)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def duration(value: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1 or unit == "us":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError
