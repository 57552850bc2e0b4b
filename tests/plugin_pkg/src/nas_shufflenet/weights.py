"""`weights_mb`: how large a file of the network's weights is."""

from __future__ import annotations

import nas

BYTES = {"float32": 4, "float16": 2}


def weights_mb(context: nas.MetricContext) -> float:
    """Parameters x bytes of each, in megabytes of 10^6 bytes."""
    return context.cost.params * BYTES[str(context.options["dtype"])] / 1e6


def check(setting: nas.Setting) -> str | None:
    """Why this dtype has no size, or None."""
    dtype = setting.options["dtype"]
    return None if dtype in BYTES else f"dtype is one of {', '.join(BYTES)}, got {dtype!r}"


@nas.hookimpl
def nas_metrics() -> list[nas.MetricSpec]:
    """The metric of this module."""
    return [
        nas.MetricSpec(
            name="weights_mb",
            unit="MB",
            direction="minimize",
            version=1,
            compute=weights_mb,
            cost="free",
            options={"dtype": "float32"},
            check=check,
            seeded=False,
        )
    ]
