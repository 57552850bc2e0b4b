"""The roofline of a device (Williams, Waterman and Patterson 2009): what it computes and moves at most in a second, as
seen on a large matrix product and a large copy, and where a network stands under it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nas.cost.result import Cost

FLOP_PER_MAC = 2

SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
"""Rows of square matrices, of which the best counts: the smallest are slow to start, the largest leave the caches."""
LONGEST_PASS_S = 0.25
"""No larger product is tried once one has taken this long."""
COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 1024 * 2**20}
"""Read and written again: several times what a cache holds."""


@dataclass(frozen=True)
class Roofs:
    """What a device reaches.

    Attributes:
        flop_per_s: floating-point operations a second of a square matrix product, two a multiply-accumulate.
        bytes_per_s: bytes read and written a second by a copy of `copied_bytes`.
        matrix: rows of the matrices at which it was best.
        copied_bytes: size of the buffer.
        arithmetic: in what was multiplied: the dtype, or "tf32" where convolutions may use that for float32.
        threads: of the CPU.
    """

    flop_per_s: float
    bytes_per_s: float
    matrix: int
    copied_bytes: int
    arithmetic: str
    threads: int

    @property
    def ridge(self) -> float:
        """The intensity in FLOP a byte at which the two roofs meet: below it, moving bytes bounds."""
        return self.flop_per_s / self.bytes_per_s

    def attainable(self, intensity: float) -> float:
        """FLOP a second that a network of this intensity, FLOP a byte, can reach at most."""
        return min(self.flop_per_s, intensity * self.bytes_per_s)


def traffic(cost: Cost, input_shape: tuple[int, int, int], batch: int, itemsize: int) -> int:
    """Bytes that a pass moves at least where no layer's map stays in a cache until the next one reads it.

    Each weight is read once a pass, whatever the batch is; the input is read once; what convolutions, linear layers
    and matrix products put out is written once and read once. Norms, activations and pools count as fused into these.
    """
    return itemsize * (cost.params + batch * (math.prod(input_shape) + 2 * cost.activations))


def measure_roofs(device: str, dtype: str, threads: int, seconds: float) -> Roofs:
    """Multiplies and copies on a device that `resolve_device` named, for about `seconds` in all; in this process.

    The fastest pass counts: noise makes a pass slower, never faster.

    Raises:
        RuntimeError: torch's own, where there is no memory for it.
    """
    import torch

    from nas.latency.quiet import cpu_threads, no_garbage_collection
    from nas.latency.timing import timer_of
    from nas.runtimes import DeviceCall

    timer, kind = timer_of(device), getattr(torch, dtype)
    with cpu_threads(threads), no_garbage_collection(), torch.inference_mode(), _as_convolutions(device, dtype) as used:
        best, matrix = 0.0, 0
        for size in SIZES:
            a, b = (torch.ones(size, size, dtype=kind, device=device) for _ in range(2))
            out = torch.empty_like(a)
            fastest = _fastest(DeviceCall(functools.partial(torch.mm, a, b, out=out)), timer, seconds / 2 / len(SIZES))
            if (reached := FLOP_PER_MAC * size**3 / fastest) > best:
                best, matrix = reached, size
            if fastest > LONGEST_PASS_S / 8:  # the next is eight times the work
                break
        buffer = torch.ones(COPY_BYTES[device.partition(":")[0]], dtype=torch.uint8, device=device)
        target = torch.empty_like(buffer)
        copied = _fastest(DeviceCall(functools.partial(target.copy_, buffer)), timer, seconds / 2)
    return Roofs(best, 2 * buffer.numel() / copied, matrix, buffer.numel(), used, threads)


def _fastest(call: Callable[[], object], timer: Callable[..., float], seconds: float) -> float:
    """Seconds of the fastest pass; at least three passes, the first of which warms up."""
    call()
    samples = [timer(call), timer(call)]
    while sum(samples) + samples[-1] < seconds:
        samples.append(timer(call))
    return min(samples)


@contextmanager
def _as_convolutions(device: str, dtype: str) -> Iterator[str]:
    """Matrix products may use inside what convolutions may use anyway: on CUDA, TF32 for float32."""
    import torch

    backends: Any = torch.backends  # of which not everything is typed
    if device == "cpu" or dtype != "float32" or backends.cudnn.conv.fp32_precision != "tf32":
        yield dtype
        return
    before = backends.cuda.matmul.fp32_precision
    backends.cuda.matmul.fp32_precision = "tf32"
    try:
        yield "tf32"
    finally:
        backends.cuda.matmul.fp32_precision = before
