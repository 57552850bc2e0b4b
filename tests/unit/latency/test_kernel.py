"""The kernel of times: its gradient and its diagonal are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from nas.latency.kernel import OfBlocks


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(7, 6))


@pytest.fixture
def kernel():
    return OfBlocks([(0, 2), (2, 5)], (5, 6), [0.5, 2.0], 0.3, 0.7)


def test_the_gradient_is_that_of_the_logarithms_of_the_hyperparameters(kernel, rows):
    _, slopes = kernel(rows, eval_gradient=True)
    assert slopes.shape == (7, 7, len(kernel.theta))
    for place in range(len(kernel.theta)):
        off = np.zeros(len(kernel.theta))
        off[place] = 1e-6
        up, down = (kernel.clone_with_theta(kernel.theta + sign * off)(rows) for sign in (1, -1))
        np.testing.assert_allclose(slopes[:, :, place], (up - down) / 2e-6, atol=1e-6)


def test_the_diagonal_and_a_part_are_those_of_the_whole(kernel, rows):
    np.testing.assert_allclose(kernel.diag(rows), np.diag(kernel(rows)))
    np.testing.assert_allclose(kernel(rows[:2], rows[2:]), kernel(rows)[:2, 2:])


def test_the_linear_part_is_that_of_weights_of_these_variances(kernel, rows):
    assert kernel.weights().tolist() == [0.5, 0.5, 2.0, 2.0, 2.0]
    flat = kernel.clone_with_theta(kernel.theta)
    flat.smooth = 0.0
    np.testing.assert_allclose(flat(rows), (rows[:, :5] * kernel.weights()) @ rows[:, :5].T)
