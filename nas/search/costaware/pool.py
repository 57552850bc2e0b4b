"""Candidates: networks of a space that keep every bound on what is free to know, and that nobody has tried.

A small space is looked through whole. Of a large one, half of the candidates are drawn at random, and half are mutants
of what is best so far: in a space of 10^10 networks a random draw alone hardly ever meets a good one's neighbour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nas.search.costaware.decoder import Decoder
from nas.search.costaware.features import Vector
from nas.search.costaware.networks import Codes, Networks

WHOLE = 8_192
"""Choices of a space that is looked through whole."""
DRAWN = 1_500
MUTANTS = 1_500
PARENTS = 100
ROUNDS = 8
"""Of mutating what breaks a bound the least, where few candidates keep it."""
ENOUGH = 500

Excess = Callable[[Networks], Vector]
"""(n,): by how much networks break what is free to know, as a share of the bounds; 0 where they keep it."""


@dataclass
class Pool:
    """Draws candidates of one space; `few` where each has to be looked at alone."""

    decoder: Decoder
    excess: Excess
    few: bool = False
    _whole: Networks | None = field(default=None, init=False)

    @property
    def whole(self) -> bool:
        """Whether every network is a candidate."""
        return self.decoder.space.size <= (WHOLE // 10 if self.few else WHOLE)

    def candidates(self, tried: set[bytes], best: Codes, rng: np.random.Generator) -> Networks:
        """Distinct networks that keep the free bounds, without those that were tried.

        Args:
            tried: keys of networks.
            best: (members, dimensions), whose mutants are among them.
            rng: the same state, the same candidates.
        """
        if self.whole:
            return self._everything().distinct(tried)
        drawn, mutants, enough = (number // 10 if self.few else number for number in (DRAWN, MUTANTS, ENOUGH))
        found = self.decoder.networks(np.concatenate([self.draw(drawn, rng), self.mutants(best, mutants, rng)]))
        found = found.distinct(tried)
        excess = self.excess(found)
        for _ in range(ROUNDS):
            if np.count_nonzero(excess == 0) >= enough or not len(found):
                break
            parents = found.codes[np.argsort(excess, kind="stable")[:PARENTS]]
            found = found.together(self.decoder.networks(self.mutants(parents, mutants, rng))).distinct(tried)
            excess = self.excess(found)
        return found.take(excess == 0)

    def near(self, codes: Codes, number: int, tried: set[bytes], rng: np.random.Generator) -> Networks:
        """Mutants alone, `number` of them before equal ones are left out; a tenth where each is looked at alone."""
        number = number // 10 if self.few else number
        found = self.decoder.networks(self.mutants(codes, number, rng)).distinct(tried)
        return found.take(self.excess(found) == 0)

    def draw(self, number: int, rng: np.random.Generator) -> Codes:
        """Choices of every dimension, uniformly at random."""
        drawn = [rng.integers(len(choices), size=number, dtype=np.int32) for choices in self.decoder.choices]
        return np.column_stack(drawn) if drawn else np.zeros((number, 0), dtype=np.int32)

    def mutants(self, parents: Codes, number: int, rng: np.random.Generator) -> Codes:
        """Of each parent as many as of the others, with one dimension chosen anew, or two, or three."""
        if not len(parents) or not parents.shape[1]:
            return parents[:0]
        origins = parents[np.arange(number) % len(parents)]
        codes = origins.copy()
        sizes = np.array([len(choices) for choices in self.decoder.choices])
        times = rng.integers(1, 4, size=number)
        for turn in range(3):
            rows = np.flatnonzero(times > turn)
            places = rng.integers(len(sizes), size=len(rows))
            unchanged = codes[rows, places] == origins[rows, places]  # what was chosen anew is not chosen back
            rows, places = rows[unchanged], places[unchanged]
            shift = 1 + np.floor(rng.random(len(rows)) * (sizes[places] - 1)).astype(np.int32)
            codes[rows, places] = (codes[rows, places] + shift) % sizes[places]
        return codes

    def _everything(self) -> Networks:
        if self._whole is None:
            grid = list(product(*(range(len(choices)) for choices in self.decoder.choices)))
            codes: NDArray[np.int32] = np.array(grid, dtype=np.int32).reshape(len(grid), -1)
            found = self.decoder.networks(codes).distinct()
            self._whole = found.take(self.excess(found) == 0)
        return self._whole
