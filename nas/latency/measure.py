"""`nas.measure`: the whole road from a network to its latency. The measuring happens in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from nas.arch import Architecture
from nas.choices import shown
from nas.errors import SpecError
from nas.latency.attempts import Timed, steadily, time_here, usual_of
from nas.latency.candidate import Candidate, memory_given_back, prepare_candidate, prepare_reference, send_candidate
from nas.latency.contamination import Usual, pace
from nas.latency.environment import describe, doubts, fingerprint, joined, lock_names, throttled
from nas.latency.faults import named
from nas.latency.launches import launch_bound
from nas.latency.lock import held
from nas.latency.options import Conditions, LatencyOptions, Shape, find_runtime
from nas.latency.processor import CpuTime, foreign_cpus
from nas.latency.quiet import as_asked, refuse_other_threads
from nas.latency.reference import VERSION as REFERENCE_VERSION
from nas.latency.remote.link import ASK_LIMIT_S
from nas.latency.remote.there import SEND_LIMIT_S, There
from nas.latency.result import Latency
from nas.latency.statistics import CONFIDENCE, interquartile_range, median, median_interval
from nas.latency.timing import passes_of
from nas.numbers import rounded
from nas.runtimes import RuntimeSpec
from nas.text import several

if TYPE_CHECKING:
    from nas.zoo import Opaque


def measure(
    arch: Architecture | Opaque | str | nn.Module,
    device: str = LatencyOptions.device,
    *,
    batch: int = LatencyOptions.batch,
    runtime: str = LatencyOptions.runtime,
    dtype: str = LatencyOptions.dtype,
    memory_format: str = LatencyOptions.memory_format,
    threads: int | str = LatencyOptions.threads,
    fuse: bool = LatencyOptions.fuse,
    caches: str = LatencyOptions.caches,
    target: float = LatencyOptions.target,
    max_seconds: float = LatencyOptions.max_seconds,
    max_samples: int = LatencyOptions.max_samples,
    input_shape: Sequence[int] | None = None,
    plugins: Sequence[str | Path] = (),
    seed: int = 0,
) -> Latency:
    """The latency of a network: an architecture, an opaque network, what `nas.load` takes as text, or any module.

    The options are those of a latency column, see `nas.latency.options.LatencyOptions`. `input_shape` is (channels,
    height, width), needed for a module and only for a module, whose own weights and training mode stay untouched.
    `plugins` are local files with further blocks and runtimes. `seed` draws the input, and the weights of a network
    that is built here.

    Raises:
        SpecError: an option is refused, or `arch` names no network.
        BlockError, PluginError: the architecture cannot be built, a plugin cannot be loaded.
        MeasureError: the network cannot be run (`invalid`), answers NaN (`nan`), needs more memory than there is
            (`oom`), or breaks the device (`device_error`); the word is the error's `outcome`.
    """
    from nas.plugins import load_plugins

    options = LatencyOptions(
        device, runtime, batch, dtype, memory_format, threads, fuse, caches, target, max_seconds, max_samples
    )
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise SpecError(f"seed = {shown(seed)}: give a whole number from 0")
    known = load_plugins(plugins)
    spec = find_runtime(runtime, known.runtimes)
    if isinstance(arch, nn.Module):
        return measure_module(arch, _checked(input_shape), options, spec, seed)
    if input_shape is not None:
        raise SpecError("input_shape is for modules: an architecture has its own, as has a network of a library")
    from nas.network import build
    from nas.zoo import Opaque, canonical_with, resolve

    value = resolve(arch, known) if isinstance(arch, str) else arch
    if not isinstance(value, Opaque):
        value = canonical_with(value, known)
    options.resolve(spec, [value.input_shape])  # before anything is built
    network = build(value, plugins, seed=seed)
    return measure_module(network, value.input_shape, options, spec, seed)


def _checked(input_shape: Sequence[int] | None) -> Shape:
    if input_shape is None:
        raise SpecError("input_shape: a module does not say what it takes in; give (channels, height, width)")
    given: object = input_shape
    if (not isinstance(given, Sequence) or len(given) != 3
            or not all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in given)):
        raise SpecError(f"input_shape = {shown(input_shape)}: give (channels, height, width), whole numbers from 1")
    channels, height, width = input_shape
    return channels, height, width


PREPARING_LIMIT_S = 600.0
"""Of conversion, folding and the runtime's own preparation, which may compile."""
TIMING_SLACK_S = 60.0
"""Beyond what the options allow: of a single pass that takes far longer than they do."""


