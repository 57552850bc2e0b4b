"""Raw samples as a compressed blob: float32, little-endian, bytes grouped by significance, then deflate.

Neighbouring samples share their exponents, so that bytes of one significance compress far better side by side.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence

from nas.errors import StoreError

WIDTH = 4
"""Bytes of a float32."""

MAX_SAMPLES = 10_000_000
"""More than any measurement takes: a database that says more is damaged, or wants to fill the memory."""


def pack(values: Sequence[float]) -> bytes:
    """The blob of `values`, each rounded to float32."""
    numbers = array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    raw = numbers.tobytes()
    return zlib.compress(b"".join(raw[place::WIDTH] for place in range(WIDTH)), level=6)


def unpack(data: bytes, n: int) -> list[float]:
    """The `n` values of a blob.

    Raises:
        StoreError: the blob is damaged, or does not hold `n` values.
    """
    if not 0 <= n <= MAX_SAMPLES:
        raise StoreError(f"a measurement cannot have {n} samples: the database is damaged")
    size = n * WIDTH
    inflate = zlib.decompressobj()
    try:
        grouped = inflate.decompress(data, size + 1)  # never more than was promised, whatever the blob holds
    except zlib.error as error:
        raise StoreError(f"the samples of a measurement are damaged: {error}") from None
    if len(grouped) != size:
        raise StoreError(f"the samples of a measurement are damaged: {n} were promised")
    raw = bytearray(size)
    for place in range(WIDTH):
        raw[place::WIDTH] = grouped[place * n : (place + 1) * n]
    numbers = array("f")
    numbers.frombytes(bytes(raw))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
