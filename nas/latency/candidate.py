"""From a network to a call that runs it once under the conditions asked for, seen to answer numbers."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nas.errors import MeasureError
from nas.latency.convert import converted
from nas.latency.device import Device
from nas.latency.faults import named
from nas.latency.fold import TOLERANCE, Folding, difference, fold_batch_norms
from nas.latency.options import Conditions, LatencyOptions, Shape
from nas.latency.reference import reference_network
from nas.latency.remote.there import There, sent_by
from nas.latency.timing import Call
from nas.runtimes import DeviceCall

NARROW_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}
"""As `TOLERANCE`, for types of 11 and 8 bits: an order of magnitude above what roundings add up to."""


@dataclass(frozen=True)
class Candidate:
    """A network that is ready: `call` runs it once and is called in inference mode."""

    call: Call
    folding: Folding
    warnings: tuple[str, ...]


def prepare_candidate(
    network: nn.Module, input_shape: Shape, options: LatencyOptions, conditions: Conditions, seed: int
) -> Candidate:
    """A copy of the network, folded, converted, on its device and in its runtime; `seed` draws the input.

    Raises:
        MeasureError: it cannot be run, answers NaN, needs too much memory, or breaks the device.
    """
    device = conditions.device.torch_name
    shape = (options.batch, *input_shape)
    running = f"running the network on {'x'.join(map(str, shape))} {options.dtype} on {conditions.device}"
    with named(running):
        ours = copy.deepcopy(network).eval().requires_grad_(False)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), device="cpu").to(device)
        folding = Folding(0, 0)
        if options.fuse:  # in float32, whatever it is run in later: the scaled weights are rounded once
            ours = ours.to(device, torch.float32)
            folding = fold_batch_norms(ours, x[:1])
        ours, x = converted(ours, x, device, options.dtype, options.memory_format)
    with named(f"preparing runtime '{conditions.runtime.name}'"):
        call = conditions.runtime.prepare(ours, x, conditions.told)
    with named(running), torch.inference_mode():
        output = call()
        warnings = [*folding.warnings, *_check_numbers(output)]
        if getattr(call, "func", None) is not ours:  # not the network itself but what was made of it
            warnings += _check_same(output, ours(x), conditions)
        return Candidate(call, folding, tuple(warnings))


def send_candidate(
    network: nn.Module, input_shape: Shape, options: LatencyOptions, conditions: Conditions, seed: int, there: There
) -> Candidate:
    """As `prepare_candidate`, on another machine: folded and converted here, and sent as the runtime has it.

    All images of the input are equal, so that one of them has to be sent, and one answer to come back.

    Raises:
        MeasureError: it cannot be expressed so, or what is told of the machine's own run of it.
    """
    running = f"running the network on {'x'.join(map(str, (options.batch, *input_shape)))} on {conditions.device}"
    ours = copy.deepcopy(network).to("cpu", torch.float32).eval().requires_grad_(False)
    image = torch.randn((1, *input_shape), generator=torch.Generator().manual_seed(seed), device="cpu")
    with named("running the network here"):
        folding = fold_batch_norms(ours, image) if options.fuse else Folding(0, 0)
        with torch.inference_mode():
            expected = ours(image)
    with named(f"preparing runtime '{conditions.runtime.name}'"):
        x = image.repeat(options.batch, 1, 1, 1)
        ours, x = converted(ours, x, "cpu", options.dtype, options.memory_format)
        sent = sent_by(conditions.runtime, ours, x, conditions.told)
    with named(running):
        output, passes = there.take_candidate(sent, x, conditions.threads)
        warnings = (*folding.warnings, *_check_numbers(output), *_check_same(output, expected, conditions))
    return Candidate(DeviceCall(there.run, passes), folding, warnings)


def prepare_reference(options: LatencyOptions, device: Device) -> Call:
    """The reference in the candidate's dtype and memory format, but always eager: one yardstick for all runtimes."""
    network, x = converted(*reference_network(), device.torch_name, options.dtype, options.memory_format)
    return functools.partial(network.requires_grad_(False), x)


@contextmanager
def memory_given_back(device: Device) -> Iterator[None]:
    """What a candidate took on a GPU, and nobody holds any longer, is free for the next one, however it ended."""
    try:
        yield
    except BaseException:
        if device.kind == "cuda":
            with suppress(RuntimeError):  # a device that is broken now: what broke it is what is to be told
                torch.cuda.empty_cache()
        raise
    if device.kind == "cuda":
        torch.cuda.empty_cache()


def _check_numbers(output: object) -> tuple[str, ...]:
    """Warnings about the network's answer.

    Raises:
        MeasureError: it holds NaN.
    """
    values = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    if any(bool(value.isnan().any()) for value in values):
        raise MeasureError("its output holds NaN", "nan")
    if any(bool(value.isinf().any()) for value in values):
        return ("the network's output holds infinities",)
    return ()


def _check_same(output: object, eager: object, conditions: Conditions) -> tuple[str, ...]:
    """A warning where a runtime's answer is not the network's own."""
    worst = difference(eager, output)
    usual = TOLERANCE[conditions.device.processor]
    tolerance = NARROW_TOLERANCE.get(conditions.told.dtype, usual)
    if worst <= tolerance:
        return ()
    said = (f"runtime '{conditions.runtime.name}' answers otherwise than the network in eager mode: by {worst:.2g} of "
            "the largest output")
    return (said,)
