"""The eager runtime runs the network as it is."""

from __future__ import annotations

import torch
from torch import nn

import nas
import nas_runtimes.eager
from nas.plugins import load_plugins


def test_it_is_registered_by_entry_point() -> None:
    runtimes = load_plugins().runtimes
    assert runtimes["eager"].devices == {"cpu", "cuda", "ssh"}
    assert "nas_runtimes.eager" in str(runtimes.origin("eager"))


def test_a_call_runs_the_network_on_the_input_each_time() -> None:
    [eager] = nas_runtimes.eager.nas_runtimes()
    network, x = nn.Conv2d(3, 4, 3).eval(), torch.randn(1, 3, 8, 8)
    call = eager.prepare(network, x, nas.RuntimeOptions())
    with torch.inference_mode():
        first, second = call(), call()
        expected = network(x)
    assert isinstance(first, torch.Tensor)
    assert isinstance(second, torch.Tensor)
    assert first is not second
    assert torch.equal(first, expected)
    assert torch.equal(second, expected)
