"""`nas.duel`: which of two networks is faster here, timed alternately in fresh processes until that is certain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nas.arch import Architecture
from nas.bench.verdict import LOOKS, MARGIN, Look, Verdict, look
from nas.errors import SpecError
from nas.latency.options import LatencyOptions
from nas.latency.statistics import median
from nas.plugins import load_plugins
from nas.worker import Worker
from nas.zoo import Opaque, canonical_with, resolve

PROCESS_SECONDS = 2.0
"""Of timing in one process; building and warm-up come on top."""
BUDGET_S = 180.0

StoppedBy = Literal["verdict", "budget", "processes"]


@dataclass(frozen=True)
class Duel:
    """How two networks compare.

    Attributes:
        a, b: their names, or the texts' `arch_id`.
        verdict: of b beside a: "faster", "slower", "no_difference" (smaller than the margin), or "undecided".
        ratio: b's time over a's.
        low, high: its interval, corrected for every look, see `nas.bench.verdict`.
        ratios: of each process, the median over its pairs.
        a_ms, b_ms: the median over the processes of each network's median pass.
        pairs: in all processes.
        seconds: all in all.
        stopped_by: "verdict", or what ended it without one.
        conditions: device, runtime, batch and the like, as they were in the end.
        environment: the machine.
        warnings: what the reader should know before believing it.
    """

    a: str
    b: str
    verdict: Verdict
    ratio: float
    low: float
    high: float
    ratios: tuple[float, ...]
    a_ms: float
    b_ms: float
    pairs: int
    seconds: float
    stopped_by: StoppedBy
    conditions: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """How many fresh processes there were."""
        return len(self.ratios)

    def __str__(self) -> str:
        told = {
            "faster": f"{self.b} is faster than {self.a}",
            "slower": f"{self.b} is slower than {self.a}",
            "no_difference": f"{self.b} and {self.a} take the same time",
            "undecided": f"undecided between {self.a} and {self.b}",
        }[self.verdict]
        return f"{told}: {self.ratio:.3f} of its time [{self.low:.3f}, {self.high:.3f}], {self.processes} processes"


def duel(
    a: Architecture | Opaque | str,
    b: Architecture | Opaque | str,
    *,
    budget_s: float = BUDGET_S,
    max_processes: int = LOOKS[-1],
    margin: float = MARGIN,
    seed: int = 0,
    plugins: Sequence[str | Path] = (),
    tell: Callable[[str], None] | None = None,
    **options: Any,
) -> Duel:
    """Times two networks alternately, in random order, in one fresh process after the other, until the verdict is
    certain.

    Args:
        a, b: architectures, opaque networks, or what `nas.load` takes as text.
        budget_s: seconds after which no further process is started.
        max_processes: at most so many; verdicts are reached after 4, 6, 8, 11 and 16.
        margin: a difference that is certainly smaller than this share is called none.
        seed: of weights, inputs and orders.
        plugins: local plugin files whose blocks and runtimes the networks may name.
        tell: hears what is being done.
        options: of a latency column, see `nas.latency.options.LatencyOptions`; `max_seconds` is that of one process.

    Raises:
        SpecError: a network, an option or the device is refused; no network was run.
        BlockError, PluginError: a network cannot be built, a plugin cannot be loaded.
        MeasureError: a network cannot be run, or a worker died.
    """
    asked = LatencyOptions.of({"max_seconds": PROCESS_SECONDS, **options})
    _check(budget_s, max_processes, margin, seed)
    known = load_plugins(plugins)
    networks = [_text(network, known) for network in (a, b)]
    task: dict[str, Any] = {
        "networks": [text for _, text in networks], "options": asked.as_dict(), "plugin_files": list(known.files),
        "entry_points": known.entry_points, "seed": seed, "seconds": asked.max_seconds,
    }
    began = time.monotonic()
    found = _fought(task, began, budget_s, max_processes, margin, tell or _unheard)
    last = found.answers[-1]
    warnings = dict.fromkeys(told for answer in found.answers for told in answer["warnings"])
    return Duel(
        networks[0][0], networks[1][0], found.look.verdict, found.look.ratio, found.look.low, found.look.high,
        ratios=tuple(math.exp(value) for value in found.logs),
        a_ms=median([median([one for one, _ in answer["pairs_ms"]]) for answer in found.answers]),
        b_ms=median([median([other for _, other in answer["pairs_ms"]]) for answer in found.answers]),
        pairs=sum(len(answer["pairs_ms"]) for answer in found.answers),
        seconds=time.monotonic() - began,
        stopped_by=found.stopped_by,
        conditions=last["conditions"],
        environment=last["environment"],
        warnings=(*([found.notice] if found.notice else []), *warnings),
    )


@dataclass(frozen=True)
class _Fought:
    look: Look
    logs: tuple[float, ...]
    answers: tuple[Mapping[str, Any], ...]
    stopped_by: StoppedBy
    notice: str


def _fought(
    task: Mapping[str, Any], began: float, budget_s: float, most: int, margin: float, tell: Callable[[str], None]
) -> _Fought:
    worker, logs = Worker(), list[float]()
    answers: list[Mapping[str, Any]] = []
    try:
        checked = worker.call("nas.bench.pair:check", task)
        if "refused" in checked:
            raise SpecError(checked["refused"])
        stopped_by: StoppedBy = "processes"
        while len(answers) < most:
            tell(f"process {len(answers) + 1} of at most {most}")
            worker.kill()  # so that the next one is a fresh one
            answers.append(worker.call("nas.bench.pair:pair", {**task, "process": len(answers)}))
            logs.append(median([math.log(other / one) for one, other in answers[-1]["pairs_ms"]]))
            found = look(logs, margin)
            if found.verdict != "undecided":
                stopped_by = "verdict"
                break
            if time.monotonic() - began > budget_s:
                stopped_by = "budget"
                break
    finally:
        worker.kill()
    return _Fought(found, tuple(logs), tuple(answers), stopped_by, checked["notice"])


def _text(network: Architecture | Opaque | str, known: Any) -> tuple[str, str]:
    """How people call it, and the text that means it."""
    value = resolve(network, known) if isinstance(network, str) else network
    if isinstance(value, Opaque):
        return str(value), str(value)
    canonical = canonical_with(value, known)
    short = isinstance(network, str) and "(" not in network and " " not in network.strip()
    return (str(network).strip() if short else str(canonical.arch_id)), str(canonical)


def _check(budget_s: float, max_processes: int, margin: float, seed: int) -> None:
    for name, number in (("budget_s", budget_s), ("margin", margin)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise SpecError(f"{name} = {number!r}: give a number above 0")
    if isinstance(max_processes, bool) or not isinstance(max_processes, int) or max_processes < LOOKS[0]:
        raise SpecError(f"max_processes = {max_processes!r}: give a whole number from {LOOKS[0]}: fewer say nothing")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise SpecError(f"seed = {seed!r}: give a whole number")


def _unheard(doing: str) -> None:
    """The default listener."""
