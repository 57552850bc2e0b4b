"""Refuses data that would not fit into memory, before any of them are read."""

from __future__ import annotations

import os

from nas.errors import SpecError
from nas.train.data.dataset import Shape

BYTES_A_VALUE = 6
"""The float32 tensor, and what it is made of while it is made."""


def physical_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_too_many(count: int, shape: Shape, place: str) -> None:
    """Data sets are held in memory: half of the machine's is the limit.

    Raises:
        SpecError: this many images of this shape are more.
    """
    channels, height, width = shape
    needed = count * channels * height * width * BYTES_A_VALUE
    limit = physical_memory() // 2
    if needed > limit:
        raise SpecError(
            f"{place} has {count} images; at {channels}x{height}x{width} they need {needed / 2**30:.1f} GiB of memory, "
            f"more than half of what this machine has ({limit / 2**30:.1f} GiB).\n"
            "Use fewer images or a smaller input."
        )
