"""How the seconds of one network are shared out among its measurements. Arithmetic only: no clock, no network."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_PASSES = 10
"""A measurement that has no time for this many passes is not begun."""


@dataclass(frozen=True)
class Step:
    """One measurement that is wanted."""

    runtime: str
    batch: int


def steps(runtimes: tuple[str, ...], batches: tuple[int, ...]) -> tuple[Step, ...]:
    """The latencies first, in every runtime at the first batch; then the last runtime along the other batches."""
    first, *others = batches
    return (*(Step(runtime, first) for runtime in runtimes), *(Step(runtimes[-1], batch) for batch in others))


def allowed_s(left_s: float, steps_left: int, pass_s: float | None) -> float | None:
    """Seconds that the next measurement may take, or None where there is no time for it any more.

    Args:
        left_s: of the network's budget.
        steps_left: measurements that are wanted, this one among them.
        pass_s: how long a pass of it will take, judged by the one before; None for the first, which is always begun,
            and may take half of all: most know their median well enough long before.
    """
    if pass_s is None:
        return left_s if steps_left == 1 else left_s / 2
    share = max(left_s / steps_left, LEAST_PASSES * pass_s)
    return share if share <= left_s else None
