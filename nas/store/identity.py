"""The key of a measurement: what two of them must have in common to stand for each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def measurement_key(
    arch_id: str, block_digests: Mapping[str, str], metric: tuple[str, int, str], options: Mapping[str, object],
    conditions: Mapping[str, object], seed: int | None,
) -> str:
    """32 hex digits.

    Args:
        arch_id: of the network.
        block_digests: of the source of each of its blocks, by name.
        metric: its name, its version, and the digest of its source.
        options, conditions: of the column that it was measured for.
        seed: None where it does not change the value.
    """
    parts = {
        "arch_id": arch_id,
        "blocks": dict(sorted(block_digests.items())),
        "metric": list(metric),
        "options": dict(options),
        "conditions": dict(conditions),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
