"""What a latency measurement answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nas.latency.stopping import StoppedBy


@dataclass(frozen=True)
class Latency:
    """How long one pass takes, in milliseconds, under `conditions` and in `environment`.

    Attributes:
        median_ms: the median over the samples, as measured: corrected by nothing. (Memory-bound and compute-bound
            networks slow down differently, so that correcting by one reference can add to the error.)
        low_ms, high_ms: a distribution-free 95 % confidence interval of the median, between two order statistics. It
            says how well the median of *this process* is known. A fresh process has another memory layout and other
            neighbours, and on shared machines its median differs by far more than this interval shows.
        coverage: the interval's exact confidence for independent samples whose number was fixed beforehand: at least
            0.95 from 6 samples on. Stopping as soon as the interval is narrow costs up to about 0.02 of it (seen in
            simulation: 0.93 to 0.965).
        iqr_ms: the interquartile range of the samples.
        samples_ms: every sample, in order of time; one pass each, or the mean over the passes of a sample,
            `conditions["calls_per_sample"]` times `conditions["passes_per_call"]`.
        reference_ratio: median over candidate / reference, of neighbours in time.
        reference_samples_ms: the reference's own samples, in order of time.
        fused: no batch norm is left to run: all were folded into convolutions, or there was none. False where folding
            was not asked for.
        stopped_by: "precision" where the interval became narrower than the target, "cap" where time or count ended it.
        outcome: "ok"; "contaminated" where the machine changed meanwhile, however often it was tried
            (`nas.latency.contamination`); "throttled" where a GPU had to lower its clocks. Both are only ever of use as
            a hint, and no study takes them.
        discarded_samples_ms: the samples of the attempts that were contaminated and repeated.
        environment: see `nas.latency.environment`; under "state", "before" and "after" the measurement.
        warnings: what the reader should know before believing the number.
        conditions: device, runtime, batch, dtype, memory_format, threads and the like, as they were in the end.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    coverage: float
    iqr_ms: float
    samples_ms: tuple[float, ...]
    reference_ratio: float
    reference_samples_ms: tuple[float, ...]
    fused: bool
    stopped_by: StoppedBy
    outcome: Literal["ok", "contaminated", "throttled"]
    discarded_samples_ms: tuple[float, ...]
    environment: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    conditions: Mapping[str, object] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.samples_ms)

    def __str__(self) -> str:
        return f"{self.median_ms:.4g} ms [{self.low_ms:.4g}, {self.high_ms:.4g}], n = {self.n}"
