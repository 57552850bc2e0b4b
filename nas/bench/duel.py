"""`nas.duel`: two networks against each other, over fresh processes, until the verdict is sound or the budget spent."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.arch import Architecture
from nas.bench.duel_result import Duel, PairedProcess, StoppedBy
from nas.bench.limits import BUDGET_S, MARGIN, MAX_PROCESSES, Limits, hopeless
from nas.bench.pair import task
from nas.bench.verdict import Judgement, Rule, rule
from nas.choices import shown
from nas.errors import MeasureError, SpecError
from nas.latency import gpu
from nas.latency.device import local_device
from nas.latency.environment import STATE, lasting
from nas.latency.options import LatencyOptions, find_runtime
from nas.latency.sampling import Clock
from nas.latency.statistics import median
from nas.network import try_network
from nas.outcomes import TRIED_TWICE
from nas.plugins import Plugins, load_plugins
from nas.text import several
from nas.worker import Worker
from nas.zoo import Opaque, canonical_with, resolve
from nas.zoo.timm_blocks import BlockStrings

Network = Architecture | Opaque | BlockStrings

BUSY_SHARE = 0.25
"""From this share of the processes on, what spoke against their measurements is told."""


def unheard(doing: str) -> None:
    """The default listener."""


def duel(
    a: Network,
    b: Network,
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
    margin: float = MARGIN,
    budget_s: float = BUDGET_S,
    max_processes: int = MAX_PROCESSES,
    plugins: Sequence[str | Path] = (),
    seed: int = 0,
    tell: Callable[[str], None] = unheard,
) -> Duel:
    """Whether b is faster or slower than a here: both timed alternately, in random order, in one fresh process after
    the other, until that is known.

    Args:
        a, b: anything that `nas.load` takes, or what it gave. Each runs on its own input shape.
        device: as the other options up to `max_samples`, see `nas.latency.options.LatencyOptions`; `target`,
            `max_seconds` and `max_samples` are of the pairs of one process.
        margin: ratios from 1 / (1 + margin) to 1 + margin are called no difference.
        budget_s: no process is started that is likely to end later than this; there is one process in any case.
        max_processes: nor more than these, 7 to 100. The verdict's strictness depends on it, see `nas.bench.verdict`.
        plugins: local files with further blocks and runtimes.
        seed: draws weights, inputs and orders.
        tell: is told what is being done, about twice a process.

    Raises:
        SpecError: an option is refused, or a network is none; before any process is started, except for what only a
            GPU can tell.
        BlockError, PluginError: an architecture cannot be built, a plugin cannot be loaded.
        MeasureError: a network cannot be run, see `nas.measure`; or a process failed twice.
    """
    options = LatencyOptions(
        device, runtime, batch, dtype, memory_format, threads, fuse, caches, target, max_seconds, max_samples
    )
    limits = Limits(margin, budget_s, max_processes)
    return settle(a, b, options, load_plugins(plugins), limits, seed=seed, tell=tell)


def settle(
    a: Network,
    b: Network,
    options: LatencyOptions,
    plugins: Plugins,
    limits: Limits,
    *,
    seed: int = 0,
    tell: Callable[[str], None] = unheard,
    clock: Clock = time.monotonic,
) -> Duel:
    """`duel` with options that were checked and plugins that were loaded already; raises what it raises."""
    runtime = find_runtime(options.runtime, plugins.runtimes)
    networks = [_network(a, plugins), _network(b, plugins)]
    if not _may_be_gpu(options.device) and local_device(options.device).kind == "cpu":
        options.resolve(runtime, [network.input_shape for network in networks])
    texts = [str(network) for network in networks]
    judge = rule(limits.max_processes, limits.margin)
    if doubt := hopeless(limits):
        tell(doubt)
    begin = clock()
    seen = _Seen()
    random_ = random.Random(f"duel {seed}")
    for number, b_first in enumerate(_roles(random_, limits.max_processes), 1):
        tell(_doing(number, judge, seen))
        order = random_.getrandbits(32)
        seen.add(_asked(task(plugins, texts, options, seed, order, b_first), number, tell), b_first)
        judgement = judge.judge(seen.logs)
        elapsed = clock() - begin
        stopped_by = _stopped_by(judgement, number, elapsed, limits)
        if stopped_by is not None:
            return _result((a, b), networks, judgement, seen, limits, elapsed, stopped_by)
    raise AssertionError("the last process ends a duel")


def _may_be_gpu(device: str) -> bool:
    """Whether the processes alone may ask the device: its name already would cost this one a CUDA context."""
    return device.startswith(("auto", "cuda")) and gpu.count() > 0


def _network(network: Network, plugins: Plugins) -> Architecture | Opaque:
    """It, canonical, after each of its blocks was built once without weights."""
    value: object = network
    if isinstance(value, str | list | tuple):
        value = resolve(value, plugins)
    elif isinstance(value, Architecture):
        value = canonical_with(value, plugins)
    if isinstance(value, Architecture):
        try_network(value, plugins.blocks)
        return value
    if isinstance(value, Opaque):
        return value
    raise SpecError(f"{type(value).__name__}: a duel builds its networks in fresh processes, so it takes a name, a "
                    "text, an architecture or an opaque network")


def _roles(rng: random.Random, processes: int) -> Iterator[bool]:
    """Whether b is first: in one of every two processes, drawn which. What the first one has of being so, cancels."""
    for _ in range(0, processes, 2):
        yield from rng.sample((False, True), 2)


def _doing(number: int, judge: Rule, seen: _Seen) -> str:
    told = f"process {number} of at most {judge.max_processes}"
    if not seen.logs:
        return told
    so_far = judge.judge(seen.logs)
    interval = f" [{so_far.low:.4g}, {so_far.high:.4g}]" if math.isfinite(so_far.high) else ""
    return f"{told}, ratio so far {so_far.ratio:.4g}{interval}"


def _asked(asked: Mapping[str, object], number: int, tell: Callable[[str], None]) -> Mapping[str, Any]:
    """What a fresh process answers; a second one, where the first one failed by what may not happen again.

    Raises:
        SpecError: this machine cannot do what the options ask for.
        MeasureError: as `duel`.
    """
    try:
        answer = _in_fresh_process(asked)
    except MeasureError as error:
        if error.outcome not in TRIED_TWICE:
            raise
        tell(f"process {number} failed and is tried again: {error}")
        answer = _in_fresh_process(asked)
    if "refused" in answer:
        raise SpecError(answer["refused"])
    return answer


def _in_fresh_process(asked: Mapping[str, object]) -> Mapping[str, Any]:
    worker = Worker()
    try:
        answer: Mapping[str, Any] = worker.call("nas.bench.pair:paired", asked)
        return answer
    finally:
        worker.kill()


@dataclass
class _Seen:
    """What the processes so far have answered."""

    processes: list[PairedProcess] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def logs(self) -> list[float]:
        return [math.log(process.ratio) for process in self.processes]

    def add(self, answer: Mapping[str, Any], b_first: bool) -> None:
        ratio = math.exp(median([math.log(b / a) for a, b in zip(answer["a_s"], answer["b_s"], strict=True)]))
        a_ms, b_ms = (tuple(1e3 * second for second in answer[key]) for key in ("a_s", "b_s"))
        first = "b" if b_first else "a"
        self.processes.append(PairedProcess(ratio, a_ms, b_ms, first, answer["foreign_cpus"]))  # type: ignore[arg-type]
        self.answers.append(answer)


def _stopped_by(judgement: Judgement, number: int, elapsed_s: float, limits: Limits) -> StoppedBy | None:
    if judgement.verdict != "undecided":
        return "verdict"
    if number == limits.max_processes:
        return "processes"
    return "seconds" if elapsed_s * (number + 1) / number > limits.budget_s else None


def _result(
    given: tuple[Network, Network],
    networks: Sequence[Architecture | Opaque],
    judgement: Judgement,
    seen: _Seen,
    limits: Limits,
    seconds: float,
    stopped_by: StoppedBy,
) -> Duel:
    a, b = (_label(name, network) for name, network in zip(given, networks, strict=True))
    last = seen.answers[-1]
    state = [answer["environment"][STATE] for answer in seen.answers]
    return Duel(
        a=a,
        b=b,
        verdict=judgement.verdict,
        ratio=judgement.ratio,
        low=judgement.low,
        high=judgement.high,
        a_ms=median([median(process.a_ms) for process in seen.processes]),
        b_ms=median([median(process.b_ms) for process in seen.processes]),
        margin=limits.margin,
        processes=tuple(seen.processes),
        seconds=seconds,
        stopped_by=stopped_by,
        conditions=last["conditions"],
        environment=lasting(last["environment"]) | {STATE: state},
        warnings=tuple(_warnings((a, b), networks, seen.answers)),
    )


def _label(given: Network, network: Architecture | Opaque) -> str:
    """As it was named, where that is short enough to be a name."""
    if isinstance(network, Opaque):
        return str(network)
    named = isinstance(given, str) and "(" not in given and not any(map(str.isspace, given.strip()))
    return str(given).strip() if named else network.arch_id


def _warnings(
    labels: Sequence[str], networks: Sequence[Architecture | Opaque], answers: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    shapes = ["x".join(map(str, network.input_shape)) for network in networks]
    if shapes[0] != shapes[1]:
        yield f"{labels[0]} takes {shapes[0]} and {labels[1]} {shapes[1]}: each was timed on its own input"
    environments = [lasting(answer["environment"]) for answer in answers]
    for key in environments[0]:
        values = {shown(environment[key]) for environment in environments}
        if len(values) > 1:
            yield f"the machine changed between the processes: {key} was {', '.join(sorted(values))}"
    for label, told in zip(labels, answers[0]["warnings"], strict=True):
        yield from (f"{label}: {warning}" for warning in told)
    for label, warm in zip(labels, zip(*(answer["warm"] for answer in answers), strict=True), strict=True):
        if (cold := len(warm) - sum(warm)) > BUSY_SHARE * len(warm):
            yield f"{label} had not settled after its warm-up in {cold} of {several(len(warm), 'process')}"
    if (doubted := [answer["doubts"][0] for answer in answers if answer["doubts"]]) and (
        len(doubted) > BUSY_SHARE * len(answers)
    ):
        yield f"in {len(doubted)} of {several(len(answers), 'process')}: {doubted[0]}"
