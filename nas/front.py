"""The Pareto front: which of many results no other one beats."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def pareto_mask(values: ArrayLike, directions: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows no other row dominates: at least as good in every objective, and better in one.

    Rows that are equal stand or fall together. A row with a NaN is never on the front, and dominates none.

    Args:
        values: (rows, objectives); infinities are values like others.
        directions: "minimize" or "maximize", one for each objective.

    Returns:
        (rows,) of bool.

    Raises:
        ValueError: a row has not one value for each direction, or a direction is none.
    """
    import numpy as np

    if not directions or any(direction not in ("minimize", "maximize") for direction in directions):
        raise ValueError(f"directions must be 'minimize' or 'maximize', one for each objective, got {directions!r}")
    table = np.asarray(values, dtype=np.float64)
    if table.size == 0:
        return np.zeros(len(table), dtype=np.bool_)
    if table.ndim != 2 or table.shape[1] != len(directions):
        raise ValueError(f"values of shape {table.shape} do not fit {len(directions)} directions")
    costs = table * np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    complete = ~np.isnan(costs).any(axis=1)
    distinct, row_of = np.unique(costs[complete], axis=0, return_inverse=True)  # in lexicographic order
    mask = np.zeros(len(costs), dtype=np.bool_)
    mask[complete] = _front(distinct)[row_of.reshape(-1)]
    return mask


def _front(distinct: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The front of distinct rows in lexicographic order, all to be minimised: no row is dominated by a later one."""
    import numpy as np

    rows, objectives = distinct.shape
    if objectives <= 3:
        padded = np.hstack([distinct[:, 1:], np.zeros((rows, 3 - objectives))])
        return np.array(_sweep(padded.tolist()), dtype=np.bool_)
    left = np.arange(rows)
    front = np.zeros(rows, dtype=np.bool_)
    while len(left):
        best = left[0]
        front[best] = True
        left = left[~(distinct[left] >= distinct[best]).all(axis=1)]
    return front


def _sweep(pairs: Sequence[Sequence[float]]) -> list[bool]:
    """Which (y, z) no earlier one reaches in both, in O(n log n) but for moves inside of a list.

    The stairs are the lowest z up to each y that was seen: y rising, z falling (Kung, Luccio and Preparata 1975).
    """
    ys: list[float] = []
    zs: list[float] = []
    front = []
    for y, z in pairs:
        below = bisect_right(ys, y)
        front.append(not below or zs[below - 1] > z)
        if front[-1]:
            first = last = bisect_left(ys, y)
            while last < len(ys) and zs[last] >= z:
                last += 1
            ys[first:last] = [y]
            zs[first:last] = [z]
    return front
