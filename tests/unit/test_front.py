"""Which rows no other row dominates: `nas.front.pareto_mask` against its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.front import pareto_mask

Rows = list[tuple[float, ...]]


def by_definition(rows: Rows, directions: Sequence[str]) -> list[bool]:
    costs = [tuple(v if d == "minimize" else -v for v, d in zip(row, directions, strict=True)) for row in rows]
    complete = [not any(math.isnan(value) for value in row) for row in costs]

    def beaten(row: tuple[float, ...]) -> bool:
        return any(
            known and other != row and all(a <= b for a, b in zip(other, row, strict=True))
            for other, known in zip(costs, complete, strict=True)
        )

    return [known and not beaten(row) for row, known in zip(costs, complete, strict=True)]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Rows, list[str]]:
    """Few distinct values, so that ties and equal rows are common; infinities and NaN among them."""
    directions = draw(st.lists(st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=4))
    value = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 1.0, 2.0, math.inf, math.nan])
    rows = draw(st.lists(st.tuples(*[value] * len(directions)), max_size=30))
    return rows, directions


@given(tables())
def test_agrees_with_the_definition(table: tuple[Rows, list[str]]) -> None:
    rows, directions = table
    values = np.array(rows, dtype=float).reshape(len(rows), len(directions))
    assert pareto_mask(values, directions).tolist() == by_definition(rows, directions)


@given(tables(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_rows(table: tuple[Rows, list[str]], random: object) -> None:
    rows, directions = table
    if not rows:
        return
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis types its Random as object's strategy
    straight = pareto_mask(rows, directions)
    assert pareto_mask([rows[place] for place in order], directions).tolist() == straight[order].tolist()


@given(tables())
def test_turning_an_objective_around_with_its_sign_changes_nothing(table: tuple[Rows, list[str]]) -> None:
    rows, directions = table
    if not rows:
        return
    turned = ["maximize" if direction == "minimize" else "minimize" for direction in directions]
    opposite = [tuple(-value for value in row) for row in rows]
    assert pareto_mask(opposite, turned).tolist() == pareto_mask(rows, directions).tolist()


def test_the_best_compromises_stand_and_what_they_beat_does_not() -> None:
    accuracy_and_latency = [(0.9, 5.0), (0.8, 3.0), (0.8, 4.0), (0.7, 6.0)]
    assert pareto_mask(accuracy_and_latency, ["maximize", "minimize"]).tolist() == [True, True, False, False]


def test_equal_rows_are_all_kept() -> None:
    assert pareto_mask([(1, 2), (1, 2), (2, 2)], ["minimize", "minimize"]).tolist() == [True, True, False]


def test_a_row_with_nan_is_never_on_the_front_and_beats_none() -> None:
    assert pareto_mask([(math.nan, 0.0), (1.0, 1.0)], ["minimize", "minimize"]).tolist() == [False, True]
    assert pareto_mask([(math.nan,)], ["maximize"]).tolist() == [False]


def test_no_rows_have_an_empty_front() -> None:
    assert pareto_mask([], ["minimize", "maximize"]).tolist() == []


@pytest.mark.parametrize("directions", [["minimize", "maximize"], ["minimize", "minimize", "maximize"]])
def test_ten_thousand_rows_agree_with_the_definition_where_it_is_asked(directions: list[str]) -> None:
    values = np.random.default_rng(0).normal(size=(10_000, len(directions)))
    mask = pareto_mask(values, directions)
    costs = values * [1 if direction == "minimize" else -1 for direction in directions]
    for place in [*np.flatnonzero(mask)[:50], *range(50)]:
        as_good = (costs <= costs[place]).all(axis=1)
        assert mask[place] == (as_good.sum() == 1)


@pytest.mark.parametrize(
    ("values", "directions"),
    [([(1.0, 2.0)], ["minimize"]), ([1.0, 2.0], ["minimize"]), ([(1.0,)], ["down"]), ([(1.0,)], [])],
)
def test_values_that_do_not_fit_their_directions_are_refused(values: object, directions: list[str]) -> None:
    with pytest.raises(ValueError, match="directions"):
        pareto_mask(values, directions)  # type: ignore[arg-type]  # some are wrong on purpose
