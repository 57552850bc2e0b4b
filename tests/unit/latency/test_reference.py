"""The yardstick: always the same network, whatever the caller's random state is."""

from __future__ import annotations

import torch

from nas.latency.reference import INPUT_SHAPE, reference_network


def test_it_is_the_same_network_every_time() -> None:
    torch.manual_seed(1)
    first, x = reference_network()
    torch.manual_seed(2)
    second, y = reference_network()
    assert torch.equal(x, y)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_it_answers_numbers_and_is_small() -> None:
    network, x = reference_network()
    assert x.shape == INPUT_SHAPE
    assert not network.training
    assert network(x).isfinite().all()
    assert sum(values.numel() for values in network.parameters()) == 8_170


def test_making_it_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    reference_network()
    assert torch.equal(torch.rand(1), expected)
