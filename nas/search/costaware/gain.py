"""Expected gain of hypervolume, in closed form where objectives are known or normal and independent.

The points that no member of the front dominates are cut into boxes. What a new point wins of a box is a product over
the objectives, and so is its expectation: of an objective whose value is known it is a length, of one that a model
predicts a difference of two expected improvements. Source: M. Emmerich, A. Deutz and J. W. Klinkenberg,
"Hypervolume-based expected improvement: monotonicity properties and exact computation", CEC 2011; the boxes of three
objectives as in K. Yang et al., "Efficient computation of expected hypervolume improvement using box decomposition
algorithms", 2019. Of four objectives and more there are too many boxes: there the integral is over points at random.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Vector = NDArray[np.float64]

EXACT = 3
"""Objectives up to which a gain is in closed form."""
POINTS = 1_000


@dataclass(frozen=True)
class Boxes:
    """A part of objective space as boxes that do not overlap: their corners, each (boxes, objectives). A lower one may
    be minus infinity.
    """

    low: Vector
    high: Vector

    def gain(self, objectives: Sequence[Objective]) -> Vector:
        """(n,): the volume that each of n candidates is expected to win, of objectives that are independent."""
        total: Vector | float = 1.0
        for place, objective in enumerate(objectives):
            ends = np.concatenate([self.low[:, place], self.high[:, place]])
            levels, where = np.unique(ends, return_inverse=True)
            finite = np.isfinite(levels)
            won = np.zeros((objective.candidates, len(levels)))
            won[:, finite] = objective.won(levels[finite])
            below, above = where[: len(self.low)], where[len(self.low):]
            total = total * (won[:, above] - won[:, below])
        found: Vector = np.sum(total, axis=1)
        return found


@dataclass(frozen=True)
class Points:
    """A part of objective space as (points, objectives) that were drawn from it evenly, each for a `volume`."""

    points: Vector
    volume: float

    def gain(self, objectives: Sequence[Objective]) -> Vector:
        """As of `Boxes`, with the error of a sample."""
        reached: Vector | float = 1.0
        for place, objective in enumerate(objectives):
            reached = reached * objective.reaches(self.points[:, place])
        found: Vector = np.sum(reached, axis=1) * self.volume
        return found


def undominated(front: Vector, reference: Vector, ideal: Vector, rng: np.random.Generator) -> Boxes | Points:
    """The part of space below `reference` that no member of `front` dominates.

    Args:
        front: (members, objectives) to be minimised; members may dominate each other, and those that are not below the
            reference do not matter.
        reference: (objectives,), finite.
        ideal: (objectives,), below which points are not drawn; boxes are not bounded by it.
        rng: draws points, of four objectives and more.
    """
    if len(reference) <= EXACT:
        return boxes(front, reference)
    sides = np.maximum(reference - ideal, 0.0)
    points = ideal + sides * rng.random((POINTS, len(reference)))
    dominated = np.any(np.all(front[None, :, :] <= points[:, None, :], axis=2), axis=1)
    return Points(points[~dominated], float(sides.prod()) / POINTS)


def boxes(front: Vector, reference: Vector) -> Boxes:
    """`undominated` of up to three objectives."""
    inside = front[(front < reference).all(axis=1)]
    missing = 3 - len(reference)
    points = np.hstack([np.zeros((len(inside), missing)), inside])
    start = np.concatenate([np.zeros(missing), np.full(len(reference), -np.inf)])
    end = np.concatenate([np.ones(missing), reference])
    low, high = _boxes(points[np.argsort(points[:, 2], kind="stable")], start, end)
    return Boxes(low[:, missing:], high[:, missing:])


def _boxes(points: Vector, start: Vector, end: Vector) -> tuple[Vector, Vector]:
    """Between two corners, of points in the order of their third coordinate: each takes away, above itself, what it
    alone dominates of the plane of the first two; what is left in the end is free up to the reference.
    """
    left_end, lowest, near = start.tolist()
    right_end, highest, far = end.tolist()
    xs, ys = [left_end, right_end], [highest, float("-inf")]
    corners: list[tuple[float, ...]] = []
    for x, y, z in points.tolist():
        before = bisect_right(xs, x) - 1  # the stair that is above x
        if ys[before] <= y:
            continue
        last = before
        while ys[last + 1] >= y:
            last += 1
        steps = [x, *xs[before + 1:last + 1]]
        ends = [*xs[before + 1:last + 1], xs[last + 1]]
        for left, right, top in zip(steps, ends, ys[before:last + 1], strict=True):
            if left < right:
                corners.append((left, y, near, right, top, z))
        keep = before if xs[before] == x else before + 1
        xs[keep:last + 1], ys[keep:last + 1] = [x], [y]
    corners += [(left, lowest, near, right, top, far)
                for (left, right), top in zip(pairwise(xs), ys, strict=False) if lowest < top]
    table = np.array(corners, dtype=np.float64).reshape(-1, 6)
    return table[:, :3], table[:, 3:]


@dataclass(frozen=True)
class Known:
    """An objective, to be minimised, whose value is known of each of n candidates: (n,)."""

    values: Vector

    @property
    def candidates(self) -> int:
        """How many."""
        return len(self.values)

    def reaches(self, levels: Vector) -> Vector:
        """(n, levels): 1 where a candidate is at most a level, else 0."""
        return (self.values[:, None] <= levels[None, :]).astype(np.float64)

    def won(self, levels: Vector) -> Vector:
        """(n, levels): how far each candidate is below each level; 0 where it is not."""
        found: Vector = np.maximum(levels[None, :] - self.values[:, None], 0.0)
        return found


@dataclass(frozen=True)
class LogNormal:
    """An objective, to be minimised, whose logarithm above `floor` is normal: of n candidates, (n,) each."""

    mean: Vector
    deviation: Vector
    floor: float

    @property
    def candidates(self) -> int:
        """How many."""
        return len(self.mean)

    def reaches(self, levels: Vector) -> Vector:
        """(n, levels): the chance that a candidate is at most a level."""
        found: Vector = ndtr(self._scaled(np.maximum(levels - self.floor, 0.0)))
        return found

    def won(self, levels: Vector) -> Vector:
        """(n, levels): the expected improvement over each level; 0 for one that is not above the floor."""
        above = np.maximum(levels - self.floor, 0.0)
        scaled = self._scaled(above)
        expected = np.exp(self.mean + 0.5 * self.deviation**2)[:, None]
        found: Vector = above[None, :] * ndtr(scaled) - expected * ndtr(scaled - self.deviation[:, None])
        return found

    def _scaled(self, above: Vector) -> Vector:
        """(n, levels): how many deviations levels, given from the floor on, are from the mean."""
        with np.errstate(divide="ignore"):
            found: Vector = (np.log(above)[None, :] - self.mean[:, None]) / self.deviation[:, None]
        return found

    @property
    def median(self) -> Vector:
        """(n,)."""
        found: Vector = self.floor + np.exp(self.mean)
        return found

    def log_chance_between(self, low: float, high: float) -> Vector:
        """(n,): the logarithm of how probable it is that it is at least `low` and at most `high`; either may be
        infinite. What is all but impossible is told apart, too: of candidates that all break a bound, the one that is
        most likely not to is the best.
        """
        levels = np.maximum(np.array([low, high]) - self.floor, 0.0)
        first, last = self._scaled(levels).T
        mirrored = first > 0  # in the upper tail 1 - 1 would be left of the difference of two chances
        first, last = np.where(mirrored, -last, first), np.where(mirrored, -first, last)
        upper = log_ndtr(last)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Vector = upper + np.log(-np.expm1(np.minimum(log_ndtr(first) - upper, 0.0)))
        return np.nan_to_num(found, nan=-np.inf)


Objective = Known | LogNormal
