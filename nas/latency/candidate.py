"""From a network to a call that runs it once under the conditions asked for, seen to answer numbers."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import GeneratorType

import numpy
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nas.choices import shown
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
    """A network that is ready: `call` runs it once and is called in inference mode.

    `look_again` runs it once more, looks at what it answers as was done before, and gives what there is to warn of;
    for after timing, since a network may have stopped computing meanwhile. It raises what `prepare_candidate` does.
    """

    call: Call
    folding: Folding
    warnings: tuple[str, ...]
    look_again: Callable[[], tuple[str, ...]]


def prepare_candidate(
    network: nn.Module, input_shape: Shape, options: LatencyOptions, conditions: Conditions, seed: int
) -> Candidate:
    """A copy of the network, folded, converted, on its device and in its runtime; `seed` draws the input.

    Raises:
        MeasureError: it cannot be run, answers NaN or nothing at all, needs too much memory, or breaks the device; its
            runtime gives what cannot be called, or a `DeviceCall` of no number of passes.
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
        call = _callable(conditions.runtime.prepare(ours, x, conditions.told), conditions.runtime.name)
    with named(running), torch.inference_mode():
        warnings = _check_numbers(output := call())
        expected = []
        if getattr(call, "func", None) is not ours:  # not the network itself but what was made of it
            expected = [ours(x)]
            warnings += _check_same(output, expected[0], conditions)

    def look_again() -> tuple[str, ...]:
        with named(f"{running}, once more after timing"), torch.inference_mode():
            told = _check_numbers(output := call())
            return told + (_check_same(output, expected[0], conditions) if expected else ())

    return Candidate(call, folding, (*folding.warnings, *warnings), look_again)


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

    def look_again() -> tuple[str, ...]:
        with named(f"{running}, once more after timing"):
            output = there.answer()
            return (*_check_numbers(output), *_check_same(output, expected, conditions))

    return Candidate(DeviceCall(there.run, passes), folding, warnings, look_again)


def _callable(call: object, runtime: str) -> Call:
    """What a runtime's `prepare` returned, if that can be timed.

    Raises:
        MeasureError: `invalid`: it cannot.
    """
    if not callable(call):
        raise MeasureError(f"prepare of runtime '{runtime}' must return a function that runs the network, or a "
                           f"DeviceCall; got {shown(call)}", "invalid")
    if isinstance(call, DeviceCall):
        passes: object = call.passes
        if isinstance(passes, bool) or not isinstance(passes, int) or passes < 1:
            raise MeasureError(f"prepare of runtime '{runtime}' returned a DeviceCall of passes = {shown(passes)}: it "
                               "must be a whole number from 1", "invalid")
    return call


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
        MeasureError: it holds NaN (`nan`), or no tensor at all (`invalid`).
    """
    tensors = list(_tensors(output))
    if not tensors:
        why = ("it is a generator, of which nothing is run: its forward yields instead of returning"
               if isinstance(output, GeneratorType) else f"it is {shown(output)}")
        raise MeasureError(f"its output holds no tensor: {why}; return one, or several in a tuple or a dict", "invalid")
    values = [tensor for tensor in tensors if tensor.is_floating_point() or tensor.is_complex()]
    if any(bool(value.isnan().any()) for value in values):
        raise MeasureError("its output holds NaN", "nan")
    if any(bool(value.isinf().any()) for value in values):
        return ("the network's output holds infinities",)
    return ()


def _tensors(output: object, depth: int = 3) -> Iterator[Tensor]:
    """Those of an answer: in what torch knows as containers, in numpy's arrays, and in the attributes of objects."""
    for leaf in tree_leaves(output):
        if isinstance(leaf, Tensor):
            yield leaf
        elif isinstance(leaf, numpy.ndarray):
            yield torch.as_tensor(leaf)
        elif depth and hasattr(leaf, "__dict__"):
            yield from _tensors(list(vars(leaf).values()), depth - 1)


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
