"""One network timed, and timed again where the machine moved meanwhile: warm-up, samples, and what is usual here."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nas.latency import contamination
from nas.latency.contamination import Pace, Usual, pace
from nas.latency.device import Device
from nas.latency.launches import launched_s
from nas.latency.options import LatencyOptions
from nas.latency.quiet import no_garbage_collection
from nas.latency.sampling import Samples, WarmUp, reference_every, sample, unknown, warm_up
from nas.latency.stopping import REFERENCE_WARM_UP, WARM_UP, StoppingRule, budget_of
from nas.latency.timing import Call, PassTimer, passes_of, timer_of

_USUAL: dict[tuple[str, str, str, str, int], Usual] = defaultdict(Usual)


def usual_of(device: Device, options: LatencyOptions, threads: int) -> Usual:
    """What the reference usually takes in this process, under the conditions that it is timed under."""
    return _USUAL[str(device), options.dtype, options.memory_format, options.caches, threads]


@dataclass(frozen=True)
class Timed:
    """One attempt."""

    warm: WarmUp
    repeats: int  # calls in a sample
    samples: Samples
    pace: Pace
    launched_s: float | None  # a pass that the host launches, where the candidate's own is the device's alone
    moved: str = ""  # how the machine moved meanwhile, see `nas.latency.contamination`

    @property
    def waited(self) -> float:
        """Share of the time in which this process had no CPU; 0 where the look was too short to tell."""
        return self.pace.waited if contamination.is_long(self.samples) else 0.0


def steadily(once: Callable[[], Timed], usual: Usual, options: LatencyOptions) -> list[Timed]:
    """A measurement during which the machine did not move, else the one on the fastest machine; then the others."""

    def moved(timed: Timed) -> str:
        if not contamination.is_long(timed.samples):
            return ""
        return contamination.moved_within(timed.samples) or usual.moved(timed.pace)

    attempts = contamination.until_steady(once, moved, options.max_seconds)
    judged = [replace(timed, moved=moved) for timed, moved in attempts]
    judged.sort(key=lambda timed: (bool(timed.moved), timed.pace.level))
    if contamination.is_long(judged[0].samples):
        usual.remember(judged[0].pace)
    return judged


def time_here(candidate: Call, reference: Call, options: LatencyOptions, device: Device) -> Timed:
    """Warms both up, then samples them."""
    timer = PassTimer(timer_of(device.torch_name, options.caches))
    budget = budget_of(device.kind, options.max_seconds)
    with no_garbage_collection(), torch.inference_mode():
        reference_level = warm_up(reference, timer, REFERENCE_WARM_UP, budget).level_s
        warm = warm_up(candidate, timer, WARM_UP[device.kind], budget)
        repeats = timer.repeats(warm.level_s)
        left = budget.seconds(warm.level_s) - warm.seconds
        rule = StoppingRule(options.target, left, options.max_samples)
        every = reference_every(warm.level_s * repeats * passes_of(candidate), 2 * reference_level)
        busy = time.process_time if device.kind == "cpu" else unknown
        samples = sample(candidate, reference, timer, rule, repeats=repeats, every=every, busy=busy)
        return Timed(warm, repeats, samples, pace(samples), launched_s(candidate, timer))
