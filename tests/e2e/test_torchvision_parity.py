"""Every published network of ours is torchvision's: parameters, order and shapes of the state dict, and logits."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from nas import zoo
from nas.network import build, parameters_of
from nas.plugins import load_plugins

PUBLISHED = {
    "efficientnet_v2_s": 21_458_488,
    "efficientnet_v2_m": 54_139_356,
    "efficientnet_v2_l": 118_515_272,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "mnasnet1_0": 4_383_312,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kind(name: str) -> str:
    return name.rsplit(".", 1)[1]


def randomise_norms(network: nn.Module) -> None:
    """Away from 1 and 0, so that a norm in another place, or with another eps, shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.05, 1.5, generator=generator)


def test_every_published_network_is_compared():
    assert set(PUBLISHED) == set(zoo.names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name):
    assert parameters_of(zoo.load(name), load_plugins().blocks) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_with_torchvision_s_weights_in_order_logits_agree(name):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs = get_model(name, weights=None).eval()
        randomise_norms(theirs)
        ours = build(zoo.load(name), seed=0).eval()
        state, source = ours.state_dict(), theirs.state_dict()
        assert [(kind(key), weight.shape) for key, weight in state.items()] == [
            (kind(key), weight.shape) for key, weight in source.items()
        ]
        x = torch.randn(2, 3, 64, 64)
        before = ours(x)
        ours.load_state_dict(dict(zip(state, source.values(), strict=True)))
        expected, given = theirs(x), ours(x)
    largest = expected.abs().max()
    assert (given - expected).abs().max() <= 1e-5 * largest
    assert (before - expected).abs().max() > 1e-2 * largest, "the comparison could not have failed"


@pytest.mark.parametrize("name", PUBLISHED)
def test_norms_dropout_and_drop_path_are_torchvision_s(name):
    theirs, ours = get_model_on_meta(name), build(zoo.load(name), device="meta")
    norms = [
        [number for m in network.modules() if isinstance(m, nn.BatchNorm2d) for number in (m.num_features, m.eps, m.momentum)]
        for network in (ours, theirs)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)  # torchvision writes mnasnet's momentum as 1 - 0.9997
    dropouts = [[m.p for m in network.modules() if isinstance(m, nn.Dropout)] for network in (ours, theirs)]
    assert dropouts[0] == dropouts[1]
    rates = [block.drop_path_rate for stage in ours.stages for block in stage if getattr(block, "residual", False)]
    their_rates = [
        block.stochastic_depth.p if hasattr(block, "stochastic_depth") else 0.0
        for block in theirs.modules()
        if getattr(block, "use_res_connect", getattr(block, "apply_residual", False))  # the latter is mnasnet's
    ]
    assert rates == pytest.approx(their_rates)


def get_model_on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return get_model(name, weights=None)