Phase = Callable[[str, float | None], None]
"""Told what begins, and how many seconds it may last (None: it waits for others)."""


def unheard(phase: str, limit_s: float | None) -> None:
    """The default listener: nobody waits."""


def measure_module(
    network: nn.Module,
    input_shape: Shape,
    options: LatencyOptions,
    runtime: RuntimeSpec,
    seed: int = 0,
    phase: Phase = unheard,
) -> Latency:
    """The latency of a module that takes (batch, *input_shape); the module itself is copied, not touched.

    While it is timed, nobody else on this host times on its device, see `nas.latency.lock`. A measurement during which
    the machine has changed is repeated while `max_seconds` allow, see `nas.latency.contamination`; where that does not
    help, or a GPU was throttled, the answer's `outcome` says so. `phase` is told what
    begins, and how many seconds it may last at most before it must have hung (None: it waits for others).

    Raises:
        SpecError: this machine cannot do what the options ask for.
        MeasureError: the network cannot be run, see `measure`.
    """
    conditions = options.resolve(runtime, [input_shape])
    device = conditions.device
    if device.kind == "ssh":
        there = There.on(device.torch_name)
        send = partial(send_candidate, network, input_shape, options, conditions, seed, there)
        return _measure_there(there, send, options, conditions, phase)
    prepare = partial(prepare_candidate, network, input_shape, options, conditions, seed)
    with memory_given_back(device), as_asked(device.kind, conditions.threads):
        return _measure_here(prepare, options, conditions, phase)


def _measure_here(
    prepare: Callable[[], Candidate], options: LatencyOptions, conditions: Conditions, phase: Phase
) -> Latency:
    """`measure_module` on this machine. What it holds on the device is free once it has returned."""
    device = conditions.device
    phase("preparing", PREPARING_LIMIT_S)
    candidate = prepare()
    refuse_other_threads(conditions.threads)
    reference = prepare_reference(options, device)
    usual = usual_of(device, options, conditions.threads)
    locks = lock_names(describe(device))
    with held(locks, lambda: phase("waiting for the device", None)), named("timing the network"):
        phase("timing", 2 * options.max_seconds + TIMING_SLACK_S)
        before, begin = describe(device), CpuTime.now()  # not earlier: who was waited for is no neighbour
        timed, *discarded = steadily(lambda: time_here(candidate.call, reference, options, device), usual, options)
        foreign = foreign_cpus(begin, CpuTime.now())
        after = describe(device)  # at once: a GPU cools down, and an idle one is not throttled
        refuse_other_threads(conditions.threads)
    candidate = _seen_again(candidate)
    return _latency(options, conditions, candidate, timed, discarded, joined(before, after, foreign))


def _seen_again(candidate: Candidate) -> Candidate:
    """With what its answer after timing is to be warned of, where there was nothing to warn of before."""
    told = [f"after timing: {warning}" for warning in candidate.look_again()]
    return candidate if candidate.warnings else replace(candidate, warnings=tuple(told))


def _measure_there(
    there: There, send: Callable[[], Candidate], options: LatencyOptions, conditions: Conditions, phase: Phase
) -> Latency:
    """`measure_module` on another machine: the same steps, each asked of it."""
    limit_s = 2 * options.max_seconds + TIMING_SLACK_S

    def once() -> Timed:
        warm, repeats, samples = there.time(options, limit_s)
        return Timed(warm, repeats, samples, pace(samples), None)

    with there.link.alone:
        phase("preparing", PREPARING_LIMIT_S + 2 * SEND_LIMIT_S)
        there.take_reference(conditions.runtime, conditions.told)
        with torch.no_grad():
            candidate = send()
        usual = there.link.memory.setdefault(("usual", there.link.memory["reference"]), Usual())
        with there.held(lambda: phase("waiting for the device", None)), named("timing the network"):
            phase("timing", limit_s + ASK_LIMIT_S)
            before, begin = there.look()
            timed, *discarded = steadily(once, usual, options)
            after, end = there.look()
            candidate = _seen_again(candidate)  # before it is given back there
    return _latency(options, conditions, candidate, timed, discarded, joined(before, after, foreign_cpus(begin, end)))


