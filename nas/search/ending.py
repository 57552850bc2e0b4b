"""When a run has done enough: the study's trials, the run's time, and a front that has stopped moving."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from nas.errors import SpecError
from nas.outcomes import NOT_ITS_FAULT
from nas.search.bar import clock
from nas.spec import StudySpec
from nas.store.rows import WARM_START, TrialRecord
from nas.text import several


@dataclass(frozen=True)
class Limits:
    """What ends a run, whichever comes first.

    Attributes:
        trials: counted trials of the study, over all runs.
        timeout: seconds after which this run begins no trial; None: as long as it takes.
        patience: counted trials in a row without gain, over all runs, see `Gains`; None: as many as there are.
    """

    trials: int
    timeout: float | None = None
    patience: int | None = None

    @classmethod
    def of(
        cls, spec: StudySpec, trials: int | None = None, timeout: float | None = None, patience: int | None = None
    ) -> Self:
        """The study file's limits, each replaced by what is given.

        Raises:
            SpecError: what is given is no limit.
        """
        return cls(
            spec.study.trials if trials is None else _whole("trials", trials),
            spec.study.timeout if timeout is None else _seconds("timeout", timeout),
            spec.study.patience if patience is None else _whole("patience", patience),
        )


def _whole(name: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise SpecError(f"{name}: must be a whole number from 1, got {given!r}")
    return given


def _seconds(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
        raise SpecError(f"{name}: must be a positive number of seconds, got {given!r}")
    return float(given)


class Ending:
    """Says when a run ends before its study has all of its trials, and why; its time begins with it."""

    def __init__(self, limits: Limits, objectives: Mapping[str, str]) -> None:
        self._limits = limits
        self._gains = Gains(objectives)
        self._began = time.monotonic()

    @property
    def seconds_left(self) -> float | None:
        """Until no further trial is begun; None where nothing but the trials ends the run."""
        if self._limits.timeout is None:
            return None
        return max(0.0, self._began + self._limits.timeout - time.monotonic())

    def out_of_time(self, finished: int) -> str:
        """Why this run begins no further trial, empty while it may; `finished` trials count so far."""
        if self.seconds_left is None or self.seconds_left > 0:
            return ""
        return (f"timeout: the {clock(self._limits.timeout or 0)} of this run are over, with {finished} of "
                f"{several(self._limits.trials, 'trial')} finished; another run goes on from here")

    def out_of_patience(self, records: Sequence[TrialRecord]) -> str:
        """Why the study needs no further trial, empty while it does."""
        if self._limits.patience is None:
            return ""
        since, last = self._gains.look(records)
        if since < self._limits.patience:
            return ""
        told = several(since, "trial")
        why = f"none of {told} has made it grow" if last is None else f"it has not grown for {told}, since trial {last}"
        return f"patience: the front is taken for final: {why}; a higher patience goes on from here"


class Gains:
    """How many trials of a study have gone by without gain, told by its records alone.

    A trial gains where it is successful and feasible, and no one of a lower number equals or dominates it. Exactly then
    does the hypervolume of the feasible front grow, whatever reference point lies behind all of them: no reference has
    to be chosen, and none that moves can change a verdict. What was carried over from another study stands before all
    trials, and does not count.
    """

    def __init__(self, objectives: Mapping[str, str]) -> None:
        self._signs = {name: 1 if direction == "minimize" else -1 for name, direction in objectives.items()}
        self._settled = 0  # records of which nothing changes any more ...
        self._so_far = _SoFar()  # ... and what they come to

    def look(self, records: Sequence[TrialRecord]) -> tuple[int, int | None]:
        """How many counted trials there are since the last gain, or from the beginning where there was none; and the
        number of the trial that gained, None where there was none.

        `records`: all trials of the study, in order. A later call may only append to those that have ended.
        """
        while self._settled < len(records) and records[self._settled].state != "RUNNING":
            self._take(self._so_far, records[self._settled])
            self._settled += 1
        found = _SoFar(list(self._so_far.front), self._so_far.since, self._so_far.last)
        for record in records[self._settled:]:
            self._take(found, record)
        return found.since, found.last

    def _take(self, so_far: _SoFar, record: TrialRecord) -> None:
        if record.state == "RUNNING" or record.outcome is None or record.outcome in NOT_ITS_FAULT:
            return
        counts = record.sampler != WARM_START
        so_far.since += counts
        if record.outcome != "ok" or not record.feasible:
            return
        point = tuple(sign * record.values[name] for name, sign in self._signs.items())
        if any(_reaches(other, point) for other in so_far.front):
            return
        so_far.front = [other for other in so_far.front if not _reaches(point, other)] + [point]
        if counts:
            so_far.since, so_far.last = 0, record.number


@dataclass
class _SoFar:
    front: list[tuple[float, ...]] = field(default_factory=list)
    since: int = 0
    last: int | None = None


def _reaches(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is at least as good as `other` in every objective, all to be minimised."""
    return all(ours <= theirs for ours, theirs in zip(one, other, strict=True))
