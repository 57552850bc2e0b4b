"""The bench, read from top to bottom: ask the device, measure its roofs, then one network after the other.

Everything that touches the device happens in its worker. What fails is a row, what may have failed by no fault of its
own after a second try in a fresh process; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nas.bench.jobs import CHECK_LIMIT_S
from nas.bench.published import missing_library
from nas.bench.request import Request, Subject, conditions_of
from nas.bench.result import Bench, Row, Timing
from nas.bench.roofline import Roofs
from nas.cost.result import Cost
from nas.errors import MeasureError
from nas.outcomes import NOT_ITS_FAULT
from nas.patience import WAITING
from nas.worker import Worker

JOBS = "nas.bench.jobs"

TRIED_AGAIN = (*NOT_ITS_FAULT, "device_error")
"""A network that ends so before its first latency is tried once more: it may have been another's fault."""

ROOFS = "the roofs: a matrix product and a copy"

Listener = Callable[[str], None]
"""Hears what is being done."""


def deaf(doing: str) -> None:
    """The default listener: nobody listens."""


def begin(request: Request, worker: Worker) -> Bench:
    """A bench without rows, under the conditions that the device turned out to have.

    Raises:
        SpecError: the device cannot do what was asked for.
        MeasureError: it is broken, or its worker dies.
    """
    told = worker.call(f"{JOBS}:check", request.arguments(), limit_s=CHECK_LIMIT_S)
    bench = Bench(conditions_of(told), len(request.subjects))
    if bench.conditions.notice:
        bench.notices.append(bench.conditions.notice)
    if missing := missing_library():
        bench.notices.append(missing)
    return bench


def carry_out(bench: Bench, request: Request, worker: Worker, tell: Listener = deaf) -> Iterator[Row]:
    """Measures the roofs, then yields each network's row once it is in `bench`."""
    tell(ROOFS)
    bench.roofs = _roofs(bench, worker, tell)
    for subject in request.subjects:
        tell(subject.label)
        row = _row(subject, bench, request, worker, tell)
        bench.rows.append(row)
        yield row


class _Doing:
    """What is told to a listener: the work, and, as long as the device is waited for, that it is."""

    def __init__(self, tell: Listener, what: str) -> None:
        self._tell, self._what, self._waits = tell, what, False

    def now(self, what: str) -> None:
        """The work is another."""
        self._what, self._waits = what, False
        self._tell(what)

    def entered(self, phase: str) -> None:
        """A phase of the worker's begins."""
        if phase == WAITING:
            self._tell(f"{self._what}, {WAITING}")
        elif self._waits:
            self._tell(self._what)
        self._waits = phase == WAITING


def _roofs(bench: Bench, worker: Worker, tell: Listener) -> Roofs | None:
    """None, and a notice, where the device cannot multiply or copy so much."""
    found, doing = bench.conditions, _Doing(tell, ROOFS)
    task = {"device": found.device, "dtype": found.dtype, "threads": found.threads}
    try:
        told = worker.call(f"{JOBS}:roofs", task, entered=doing.entered)
    except MeasureError as error:
        bench.notices.append(f"no roofs, and so no shares of them: {error.outcome}: {error}")
        return None
    return Roofs(**told)


def _row(subject: Subject, bench: Bench, request: Request, worker: Worker, tell: Listener) -> Row:
    """The network's row; where no latency of it is known by no fault of its own, after a second try in a fresh process.
    """
    heard = _heard(subject, bench, request, worker, tell)
    first = _failures(heard)
    if not _timings(heard) and first and first[0][0] in TRIED_AGAIN:
        tell(f"{subject.label}, tried again in a fresh process: {first[0][1]}")
        worker.kill()
        again = _heard(subject, bench, request, worker, tell)
        if _timings(again):
            bench.notices.append(f"{subject.label} was measured in a second try, the first ended with "
                                 f"{first[0][0]}: {first[0][1]}")
        heard = [*(told for told in heard if "cost" in told), *again]
    costs = [_cost(told["cost"]) for told in heard if "cost" in told]
    timings, failures = _timings(heard), _failures(heard)
    said = [f"{word}: {text}" if timings else text for word, text in failures]
    return Row(
        subject.label, subject.input_shape, costs[-1] if costs else None, subject.published, timings,
        failures[0][0] if failures and not timings else "ok", message="; ".join(said),
        ended="; ".join(told["ended"] for told in heard if "ended" in told),
    )


def _heard(
    subject: Subject, bench: Bench, request: Request, worker: Worker, tell: Listener
) -> list[Mapping[str, Any]]:
    """What the worker reports of a network; last of all, how it failed, if it did not come to its end."""
    heard: list[Mapping[str, Any]] = []
    doing = _Doing(tell, subject.label)

    def listen(told: Mapping[str, Any]) -> None:
        if "doing" in told:
            doing.now(f"{subject.label}, {told['doing']}")
        else:
            heard.append(told)

    found = bench.conditions
    task = request.arguments() | {"network": subject.text, "runtimes": found.runtimes, "batches": found.batches}
    try:
        worker.call(f"{JOBS}:measure", task, heard=listen, entered=doing.entered)
    except MeasureError as error:
        heard.append({"failed": str(error), "outcome": error.outcome})
        if error.outcome == "device_error":  # what comes next gets a process of its own
            worker.kill()
    return heard


def _timings(heard: Sequence[Mapping[str, Any]]) -> tuple[Timing, ...]:
    return tuple(Timing.of(told["timing"]) for told in heard if "timing" in told)


def _failures(heard: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Outcome and message of each."""
    return [(told["outcome"], told["failed"]) for told in heard if "failed" in told]


def _cost(told: Mapping[str, Any]) -> Cost:
    return Cost(**{**told, "global_ops": tuple(told["global_ops"]), "unsupported_ops": tuple(told["unsupported_ops"])})