def _latency(
    options: LatencyOptions,
    conditions: Conditions,
    candidate: Candidate,
    timed: Timed,
    discarded: Sequence[Timed],
    environment: Mapping[str, object],
) -> Latency:
    to_ms = 1e3
    warm, samples, folding = timed.warm, timed.samples, candidate.folding
    times = samples.candidate_s
    interval = median_interval(times)
    ratio = median(samples.ratios)
    fused = options.fuse and folding.complete
    notices = [conditions.device.notice] if conditions.device.notice else []
    warnings = [*notices, *candidate.warnings, *doubts(environment, conditions.threads, timed.waited)]
    if timed.moved:
        often = f", in each of {1 + len(discarded)} attempts" if discarded else ""
        warnings.append(f"contaminated{often}: {timed.moved}")
    launched = timed.launched_s
    if launched is not None and launch_bound(launched, median(times)):
        warnings.append(f"launch-bound: {launched * to_ms:.4g} ms where the host launches each kernel, "
                        f"{launched / median(times):.2g} times the device's own time")
    if interval.coverage < CONFIDENCE:
        capped = len(times) >= options.max_samples
        cap = f"max_samples = {options.max_samples}" if capped else f"max_seconds = {rounded(options.max_seconds)}"
        warnings.append(f"only {several(len(times), 'sample')}, the cap was {cap}: the interval holds the median in "
                        f"{interval.coverage:.0%} of cases, not in {CONFIDENCE:.0%}")
    return Latency(
        median_ms=median(times) * to_ms,
        low_ms=interval.low * to_ms,
        high_ms=interval.high * to_ms,
        coverage=interval.coverage,
        iqr_ms=interquartile_range(times) * to_ms,
        samples_ms=tuple(value * to_ms for value in times),
        reference_ratio=ratio,
        reference_samples_ms=tuple(value * to_ms for value in samples.reference_s),
        fused=fused,
        stopped_by=samples.stopped_by,
        outcome="throttled" if throttled(environment) else "contaminated" if timed.moved else "ok",
        discarded_samples_ms=tuple(value * to_ms for other in discarded for value in other.samples.candidate_s),
        environment=environment,
        warnings=tuple(warnings),
        conditions={
            "device": str(conditions.device),
            "runtime": conditions.runtime.name,
            "runtime_version": conditions.runtime.version,
            "runtime_libraries": dict(conditions.libraries),
            "batch": options.batch,
            "dtype": options.dtype,
            "memory_format": options.memory_format,
            "threads": conditions.threads,
            "fused": fused,
            "batch_norms": folding.norms,
            "batch_norms_folded": folding.folded,
            "caches": options.caches,
            "eager_ms": None if launched is None else launched * to_ms,
            "launch_bound": None if launched is None else launch_bound(launched, median(times)),
            "reference_version": REFERENCE_VERSION,
            "reference_runtime": conditions.runtime.name if conditions.device.kind == "ssh" else "eager",
            "reference_ratio": ratio,
            "reference_ms": median(samples.reference_s) * to_ms,
            "stopped_by": samples.stopped_by,
            "target": options.target,
            "coverage": interval.coverage,
            "attempts": 1 + len(discarded),
            "discarded": [other.moved for other in discarded],
            "waited": timed.waited,
            "calls_per_sample": timed.repeats,
            "passes_per_call": passes_of(candidate.call),
            "warm_up_calls": warm.calls,
            "warm_up_seconds": warm.seconds,
            "warm_up_stable": warm.stable,
            "seconds": sum(one.warm.seconds + one.samples.seconds for one in (timed, *discarded)),
            "environment": fingerprint(environment),
        },
    )
