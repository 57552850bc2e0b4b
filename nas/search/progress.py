"""How far a study is: what an observer of `nas.run` is told while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nas.front import pareto_mask
from nas.search.evaluate import Evaluation


@dataclass(frozen=True)
class Progress:
    """What an observer is told.

    Attributes:
        finished: counted trials so far, over all runs.
        total: counted trials at which the study ends.
        front: trials on the Pareto front so far.
        best: objective -> its best value among feasible trials so far; empty where there is none.
        doing: what is done at this moment, such as "trial 7: latency_ms".
        last: the trial that has just ended, None at every other moment.
        notices: what the user should know, told once.
        seconds_left: until the run begins no further trial; None where it has no timeout.
    """

    finished: int
    total: int
    front: int = 0
    best: Mapping[str, float] = field(default_factory=dict)
    doing: str = ""
    last: Evaluation | None = None
    notices: tuple[str, ...] = ()
    seconds_left: float | None = None


Observer = Callable[[Progress], None]


class Tally:
    """The successful, feasible trials of a study, as far as its progress needs them."""

    def __init__(self, objectives: Mapping[str, str], known: Iterable[Mapping[str, float]] = ()) -> None:
        self._objectives = objectives
        self._front: list[tuple[float, ...]] = []
        self._best: dict[str, float] = {}
        for values in known:
            self.add(values)

    def add(self, values: Mapping[str, float]) -> None:
        """Takes a trial's values in; at least every objective's."""
        self._front.append(tuple(values[name] for name in self._objectives))
        kept = pareto_mask(self._front, self._directions)
        self._front = [point for point, keep in zip(self._front, kept, strict=True) if keep]
        for name, direction in self._objectives.items():
            pick = min if direction == "minimize" else max
            self._best[name] = pick(self._best.get(name, values[name]), values[name])

    @property
    def front(self) -> int:
        """How many trials no other one dominates."""
        return len(self._front)

    @property
    def best(self) -> Mapping[str, float]:
        """Objective -> its best value; empty as long as there is none."""
        return dict(self._best)

    @property
    def _directions(self) -> Sequence[str]:
        return list(self._objectives.values())
