"""Expected gain of hypervolume, in closed form where objectives are known or normal and independent.

The points that no member of the front dominates are cut into boxes. What a new point wins of a box is a product over
the objectives, and so is its expectation: of an objective whose value is known it is a length, of one that a model
predicts a difference of two expected improvements. Source: M. Emmerich, A. Deutz and J. W. Klinkenberg, "Hypervolume-based
expected improvement: monotonicity properties and exact computation", CEC 2011; the boxes of three objectives as in
K. Yang et al., "Efficient computation of expected hypervolume improvement using box decomposition algorithms", 2019.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Vector = NDArray[np.float64]

UNLIKELY = 1e-9
"""No chance is 0: of candidates that all break a bound, the one that is most likely not to is the best."""


def boxes(front: Vector, reference: Vector) -> tuple[Vector, Vector]:
    """The part of space below `reference` that no member of `front` dominates, as boxes that do not overlap.

    Args:
        front: (members, objectives) to be minimised, objectives up to 3; members may dominate each other.
        reference: (objectives,), finite; members that are not below it do not matter.

    Returns:
        Lower and upper corners, each (boxes, objectives); a lower one may be minus infinity.
    """
    inside = front[(front < reference).all(axis=1)]
    missing = 3 - len(reference)
    points = np.hstack([np.zeros((len(inside), missing)), inside])
    start = np.concatenate([np.zeros(missing), np.full(len(reference), -np.inf)])
    end = np.concatenate([np.ones(missing), reference])
    low, high = _boxes(points[np.argsort(points[:, 2], kind="stable")], start, end)
    return low[:, missing:], high[:, missing:]


def _boxes(points: Vector, start: Vector, end: Vector) -> tuple[Vector, Vector]:
    """Between two corners, of points in the order of their third coordinate: each takes away, above itself, what it alone dominates of the
    plane of the first two; what is left in the end is free up to the reference.
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

    def won(self, levels: Vector) -> Vector:
        """(n, levels): how far each candidate is below each level; 0 where it is not."""
        return np.maximum(levels[None, :] - self.values[:, None], 0.0)


@dataclass(frozen=True)
class Normal:
    """An objective, to be minimised, that is normal: means and standard deviations of n candidates, (n,) each."""

    mean: Vector
    deviation: Vector

    def won(self, levels: Vector) -> Vector:
        """(n, levels): the expected improvement over each level."""
        deviation = self.deviation[:, None]
        distance = levels[None, :] - self.mean[:, None]
        scaled = distance / deviation
        return distance * ndtr(scaled) + deviation * np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class LogNormal:
    """An objective, to be minimised, whose logarithm above `floor` is normal: of n candidates, (n,) each."""

    mean: Vector
    deviation: Vector
    floor: float

    def won(self, levels: Vector) -> Vector:
        """(n, levels): the expected improvement over each level; 0 for one that is not above the floor."""
        above = np.maximum(levels - self.floor, 0.0)
        with np.errstate(divide="ignore"):
            scaled = (np.log(above)[None, :] - self.mean[:, None]) / self.deviation[:, None]
        expected = np.exp(self.mean + 0.5 * self.deviation**2)[:, None]
        return above[None, :] * ndtr(scaled) - expected * ndtr(scaled - self.deviation[:, None])

    @property
    def median(self) -> Vector:
        """(n,)."""
        found: Vector = self.floor + np.exp(self.mean)
        return found

    def chance_below(self, level: float) -> Vector:
        """(n,): how probable it is that it is at most `level`."""
        if level <= self.floor:
            return np.full(len(self.mean), UNLIKELY)
        chance: Vector = ndtr((np.log(level - self.floor) - self.mean) / self.deviation)
        return np.maximum(chance, UNLIKELY)


Objective = Known | Normal | LogNormal


def expected_gain(objectives: Sequence[Objective], low: Vector, high: Vector) -> Vector:
    """(n,): the hypervolume that each candidate is expected to win.

    Args:
        objectives: of the same n candidates, independent of each other.
        low: (boxes, objectives), see `boxes`.
        high: (boxes, objectives).
    """
    total: Vector | None = None
    for place, objective in enumerate(objectives):
        levels, where = np.unique(np.concatenate([low[:, place], high[:, place]]), return_inverse=True)
        finite = np.isfinite(levels)
        won = np.zeros((len(_candidates(objective)), len(levels)))
        won[:, finite] = objective.won(levels[finite])
        below, above = where[: len(low)], where[len(low):]
        length = won[:, above] - won[:, below]
        total = length if total is None else total * length
    if total is None:
        raise ValueError("a gain is of objectives, and there are none")
    gain: Vector = total.sum(axis=1)
    return gain


def _candidates(objective: Objective) -> Vector:
    return objective.values if isinstance(objective, Known) else objective.mean
