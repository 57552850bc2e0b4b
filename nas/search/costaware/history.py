"""What a study has seen, as the sampler needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.search.costaware.networks import Codes, Decoder, Vector
from nas.space import Values


@dataclass(frozen=True)
class Seen:
    """A trial: the choice, and what is known of its network by now.

    `found` holds each column that was measured; `state` is "failed" where the network itself was at fault, and then
    what was not found is taken for as bad as anything seen.
    """

    values: Values
    found: Mapping[str, float]
    state: Literal["finished", "failed", "running"]


class History:
    """The trials of a study as arrays, in their order; only those that are networks of its space.

    Attributes:
        networks: n of them.
        finished, failed, running: (n,) of bool.
    """

    def __init__(self, trials: Sequence[Seen], decoder: Decoder, before: History | None = None) -> None:
        """`before`: the history a while ago, of which what has not changed is taken over."""
        codes = np.array([decoder.encode(trial.values) for trial in trials], dtype=np.int32)
        self.codes: Codes = codes.reshape(len(trials), len(decoder.choices))
        known = len(before.codes) if before is not None else 0
        if before is not None and known and np.array_equal(before.codes, self.codes[:known]):
            more, places = decoder.networks_and_places(self.codes[known:])
            self.networks = before.networks.together(more)
            self._places = np.concatenate([before._places, places + known])
        else:
            self.networks, self._places = decoder.networks_and_places(self.codes)
        self._trials = [trials[place] for place in self._places]
        states = np.array([trial.state for trial in self._trials], dtype=object)
        self.finished, self.failed, self.running = (states == name for name in ("finished", "failed", "running"))

    def __len__(self) -> int:
        return len(self._trials)

    def found(self, column: str) -> Vector:
        """(n,) values of a measured column; NaN where it was not measured."""
        nan = float("nan")
        return np.array([trial.found.get(column, nan) for trial in self._trials], dtype=np.float64)
