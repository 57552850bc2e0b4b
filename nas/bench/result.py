"""What a bench answers, as values: every number as measured, nothing rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from nas.bench.roofline import FLOP_PER_MAC, Roofs
from nas.cost.result import Cost


@dataclass(frozen=True)
class Timing:
    """One network at one batch in one runtime; milliseconds a pass.

    Attributes:
        low_ms, high_ms: the 95 % interval of the median, see `nas.latency.result.Latency`.
        launch_bound: whether the device waits for its host; None where that was not asked.
        seconds: that this measurement took, warm-up included.
    """

    runtime: str
    batch: int
    median_ms: float
    low_ms: float
    high_ms: float
    iqr_ms: float
    reference_ratio: float
    samples_ms: tuple[float, ...]
    fused: bool
    stopped_by: str
    seconds: float
    environment: str
    launch_bound: bool | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What the worker told, as a value."""
        return cls(**{**told, "samples_ms": tuple(told["samples_ms"]), "warnings": tuple(told["warnings"])})

    @property
    def images_per_s(self) -> float:
        """One pass after the other: batch / latency."""
        return 1e3 * self.batch / self.median_ms


@dataclass(frozen=True)
class Published:
    """torchvision's own figures of the weights that it ships.

    Attributes:
        weights: their name, such as "ResNet50_Weights.IMAGENET1K_V2".
        accuracy: top-1 on ImageNet-1K in percent.
        gflops: what torchvision calls GFLOPs: 1e9 multiply-accumulates.
    """

    weights: str
    accuracy: float
    params: int
    gflops: float


@dataclass(frozen=True)
class Row:
    """What came of one network.

    Attributes:
        outcome: "ok", or a word of the column `outcome` of every report. "ok" as soon as its first latency is known.
        message: why it is not ok, or what failed beside the first latency: a larger batch, another runtime.
        ended: why its batches end before those that were asked for, where that was no failure.
    """

    network: str
    input_shape: tuple[int, int, int]
    cost: Cost | None = None
    published: Published | None = None
    timings: tuple[Timing, ...] = ()
    outcome: str = "ok"
    message: str = ""
    ended: str = ""

    def latency(self, runtime: str) -> Timing | None:
        """At the smallest batch that was measured in this runtime."""
        found = [timing for timing in self.timings if timing.runtime == runtime]
        return min(found, key=lambda timing: timing.batch, default=None)

    def best(self, runtime: str) -> Timing | None:
        """At the batch of the most images a second in this runtime."""
        found = [timing for timing in self.timings if timing.runtime == runtime]
        return max(found, key=lambda timing: timing.images_per_s, default=None)

    def flop(self, batch: int) -> float:
        """Floating-point operations of a pass: two a multiply-accumulate, as a matrix product is counted."""
        return float(FLOP_PER_MAC * self.cost.macs * batch) if self.cost else 0.0

    def traffic(self, batch: int, itemsize: int) -> float:
        """Bytes that a pass must move at least, see `nas.bench.roofline.traffic`."""
        from nas.bench.roofline import traffic

        return float(traffic(self.cost, self.input_shape, batch, itemsize)) if self.cost else 0.0


@dataclass(frozen=True)
class Conditions:
    """What was asked for, as it turned out on this device.

    Attributes:
        runtimes: the first is that of the latencies; the last, that of the throughput.
        batches: ascending; latencies are told at the first.
        itemsize: bytes of a number.
        environment: of `nas.latency.environment.describe`, as it was before anything was measured.
    """

    device: str
    device_name: str
    kind: str
    runtimes: tuple[str, ...]
    batches: tuple[int, ...]
    dtype: str
    memory_format: str
    itemsize: int
    threads: int
    max_seconds: float
    notice: str
    environment: Mapping[str, Any]


@dataclass
class Bench:
    """All that is known so far: a row for each network that is finished."""

    conditions: Conditions
    asked: int
    roofs: Roofs | None = None
    rows: list[Row] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every network that was asked for has its row."""
        return len(self.rows) == self.asked

    def share(self, row: Row, timing: Timing) -> float | None:
        """What a network reached of what the roofs leave at its intensity; None where either is not known."""
        flop, moved = row.flop(timing.batch), row.traffic(timing.batch, self.conditions.itemsize)
        if self.roofs is None or not flop or not moved:
            return None
        return 1e3 * flop / timing.median_ms / self.roofs.attainable(flop / moved)

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)
