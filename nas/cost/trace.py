"""Counts a module on real tensors by fvcore and by torch's FlopCounterMode: the road for what `rules` are not sure of.

What the two disagree on, and what neither can follow, is named.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nas.cost.counter import FunctionCounter
from nas.cost.operators import MACS, computes
from nas.cost.rules import RULES
from nas.cost.table import BlockCost


def traced(module: nn.Module, image: Tensor, paths: bool = False) -> tuple[BlockCost, list[Tensor]]:
    """The cost of a module for one image, and what the module gave.

    Args:
        module: in eval mode, with real weights.
        image: (1, channels, height, width).
        paths: whether global operations are named with the path of their submodule.

    Raises:
        Exception: whatever the module raises.
    """
    with _quiet():
        counter, outputs, torch_macs = _followed(module, image, paths)
        fvcore = _by_fvcore(module, image)
    notes = [*fvcore.unsupported, *fvcore.failures]
    notes += [f"Tensor.{name}: what follows from the values is not counted" for name in counter.values_used]
    if counter.lost:
        notes.append("receptive_field: not followed through an operation that is not one of torch's")
    if torch_macs is None:
        notes.append("FlopCounterMode: fails on this module")
    known = [macs for macs in (fvcore.macs, torch_macs) if macs is not None] or [counter.macs]
    # fvcore rounds an einsum's count to four digits; anything else that one of the two lacks, it has missed.
    macs = known[-1] if fvcore.rounded else max(known)
    cost = counter.cost(
        module,
        macs=macs,
        fvcore_macs=known[0],
        torch_macs=known[-1],
        flops=counter.flops if fvcore.flops is None else fvcore.flops,
        activations=counter.activations if fvcore.activations is None else fvcore.activations,
        unsupported=notes,
    )
    return cost, outputs


def _followed(module: nn.Module, image: Tensor, paths: bool) -> tuple[FunctionCounter, list[Tensor], int | None]:
    """Runs the module under both modes; the last is None where FlopCounterMode itself fails."""

    def run() -> tuple[FunctionCounter, list[Tensor]]:
        counter = FunctionCounter(RULES, exact=False)
        # Fused attention is one operator, another for each device, of which FlopCounterMode does not know the CPU's.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter.watch(module, paths):
            return counter, counter.run(module, image)

    mode = FlopCounterMode(display=False)
    try:
        with mode:
            counter, outputs = run()
        return counter, outputs, mode.get_total_flops() // 2
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # its formulas raise what they like; what the module raises comes again
        return *run(), None


@dataclass
class _Fvcore:
    """None where fvcore fails, which `failures` tells."""

    flops: int | None = None
    macs: int | None = None
    activations: int | None = None
    rounded: bool = False
    unsupported: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def _by_fvcore(module: nn.Module, image: Tensor) -> _Fvcore:
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    found = _Fvcore()

    def count(analysis: Callable[..., Any]) -> tuple[Mapping[str, float], Mapping[str, int]] | None:
        try:
            analysed = analysis(module, (image,)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            return analysed.by_operator(), analysed.unsupported_ops()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # the tracer and fvcore's formulas raise what they like
            reason = str(error).strip().partition("\n")[0]
            found.failures.append(f"{analysis.__name__}: fails with {type(error).__name__}: {reason}")
            return None

    flops, activations = count(FlopCountAnalysis), count(ActivationCountAnalysis)
    if flops is not None:
        by_operator, unsupported = flops
        found.flops = int(sum(by_operator.values()))
        found.macs = int(sum(count for name, count in by_operator.items() if name in MACS))
        found.rounded = "einsum" in by_operator
        found.unsupported = [kind for kind in unsupported if computes(kind)]
    if activations is not None:
        found.activations = int(sum(activations[0].values()))
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """fvcore traces with torch.jit, which warns that it is deprecated and of what a trace cannot follow."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", message=r"[\s\S]*torch\.jit", category=category)
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield
