"""What the worker of a device does for a bench. Plain values in, plain values out; see `nas.worker`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from nas.bench.budget import allowed_s, steps
from nas.errors import MeasureError, NasError
from nas.latency.options import LatencyOptions, find_runtime
from nas.latency.result import Latency
from nas.patience import WAITING
from nas.plugins import Plugins, load_plugins
from nas.worker import Tell

BATCHES = {"cpu": (1, 2, 4, 8, 16, 32), "cuda": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
"""The batches of the throughput, where none were asked for."""
DEVICE_TIME = "cuda_graph"
"""The runtime whose latency is the device's own, where a plugin brings it."""

CHECK_LIMIT_S = 120.0
BUILD_LIMIT_S = 300.0
ROOF_SECONDS = 2.0
ROOF_LIMIT_S = 300.0


def check(arguments: Mapping[str, Any], tell: Tell) -> object:
    """What the request means on the device; `{"refused": why}` where it cannot be done."""
    tell.phase("asking the device", CHECK_LIMIT_S)
    try:
        return _conditions(arguments)
    except MeasureError:
        raise
    except NasError as error:
        return {"refused": str(error)}


def _conditions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    from nas.latency.device import local_device
    from nas.latency.environment import describe

    plugins, options = _plugins(arguments), LatencyOptions.of(arguments["options"])
    device = local_device(options.device)
    runtimes = arguments["runtimes"]
    if runtimes is None:
        wanted = ["eager", DEVICE_TIME] if device.kind == "cuda" else ["eager"]
        runtimes = [name for name in wanted if name in plugins.runtimes] or [options.runtime]
    batches = arguments["batches"] or BATCHES[device.kind]
    shapes = [(channels, height, width) for channels, height, width in arguments["shapes"].values()]
    for runtime in runtimes:
        resolved = replace(options, batch=batches[0]).resolve(find_runtime(runtime, plugins.runtimes), shapes)
    return {
        "device": str(device),
        "device_name": device.name,
        "kind": device.kind,
        "runtimes": list(runtimes),
        "batches": list(batches),
        "dtype": options.dtype,
        "memory_format": options.memory_format,
        "itemsize": getattr(torch, options.dtype).itemsize,
        "threads": resolved.threads,
        "max_seconds": arguments["max_seconds"],
        "notice": device.notice,
        "environment": describe(device),
    }


def roofs(arguments: Mapping[str, Any], tell: Tell) -> object:
    """The roofs of a device, while nobody else times on it."""
    from nas.bench.roofline import measure_roofs
    from nas.latency.device import resolve_device
    from nas.latency.environment import describe, lock_names
    from nas.latency.faults import named
    from nas.latency.lock import held

    device = resolve_device(arguments["device"])
    with named("measuring the roofs"), held(lock_names(describe(device)), lambda: tell.phase(WAITING, None)):
        tell.phase("measuring the roofs", ROOF_LIMIT_S)
        return asdict(measure_roofs(device.torch_name, arguments["dtype"], arguments["threads"], ROOF_SECONDS))


def measure(arguments: Mapping[str, Any], tell: Tell) -> object:
    """One network, step by step; its cost, each timing and each failure are reported as soon as they are known.

    Raises:
        NasError: the network cannot be counted or built, or it broke the device.
    """
    from nas.arch import Architecture
    from nas.cost.count import count_architecture, count_opaque
    from nas.cost.table import CostTable
    from nas.latency.measure import measure_module
    from nas.network import build_network
    from nas.zoo import resolve

    plugins, options = _plugins(arguments), LatencyOptions.of(arguments["options"])
    tell.phase("counting and building the network", BUILD_LIMIT_S)
    network = resolve(arguments["network"], plugins)
    if isinstance(network, Architecture):
        tell.report({"cost": asdict(count_architecture(network, plugins.blocks, CostTable()))})
        module = build_network(network, plugins.blocks, seed=0)
    else:
        tell.report({"cost": asdict(count_opaque(network))})
        module = network.make()
    wanted = steps(tuple(arguments["runtimes"]), tuple(arguments["batches"]))
    left_s = arguments["max_seconds"]
    pass_s: float | None = None  # of one image, judged by the last timing
    failed: set[str] = set()
    for place, step in enumerate(wanted):
        if step.runtime in failed:
            continue
        allowed = allowed_s(left_s, len(wanted) - place, None if pass_s is None else pass_s * step.batch)
        if allowed is None:
            tell.report({"ended": f"max_seconds is spent before batch {step.batch}"})
            failed.add(step.runtime)
            continue
        tell.report({"doing": f"{step.runtime}, batch {step.batch}"})
        asked = replace(options, runtime=step.runtime, batch=step.batch, max_seconds=allowed)
        try:
            latency = measure_module(module, network.input_shape, asked, find_runtime(step.runtime, plugins.runtimes),
                                     phase=tell.phase)
        except MeasureError as error:
            if error.outcome == "device_error":  # of which no later pass in this process tells anything
                raise
            failed.add(step.runtime)
            tell.report({"failed": f"{step.runtime}, batch {step.batch}: {error}", "outcome": error.outcome})
            continue
        timing = _timing(latency)
        pass_s = latency.median_ms / 1e3 / step.batch
        left_s -= timing["seconds"]
        tell.report({"timing": timing})
    return None


def _plugins(arguments: Mapping[str, Any]) -> Plugins:
    return load_plugins(arguments["plugin_files"], arguments["entry_points"])


def _timing(latency: Latency) -> dict[str, Any]:
    """A `nas.bench.result.Timing`, in plain values."""
    found = latency.conditions
    return {
        "runtime": found["runtime"],
        "batch": found["batch"],
        "median_ms": latency.median_ms,
        "low_ms": latency.low_ms,
        "high_ms": latency.high_ms,
        "iqr_ms": latency.iqr_ms,
        "reference_ratio": latency.reference_ratio,
        "samples_ms": latency.samples_ms,
        "fused": latency.fused,
        "stopped_by": latency.stopped_by,
        "seconds": found["seconds"],
        "environment": found["environment"],
        "launch_bound": found.get("launch_bound"),
        "warnings": latency.warnings,
    }
