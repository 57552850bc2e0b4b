"""A bench of three networks as it could have been measured: one whole, one with a failed batch, one that failed."""

from __future__ import annotations

import pytest

from nas.bench.result import Bench, Conditions, Published, Row, Timing
from nas.bench.roofline import Roofs
from nas.cost.result import Cost


def timing(batch: int, ms: float, runtime: str = "eager", **more: object) -> Timing:
    samples = tuple(ms * (1 + 0.01 * step) for step in range(-5, 6))
    values: dict[str, object] = {
        "runtime": runtime, "batch": batch, "median_ms": ms, "low_ms": 0.97 * ms, "high_ms": 1.02 * ms,
        "iqr_ms": 0.05 * ms, "reference_ratio": 3.0, "samples_ms": samples, "fused": True, "stopped_by": "precision",
        "seconds": 1.0, "environment": "0123456789ab",
    }
    return Timing(**{**values, **more})  # type: ignore[arg-type]


def cost(params: int, macs: int, activations: int) -> Cost:
    return Cost(params, macs, 2 * macs, activations, "3x3", 2)


@pytest.fixture
def bench() -> Bench:
    conditions = Conditions(
        device="cpu", device_name="a CPU", kind="cpu", runtimes=("eager",), batches=(1, 4, 16), dtype="float32",
        memory_format="contiguous", itemsize=4, threads=2, max_seconds=5.0, notice="",
        environment={"cpu": "a CPU", "os": "Linux 6.1.2-secret", "host": "my-machine", "state": {"load_average": 1.0}},
    )
    theirs = Published("Small_Weights.V1", 70.25, 1_000_000, 0.125)
    rows = [
        Row("small", (3, 32, 32), cost(1_000_000, 125_000_000, 500_000), theirs,
            (timing(1, 5.0), timing(4, 10.0), timing(16, 50.0))),
        Row("large", (3, 32, 32), cost(50_000_000, 5_000_000_000, 9_000_000), None,
            (timing(1, 100.0, warnings=("others kept 1.5 of 2 CPUs busy",)), timing(4, 500.0, stopped_by="cap")),
            message="oom: eager, batch 16: no memory | left"),
        Row("broken", (3, 32, 32), None, None, outcome="worker_died", message="while timing the worker was killed"),
    ]
    return Bench(conditions, 3, Roofs(200e9, 10e9, 1024, 2**28, "float32", 2), rows)
