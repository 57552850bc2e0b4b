"""torchvision's and timm's networks are built, counted and measured as they are, and nothing is downloaded."""

from __future__ import annotations

import socket

import pytest
import timm
import torch
from torchvision.models import get_model

import nas
from nas.cost.count import count_module

NETWORKS = {
    "torchvision:mobilenet_v3_small": lambda: get_model("mobilenet_v3_small", weights=None),
    "torchvision:regnet_y_400mf": lambda: get_model("regnet_y_400mf", weights=None),
    "timm:efficientnet_b0": lambda: timm.create_model("efficientnet_b0"),
    "timm:resnet10t": lambda: timm.create_model("resnet10t"),
    "timm:vit_tiny_patch16_224": lambda: timm.create_model("vit_tiny_patch16_224"),
}


@pytest.fixture(autouse=True)
def without_a_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("text", NETWORKS)
def test_the_network_is_the_library_s_with_weights_of_the_seed(text):
    state = torch.get_rng_state()
    ours = nas.build(text, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = NETWORKS[text]()
    assert ours.training
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    assert all(torch.equal(weight, expected[key]) for key, weight in ours.state_dict().items())
    other = nas.build(nas.load(text), seed=4).state_dict()
    assert any(not torch.equal(weight, expected[key]) for key, weight in other.items())


@pytest.mark.parametrize("text", NETWORKS)
def test_it_is_counted_as_its_module_is(text):
    network = nas.load(text)
    assert nas.count(text) == nas.count(network) == count_module(NETWORKS[text](), network.input_shape)


@pytest.mark.parametrize("text", NETWORKS)
def test_on_the_meta_device_it_has_no_weights(text):
    assert all(weight.is_meta for weight in nas.build(text, device="meta").parameters())


def test_costs_are_the_published_ones_and_the_zoo_s():
    resnet, ours = nas.count("torchvision:resnet18"), nas.count("resnet18")
    assert resnet.params == 11_689_512 == ours.params
    assert (resnet.macs, resnet.activations) == (ours.macs, ours.activations)
    timms, ours = nas.count("timm:efficientnet_b0"), nas.count("efficientnet_b0")
    assert (timms.params, timms.macs, timms.activations) == (ours.params, ours.macs, ours.activations)


def test_it_is_measured():
    for network in ("torchvision:mobilenet_v3_small", nas.load("timm:resnet10t")):
        latency = nas.measure(network, device="cpu", max_seconds=0.5, threads=1)
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
    with pytest.raises(nas.SpecError, match="has its own"):
        nas.measure("timm:resnet10t", device="cpu", input_shape=(3, 64, 64))
