"""`latency_ms` and `throughput`: how long one pass of the candidate takes, and how many images a second that makes."""

from __future__ import annotations

from dataclasses import replace

import nas
from nas.errors import MeasureError, NasError
from nas.latency.device import resolve_device
from nas.latency.environment import describe, fingerprint, lasting, lock_names
from nas.latency.lock import check_locks
from nas.latency.options import LatencyOptions, find_runtime
from nas.latency.result import Latency
from nas.latency.statistics import interquartile_range

DEVICE_LIMIT_S = 300.0
"""Until a device of this machine has answered for the first time: one that hangs never returns from its first call. A
connection to another machine has limits of its own."""


def measured(context: nas.MetricContext) -> Latency:
    """The candidate's latency under the column's options. What is to be told of the device is the column's `notice`,
    told once a run, and stands in no measurement's warnings.

    Raises:
        MeasureError: `contaminated` or `throttled` where the machine was not itself, and what is told of failing
            networks by `nas.latency.measure.measure_module`.
    """
    from nas.latency.measure import measure_module

    options = LatencyOptions.of(context.options)
    runtime = find_runtime(options.runtime, context.runtimes)
    network = context.network
    context.phase("asking the device", None if options.device.startswith("ssh:") else DEVICE_LIMIT_S)
    found = measure_module(network, context.input_shape, options, runtime, phase=context.phase)
    known = resolve_device(options.device).notice
    latency = replace(found, warnings=tuple(warning for warning in found.warnings if warning != known))
    if latency.outcome != "ok":
        raise MeasureError(f"{latency}: {'; '.join(latency.warnings)}", latency.outcome)
    return latency


def latency_ms(context: nas.MetricContext) -> nas.Estimate:
    """The median pass in milliseconds; lower is better."""
    latency = measured(context)
    return nas.Estimate(
        value=latency.median_ms,
        low=latency.low_ms if _spread(latency) else None,
        high=latency.high_ms if _spread(latency) else None,
        samples=latency.samples_ms,
        iqr=latency.iqr_ms,
        conditions=facts(latency),
        environment=lasting(latency.environment),
        message="; ".join(latency.warnings),
    )


def throughput(context: nas.MetricContext) -> nas.Estimate:
    """Images a second at this batch, one pass after the other: batch / latency; higher is better.

    It measures for itself: a study with both columns times its candidates twice, each under its own options.
    """
    latency = measured(context)
    images = 1e3 * LatencyOptions.of(context.options).batch
    samples = tuple(images / sample for sample in latency.samples_ms)
    return nas.Estimate(
        value=images / latency.median_ms,
        low=images / latency.high_ms if _spread(latency) else None,
        high=images / latency.low_ms if _spread(latency) else None,
        samples=samples,
        iqr=interquartile_range(samples),
        conditions=facts(latency),
        environment=lasting(latency.environment),
        message="; ".join(latency.warnings),
    )


def _spread(latency: Latency) -> bool:
    """Whether there is an interval: of one sample nothing is known but itself."""
    return len(latency.samples_ms) > 1


def facts(latency: Latency) -> dict[str, object]:
    """What was found while measuring: conditions, the reference's samples, and the machine's state."""
    return {
        **latency.conditions,
        "reference_samples_ms": latency.reference_samples_ms,
        "discarded_samples_ms": latency.discarded_samples_ms,
        "state": latency.environment["state"],
    }


def check(setting: nas.Setting) -> str | None:
    """Why this machine cannot measure under these options, or None."""
    try:
        options = LatencyOptions.of(setting.options)
        device = options.resolve(find_runtime(options.runtime, setting.runtimes), setting.input_shapes).device
        if device.kind != "ssh":  # which answers for its own
            check_locks(lock_names(describe(device)))
    except NasError as error:
        return str(error)
    return None


def conditions(setting: nas.Setting) -> dict[str, object]:
    """What the options mean here: the device, the threads, the machine, the runtime's version, source and libraries."""
    options = LatencyOptions.of(setting.options)
    runtime = find_runtime(options.runtime, setting.runtimes)
    resolved = options.resolve(runtime, setting.input_shapes)
    return {
        "device": resolved.device.torch_name,
        "threads": resolved.threads,
        "environment": fingerprint(describe(resolved.device)),
        "runtime_version": runtime.version,
        "runtime_libraries": dict(resolved.libraries),
        "runtime_source": setting.runtimes.origin(runtime.name).digest,
    }


def notice(setting: nas.Setting) -> str:
    """Where "auto" found no GPU, what it measures on instead."""
    return resolve_device(LatencyOptions.of(setting.options).device).notice


@nas.hookimpl
def nas_metrics() -> list[nas.MetricSpec]:
    """`latency_ms` and `throughput`."""
    latency = nas.MetricSpec(
        name="latency_ms",
        unit="ms",
        direction="minimize",
        version=1,
        compute=latency_ms,
        cost="cheap",
        options=LatencyOptions().as_dict(),
        check=check,
        conditions=conditions,
        notice=notice,
        seeded=False,
        noisy=True,
    )
    images = replace(latency, name="throughput", unit="images/s", direction="maximize", compute=throughput)
    return [latency, images]
