"""What one fresh process of a duel does: it builds both networks, warms them up, and times them alternately."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nas.arch import Architecture
from nas.bench.alternation import PairRule, Pairs, alternate
from nas.errors import MeasureError, SpecError
from nas.latency.candidate import Candidate, memory_given_back, prepare_candidate
from nas.latency.environment import describe, doubts, joined, lock_names
from nas.latency.faults import named
from nas.latency.lock import held
from nas.latency.numerics import compute_as, numerics
from nas.latency.options import Conditions, LatencyOptions, find_runtime
from nas.latency.processor import CpuTime, foreign_cpus
from nas.latency.quiet import as_asked, no_garbage_collection
from nas.latency.sampling import warm_up
from nas.latency.stopping import WARM_UP, budget_of
from nas.latency.timing import PassTimer, passes_of, timer_of
from nas.network import build, build_network
from nas.plugins import Plugins, load_plugins
from nas.worker.messages import Tell
from nas.zoo import Opaque, resolve

LOADING_LIMIT_S = 300.0
"""Of the imports of all plugins, on a cold disk."""
PREPARING_LIMIT_S = 600.0
"""Of building, folding and the runtime's own preparation, for each network; the latter may compile."""
TIMING_SLACK_S = 120.0
"""Beyond what the options allow: of passes that take far longer than they do."""

PAIRS_SECONDS = 3.0
PAIRS = 20
"""What one process spends on pairs where noise forbids the precision: so long, about as long as it took to start; or so
many. A longer look at one process tells nothing of the next one."""
WARM_UP_SECONDS = 2.0
"""At most of a network's budget, of which warm-up takes a share."""

Task = Mapping[str, Any]


def task(
    plugins: Plugins,
    networks: Sequence[str],
    options: LatencyOptions,
    seed: int,
    order: int,
    b_first: bool,
    pairs_seconds: float = PAIRS_SECONDS,
) -> dict[str, object]:
    """What `paired` is asked, in plain values.

    Args:
        plugins: where the blocks and the runtime come from.
        networks: the texts of a and b.
        options: of both.
        seed: draws weights and inputs.
        order: draws the order of the pairs.
        b_first: whether b is built and warmed up first.
        pairs_seconds: what is spent on pairs at most, or `PAIRS` of them.
    """
    return {
        "files": list(plugins.files),
        "entry_points": plugins.entry_points,
        "sources": _sources(plugins, networks, options),
        "networks": list(networks),
        "options": options.as_dict(),
        "numerics": numerics(),
        "seed": seed,
        "order": order,
        "b_first": b_first,
        "pairs_seconds": pairs_seconds,
    }


def paired(arguments: Task, tell: Tell) -> dict[str, object]:
    """The samples of both networks and their conditions; or, under "refused", what this machine cannot do.

    Raises:
        MeasureError: a network cannot be run, see `nas.measure`; `contaminated` where a source was edited meanwhile.
    """
    tell.phase("loading plugins", LOADING_LIMIT_S)
    plugins = load_plugins(arguments["files"], arguments["entry_points"])
    compute_as(arguments["numerics"])
    options = LatencyOptions.of(arguments["options"])
    _refuse_edited(arguments["sources"], _sources(plugins, arguments["networks"], options))
    networks = [resolve(text, plugins) for text in arguments["networks"]]
    runtime = find_runtime(options.runtime, plugins.runtimes)
    try:
        conditions = options.resolve(runtime, [network.input_shape for network in networks])
    except SpecError as error:
        return {"refused": str(error)}
    order = (1, 0) if arguments["b_first"] else (0, 1)
    locks = lock_names(describe(conditions.device))
    with memory_given_back(conditions.device), as_asked(conditions.device.kind, conditions.threads):
        ready: dict[int, Candidate] = {}
        for which in order:
            tell.phase(f"preparing {arguments['networks'][which][:60]}", PREPARING_LIMIT_S)
            network = _built(networks[which], plugins, arguments["seed"])
            shape = networks[which].input_shape
            ready[which] = prepare_candidate(network, shape, options, conditions, arguments["seed"])
        candidates = ready[0], ready[1]
        with held(locks, lambda: tell.phase("waiting for the device", None)), named("timing the networks"):
            tell.phase("timing", 2 * options.max_seconds + 4 * WARM_UP_SECONDS + TIMING_SLACK_S)
            before, begin = describe(conditions.device), CpuTime.now()
            pairs, warm, repeats = _alternated(candidates, order, options, conditions, arguments)
            foreign = foreign_cpus(begin, CpuTime.now())
    environment = joined(before, describe(conditions.device), foreign)
    return {
        "a_s": pairs.a_s,
        "b_s": pairs.b_s,
        "precise": pairs.precise,
        "warm": warm,
        "foreign_cpus": foreign,
        "environment": environment,
        "warnings": [candidate.warnings for candidate in candidates],
        "doubts": [*doubts(environment, conditions.threads)],
        "conditions": {
            "device": str(conditions.device),
            "runtime": runtime.name,
            "runtime_version": runtime.version,
            "runtime_libraries": dict(conditions.libraries),
            "batch": options.batch,
            "dtype": options.dtype,
            "memory_format": options.memory_format,
            "threads": conditions.threads,
            "fused": [options.fuse and candidate.folding.complete for candidate in candidates],
            "caches": options.caches,
            "calls_per_sample": repeats,
            "passes_per_call": [passes_of(candidate.call) for candidate in candidates],
        },
    }


def _sources(plugins: Plugins, networks: Iterable[str], options: LatencyOptions) -> dict[str, str]:
    """Digests of the sources of the runtime and of all blocks that the networks are made of."""
    found = {f"runtime '{options.runtime}'": plugins.runtimes.origin(options.runtime).digest}
    for text in networks:
        network = resolve(text, plugins)
        if isinstance(network, Architecture):
            found |= {f"block '{stage.block}'": plugins.blocks.origin(stage.block).digest for stage in network.stages}
    return found


def _refuse_edited(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for what, digest in now.items():
        if digest != before.get(what):
            raise MeasureError(f"the source of {what} was changed while the duel ran: run it again", "contaminated")


def _built(network: Architecture | Opaque, plugins: Plugins, seed: int) -> nn.Module:
    if isinstance(network, Opaque):
        return build(network, seed=seed)
    return build_network(network, plugins.blocks, seed=seed)


def _alternated(
    candidates: tuple[Candidate, Candidate],
    order: Sequence[int],
    options: LatencyOptions,
    conditions: Conditions,
    arguments: Task,
) -> tuple[Pairs, list[bool], tuple[int, int]]:
    """The pairs, whether each network was warm by then, and how many calls of each make a sample."""
    timer = PassTimer(timer_of(conditions.device.torch_name, options.caches))
    kind = conditions.device.kind
    budget = budget_of(kind, min(options.max_seconds, WARM_UP_SECONDS))
    with no_garbage_collection(), torch.inference_mode():
        warm = {which: warm_up(candidates[which].call, timer, WARM_UP[kind], budget) for which in order}
        repeats = timer.repeats(warm[0].level_s), timer.repeats(warm[1].level_s)
        calls = candidates[0].call, candidates[1].call
        pair_s = sum(warm[which].level_s * repeats[which] * passes_of(calls[which]) for which in order)
        seconds = min(options.max_seconds, max(arguments["pairs_seconds"], PAIRS * pair_s))
        enough = PairRule(options.target, seconds, options.max_samples)
        pairs = alternate(*calls, timer, enough, random.Random(arguments["order"]), repeats=repeats)
    return pairs, [warm[0].stable, warm[1].stable], repeats
