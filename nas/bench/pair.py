"""Two networks timed alternately in one fresh process. The job of a duel's worker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.worker import Tell

if TYPE_CHECKING:
    from nas.latency.options import Conditions, LatencyOptions
    from nas.plugins import Plugins

LEAST_PAIRS = 12
"""However long a pass takes."""
MOST_PAIRS = 2000


def sampled_pairs(
    first: Callable[[], float],
    second: Callable[[], float],
    seconds: float,
    rng: random.Random,
    clock: Callable[[], float] = time.perf_counter,
) -> list[tuple[float, float]]:
    """(first, second) again and again, which of them comes before the other drawn anew each time, for `seconds`.

    What the one leaves in the caches, and what drifts meanwhile, meets both alike.
    """
    pairs: list[tuple[float, float]] = []
    until = clock() + seconds
    while len(pairs) < LEAST_PAIRS or (clock() < until and len(pairs) < MOST_PAIRS):
        if rng.random() < 0.5:
            one = first()
            other = second()
        else:
            other = second()
            one = first()
        pairs.append((one, other))
    return pairs


@dataclass(frozen=True)
class _Asked:
    networks: tuple[str, str]
    options: LatencyOptions
    plugins: Plugins
    seed: int


def check(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Whether the device can do what is asked for: `{"refused": why}`, or its name and a notice."""
    from nas.bench.jobs import CHECK_LIMIT_S
    from nas.errors import MeasureError, NasError
    from nas.zoo import resolve

    tell.phase("asking the device", CHECK_LIMIT_S)
    try:
        asked = _asked(arguments)
        shapes = [resolve(name, asked.plugins).input_shape for name in asked.networks]
        device = _conditions(asked, shapes).device
    except MeasureError:
        raise
    except NasError as error:
        return {"refused": str(error)}
    return {"device": device.name, "notice": device.notice}


def pair(arguments: Mapping[str, Any], tell: Tell) -> object:
    """`networks` (two texts), `options` of a latency, `plugin_files`, `entry_points`, `seed`, `seconds`, `process`:
    the pairs of milliseconds, what the networks were run under, and the machine.

    Raises:
        NasError: a network cannot be built or run.
    """
    import torch

    from nas.bench.jobs import BUILD_LIMIT_S
    from nas.latency.candidate import memory_given_back, prepare_candidate
    from nas.latency.environment import describe, lasting, lock_names
    from nas.latency.faults import named
    from nas.latency.lock import held
    from nas.latency.measure import TIMING_SLACK_S
    from nas.latency.quiet import cpu_threads, no_garbage_collection
    from nas.latency.sampling import warm_up
    from nas.latency.stopping import WARM_UP
    from nas.latency.timing import PassTimer, timer_of
    from nas.network import build
    from nas.zoo import resolve

    asked, seconds = _asked(arguments), float(arguments["seconds"])
    rng = random.Random(f"{asked.seed} {arguments['process']}")
    tell.phase("building the networks", BUILD_LIMIT_S)
    values = [resolve(name, asked.plugins) for name in asked.networks]
    conditions = _conditions(asked, [value.input_shape for value in values])
    device = conditions.device
    with memory_given_back(device), cpu_threads(conditions.threads), torch.no_grad():
        ready: dict[int, Any] = {}
        for place in rng.sample((0, 1), 2):  # who is built first lies elsewhere in memory
            value = values[place]
            network = build(value, arguments["plugin_files"], seed=asked.seed)
            ready[place] = prepare_candidate(network, value.input_shape, asked.options, conditions, asked.seed)
        timer = PassTimer(timer_of(device.torch_name, asked.options.caches))
        with (
            held(lock_names(describe(device)), lambda: tell.phase("waiting for the device", None)),
            named("timing the networks"), no_garbage_collection(), torch.inference_mode(),
        ):
            tell.phase("timing the networks", 3 * seconds + TIMING_SLACK_S)
            calls = [ready[place].call for place in (0, 1)]
            levels = [warm_up(call, timer, WARM_UP[device.kind], seconds).level_s for call in calls]
            repeats = [timer.repeats(level) for level in levels]
            pairs = sampled_pairs(
                lambda: timer(calls[0], repeats[0]), lambda: timer(calls[1], repeats[1]), seconds, rng
            )
    return {
        "pairs_ms": [[1e3 * first, 1e3 * second] for first, second in pairs],
        "warnings": list(dict.fromkeys(told for candidate in ready.values() for told in candidate.warnings)),
        "conditions": {
            "device": str(device), "runtime": conditions.runtime.name, "batch": asked.options.batch,
            "dtype": asked.options.dtype, "memory_format": asked.options.memory_format,
            "threads": conditions.threads, "fuse": asked.options.fuse, "caches": asked.options.caches,
        },
        "environment": lasting(describe(device)),
    }


def _asked(arguments: Mapping[str, Any]) -> _Asked:
    from nas.latency.options import LatencyOptions
    from nas.plugins import load_plugins

    first, second = arguments["networks"]
    plugins = load_plugins(arguments["plugin_files"], arguments["entry_points"])
    return _Asked((first, second), LatencyOptions.of(arguments["options"]), plugins, arguments["seed"])


def _conditions(asked: _Asked, shapes: list[tuple[int, int, int]]) -> Conditions:
    from nas.latency.device import local_device
    from nas.latency.options import find_runtime

    local_device(asked.options.device)
    return asked.options.resolve(find_runtime(asked.options.runtime, asked.plugins.runtimes), shapes)
