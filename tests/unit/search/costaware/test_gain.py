"""Expected gain of hypervolume: where all is known, the hypervolume that is gained; where it is not, its mean."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search.costaware.gain import Known, LogNormal, Points, boxes, undominated


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """By inclusion and exclusion over cells of a grid: slow, and nothing to get wrong."""
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    levels = [np.unique(np.append(inside[:, axis], reference[axis])) for axis in range(points.shape[1])]
    corners = np.stack(np.meshgrid(*(level[:-1] for level in levels), indexing="ij"), axis=-1).reshape(-1, len(levels))
    sides = np.stack(np.meshgrid(*(np.diff(level) for level in levels), indexing="ij"), axis=-1)
    dominated = (inside[None, :, :] <= corners[:, None, :]).all(axis=2).any(axis=1)
    return float(sides.reshape(-1, len(levels)).prod(axis=1)[dominated].sum())


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_gain_of_known_values_is_the_hypervolume_that_they_add(objectives, rng):
    reference = np.full(objectives, 7.5)
    for _ in range(100):  # whole numbers: ties, repetitions and dominated members are frequent
        front = rng.integers(0, 9, size=(rng.integers(0, 10), objectives)).astype(float)
        candidates = rng.integers(0, 9, size=(4, objectives)).astype(float)
        gain = boxes(front, reference).gain([Known(column) for column in candidates.T])
        added = [hypervolume(np.vstack([front, one]), reference) - hypervolume(front, reference) for one in candidates]
        assert gain == pytest.approx(added)


@pytest.mark.parametrize("objectives", [2, 3])
def test_boxes_do_not_overlap_and_cover_what_is_not_dominated(objectives, rng):
    front, reference = rng.random((8, objectives)), np.ones(objectives)
    found = boxes(front, reference)
    points = rng.random((500, objectives))
    within = ((found.low < points[:, None, :]) & (points[:, None, :] <= found.high)).all(axis=2).sum(axis=1)
    dominated = (front[None] <= points[:, None]).all(axis=2).any(axis=1)
    assert (within == ~dominated).all()


def test_the_expected_gain_is_the_mean_over_what_may_come_out(rng):
    front = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    belief = LogNormal(np.array([0.2, -0.4]), np.array([0.5, 0.3]), 0.5)
    space = boxes(front, np.array([4.0, 4.0]))
    gain = space.gain([belief, Known(np.array([1.5, 2.5]))])
    for place, macs in enumerate((1.5, 2.5)):
        values = 0.5 + np.exp(belief.mean[place] + belief.deviation[place] * rng.standard_normal(400_000))
        sampled = space.gain([Known(values), Known(np.full(len(values), macs))])
        assert gain[place] == pytest.approx(sampled.mean(), rel=5e-3)


def test_of_two_that_are_believed_alike_the_less_certain_one_promises_more():
    belief = LogNormal(np.log([2.0, 2.0]), np.array([0.1, 0.5]), 0.0)
    gain = boxes(np.array([[1.5]]), np.array([9.0])).gain([belief])
    assert gain[1] > gain[0] > 0


def test_nothing_is_expected_beyond_the_floor():
    belief = LogNormal(np.array([0.0]), np.array([1.0]), 2.0)
    assert boxes(np.array([[2.0]]), np.array([9.0])).gain([belief]) == 0


def test_of_four_objectives_the_gain_is_that_of_a_sample(rng):
    front, reference, ideal = rng.random((6, 4)), np.ones(4), np.zeros(4)
    space = undominated(front, reference, ideal, rng)
    assert isinstance(space, Points)
    candidates = np.array([[0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9]])
    gain = space.gain([Known(column) for column in candidates.T])
    added = [hypervolume(np.vstack([front, one]), reference) - hypervolume(front, reference) for one in candidates]
    assert gain == pytest.approx(added, abs=0.05)
    unsure = LogNormal(np.log([0.1, 0.9]), np.array([1e-6, 1e-6]), 0.0)
    assert space.gain([unsure, *(Known(column) for column in candidates.T[1:])]) == pytest.approx(gain, abs=1e-3)


def test_the_median_is_even_and_the_chance_of_an_interval_is_what_lies_in_it(rng):
    belief = LogNormal(np.array([0.0, 5.0]), np.array([1.0, 0.5]), 1.0)
    assert belief.median == pytest.approx([2.0, 1 + np.exp(5)])
    for low, high in [(-np.inf, 2.0), (2.0, np.inf), (1.5, 3.0), (120.0, 200.0), (0.0, 2.5), (-np.inf, np.inf)]:
        values = 1 + np.exp(belief.mean + belief.deviation * rng.standard_normal((200_000, 2)))
        drawn = ((values >= low) & (values <= high)).mean(axis=0)
        assert np.exp(belief.log_chance_between(low, high)) == pytest.approx(drawn, abs=5e-3)


def test_chances_that_are_all_but_nothing_are_told_apart():
    belief = LogNormal(np.array([3.0, 4.0]), np.array([0.05, 0.05]), 0.0)
    for low, high in [(-np.inf, 1.0), (0.5, 1.0)]:
        one, other = belief.log_chance_between(low, high)
        assert other < one < np.log(1e-300)
    one, other = belief.log_chance_between(1e6, np.inf)
    assert one < other < np.log(1e-300)
    assert np.isneginf(belief.log_chance_between(-np.inf, -1.0)).all()
