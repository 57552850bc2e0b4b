"""What a study has seen, as the sampler needs it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.search.costaware.decoder import Decoder
from nas.search.costaware.features import Vector
from nas.search.costaware.networks import Codes
from nas.search.seen import Seen


class History:
    """The trials of a study as arrays, in their order; only those that are networks of its space.

    Attributes:
        networks: n of them.
        finished, failed, running: (n,) of bool.
    """

    def __init__(self, trials: Sequence[Seen], decoder: Decoder, before: History | None = None) -> None:
        """`before`: the history a while ago, of which what has not changed is taken over."""
        self._all = list(trials)
        known = before._all if before is not None else []
        same = next((place for place, (one, other) in enumerate(zip(known, trials, strict=False)) if one is not other),
                    min(len(known), len(trials)))
        codes = [decoder.encode(trial.values) for trial in trials[same:]]
        grid: Codes = np.array(codes, dtype=np.int32).reshape(len(codes), len(decoder.choices))
        self.networks, self._places = decoder.networks_and_places(grid)
        self._places = self._places + same
        if before is not None and same:
            kept = before._places < same
            self.networks = before.networks.take(kept).together(self.networks)
            self._places = np.concatenate([before._places[kept], self._places])
        self._trials = [trials[place] for place in self._places]
        states = np.array([trial.state for trial in self._trials], dtype=object)
        self.finished, self.failed, self.running = (states == name for name in ("finished", "failed", "running"))

    def __len__(self) -> int:
        return len(self._trials)

    def found(self, column: str) -> Vector:
        """(n,) values of a measured column; NaN where it was not measured."""
        nan = float("nan")
        return np.array([trial.found.get(column, nan) for trial in self._trials], dtype=np.float64)
