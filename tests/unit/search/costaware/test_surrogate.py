"""The Gaussian process: its gradient, its belief, and what it makes of what it has seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from nas.search.costaware.model import MARGIN, MOST, ColumnModel, Hyperparameters
from nas.search.costaware.surrogate import BELIEFS, Alike, MaximumPosterior, fitted


@pytest.fixture
def seen(rng):
    points = rng.random((40, 6))
    return points, np.sin(3 * points[:, 0]) + points[:, 1] * points[:, 2] + 0.3 * points[:, 5]


def test_the_gradient_of_the_density_is_that_of_its_value(seen):
    points, targets = seen
    model = fitted(points, targets, split=5)
    start = np.log([belief.center for belief in BELIEFS.values()]) + 0.3

    def value(theta):
        return model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=True)[0]

    def gradient(theta):
        return model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=True)[1]

    assert check_grad(value, gradient, start) < 1e-3 * np.linalg.norm(gradient(start))
    assert value(start) == pytest.approx(model.log_marginal_likelihood(start, eval_gradient=False))


def test_what_is_fitted_is_denser_than_what_was_believed(seen):
    points, targets = seen
    model = fitted(points, targets, split=5)
    before = np.log([belief.center for belief in BELIEFS.values()])
    assert model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True)[0] > (
        model.log_marginal_likelihood(before, eval_gradient=True)[0])


def test_the_covariance_is_the_sum_of_the_two_that_the_docstring_gives():
    points = np.array([[0.0, 0.0, 1.0], [1.0, 0.5, 3.0]])
    kernel = Alike(2, choice_length=0.7, choice_variance=2.0, cost_length=1.3, cost_variance=0.4, noise=0.1)
    between = 2.0 * np.exp(-1.25 / (2 * 0.49)) + 0.4 * np.exp(-4 / (2 * 1.69))
    assert kernel(points) == pytest.approx(np.array([[2.5, between], [between, 2.5]]))
    assert kernel(points, points[1:]) == pytest.approx(np.array([[between], [2.4]]))
    assert kernel.diag(points) == pytest.approx([2.5, 2.5])


def test_with_hyperparameters_given_nothing_is_fitted(seen):
    points, targets = seen
    kernel = Alike(5, choice_length=0.9)
    model = fitted(points, targets, 5, kernel)
    assert isinstance(model, MaximumPosterior)
    assert model.kernel_.get_params() == pytest.approx(kernel.get_params())
    assert fitted(points, targets, 5).kernel_.choice_length != pytest.approx(0.9)


def test_a_model_tells_networks_apart_that_it_has_not_seen(rng):
    points = rng.random((120, 6))
    values = 90 - 20 * points[:, 0] + 5 * points[:, 1] * points[:, 2]
    model = ColumnModel(points[:60], values[:60], split=5)
    found = model.at(points[60:])
    assert np.corrcoef(found.median, values[60:])[0, 1] > 0.95
    assert found.floor < values[:60].min()


def test_where_it_has_seen_it_is_more_certain(rng):
    points = rng.random((30, 6))
    model = ColumnModel(points, points[:, 0] + 3, split=5)
    near, far = model.at(points[:1] + 1e-3), model.at(np.full((1, 6), 3.0))
    assert near.deviation < 0.2 * far.deviation


def test_a_running_network_makes_its_neighbours_certain_and_leaves_the_others(rng):
    points = rng.random((30, 6))
    model = ColumnModel(points, points[:, 0] + 3, split=5)
    running = np.full((1, 6), 1.5)
    believing = model.believing(running)
    assert believing.at(running).deviation < 0.5 * model.at(running).deviation
    assert believing.at(running).median == pytest.approx(model.at(running).median, rel=1e-2)
    assert model.at(points).median == pytest.approx(model.believing(running).at(points).median, rel=1e-2)


def test_the_floor_is_a_margin_below_the_best_and_below_every_level(rng):
    points, values = rng.random((9, 3)), np.arange(9.0)
    assert ColumnModel(points, values, 2).floor == pytest.approx(-4 * MARGIN)
    assert ColumnModel(points, values, 2, levels=(-7.0, 3.0)).floor == pytest.approx(-7 - 4 * MARGIN)


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0])
def test_values_that_are_all_the_same_are_believed(value, rng):
    found = ColumnModel(rng.random((5, 3)), np.full(5, value), 2).at(rng.random((4, 3)))
    assert np.isfinite(found.mean).all()
    assert found.median == pytest.approx([value] * 4, abs=0.1)


def test_hyperparameters_are_fitted_again_when_a_tenth_has_come(rng, monkeypatch):
    from nas.search.costaware import model

    times = []

    def counted(points, targets, split, kernel=None):
        times.append((len(points), kernel is None))
        return fitted(points, targets, split, kernel)

    monkeypatch.setattr(model, "fitted", counted)
    points = rng.random((60, 4))
    kept = Hyperparameters(seed=0)
    for number in range(40, 60):
        kept.fitted("accuracy", points[:number], points[:number, 0], 3)
    assert [size for size, anew in times if anew] == [39, 42, 46, 50, 55]


def test_hyperparameters_depend_on_what_was_seen_alone(rng):
    points = rng.random((40, 4))
    old, fresh = Hyperparameters(seed=0), Hyperparameters(seed=0)
    for number in range(5, 40):
        old.fitted("accuracy", points[:number], points[:number, 0], 3)
    one = old.fitted("accuracy", points, points[:, 0], 3).at(points)
    other = fresh.fitted("accuracy", points, points[:, 0], 3).at(points)
    assert np.array_equal(one.mean, other.mean)


def test_of_very_many_the_best_half_and_some_others_are_modelled(rng):
    values = rng.random(1_000)
    rows = Hyperparameters(seed=0)._chosen(values)
    assert len(rows) == MOST
    assert set(np.argsort(values)[: MOST // 2]) <= set(rows)
    assert list(rows) == sorted(rows)
