"""What a caller has made torch's default device is not where a measurement draws its inputs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

import nas
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions
from nas.latency.reference import reference_network

QUICK = LatencyOptions(device="cpu", threads=1, max_seconds=0.1, max_samples=5)


def test_the_reference_is_the_same_whatever_the_default_is() -> None:
    network, x = reference_network()
    with torch.device("meta"):
        elsewhere, x_elsewhere = reference_network()
    assert torch.equal(x, x_elsewhere)
    for name, values in network.state_dict().items():
        assert torch.equal(values, elsewhere.state_dict()[name])


def test_a_network_is_measured_on_the_device_that_is_asked_for(eager: nas.RuntimeSpec) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    with torch.device("meta"):
        latency = measure_module(network, (3, 8, 8), replace(QUICK, batch=2), eager)
    assert latency.conditions["device"] == "cpu"
    assert latency.fused
