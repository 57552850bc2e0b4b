"""When a network is warm, and when its median is known well enough. Arithmetic only: no clock, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nas.latency.statistics import median, median_interval

StoppedBy = Literal["precision", "cap"]

MIN_SAMPLES = 20
"""Fewer than these may agree by luck."""

MIN_SECONDS = 0.12
"""A shorter look would miss what a machine does every few dozen milliseconds."""


@dataclass(frozen=True)
class StoppingRule:
    """Samples are enough when the confidence interval of their median is narrower than `target`, or at a cap.

    Attributes:
        target: width of the interval over the median, such as 0.01.
        max_seconds: cap of the time spent on sampling, the reference included.
        max_samples: cap of their number.
    """

    target: float
    max_seconds: float
    max_samples: int

    def verdict(self, samples: Sequence[float], elapsed_s: float) -> StoppedBy | None:
        """Why to stop now, or None to go on; there is at least one sample."""
        capped = self.is_spent(samples, elapsed_s)
        if len(samples) >= MIN_SAMPLES and (capped or elapsed_s >= MIN_SECONDS) and self.is_precise(samples):
            return "precision"
        return "cap" if capped else None

    def is_spent(self, samples: Sequence[float], elapsed_s: float) -> bool:
        """Whether one more sample like the last would go past a cap."""
        return elapsed_s + samples[-1] > self.max_seconds or len(samples) >= self.max_samples

    def is_precise(self, samples: Sequence[float]) -> bool:
        """Whether the interval of the median is narrower than the target."""
        interval = median_interval(samples)
        return interval.high - interval.low <= self.target * median(samples)


@dataclass(frozen=True)
class Budget:
    """What may be spent on looking for the precision where noise forbids it, warm-up and reference included.

    It grows with the network, so that no small one is timed for as long as a large one.

    Attributes:
        passes: this many passes of the candidate ...
        least_s: ... but not less than so many seconds ...
        max_seconds: ... and never more than these.
    """

    passes: int
    least_s: float
    max_seconds: float

    def seconds(self, pass_s: float) -> float:
        """Seconds that a network of `pass_s` seconds a pass may cost."""
        return min(self.max_seconds, max(self.least_s, self.passes * pass_s))


def budget_of(kind: str, max_seconds: float) -> Budget:
    """The budget on a "cpu" or on "cuda".

    On a CPU it is less than people spend by hand, ten passes to warm up and fifty to sample, so that some attempts may
    be repeated: the medians of fresh processes differ by several times the interval from inside one, which a longer
    look into one makes no truer. The clocks of a GPU are up only after some hundred milliseconds.
    """
    return Budget(45, 0.25, max_seconds) if kind == "cpu" else Budget(100, 1.0, max_seconds)


@dataclass(frozen=True)
class WarmUpRule:
    """A network is warm once the medians of successive windows of time agree.

    Attributes:
        min_seconds: however stable, not before.
        max_share: of the measurement's budget; by then it starts, stable or not.
        window_s: length of a window; a pass that takes longer is a window of its own.
        windows: how many must agree.
        tolerance: within this share of the lowest of them.
    """

    min_seconds: float = 0.1
    max_share: float = 0.3
    window_s: float = 0.03
    windows: int = 3
    tolerance: float = 0.02

    def is_stable(self, levels: Sequence[float]) -> bool:
        """Whether the last windows agree; `levels` are the medians of all windows so far."""
        recent = levels[-self.windows :]
        return len(recent) == self.windows and max(recent) - min(recent) <= self.tolerance * min(recent)


WARM_UP = {"cpu": WarmUpRule(), "cuda": WarmUpRule(min_seconds=0.3, max_share=0.5)}
"""An idle GPU needs some hundred milliseconds of work to raise its clocks."""

REFERENCE_WARM_UP = WarmUpRule(min_seconds=0.0, max_share=0.03, window_s=0.003)
"""The reference is small, and goes on being called among the candidate's samples."""
