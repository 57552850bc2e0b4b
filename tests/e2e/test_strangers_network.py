"""RegNetY and RegNetX, published tables written as stages of the block in one local file, against torchvision's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model

import nas

PLUGIN = Path(__file__).with_name("regnet_y.py")

# Radosavovic et al. 2020 (arXiv:2003.13678), tables 10 and 11: depths, widths, group width; squeeze ratio; parameters.
PUBLISHED = {
    "regnet_y_400mf": ((1, 3, 6, 6), (48, 104, 208, 440), 8, 0.25, 4_344_144),
    "regnet_y_800mf": ((1, 3, 8, 2), (64, 144, 320, 784), 16, 0.25, 6_432_512),
    "regnet_y_1_6gf": ((2, 6, 17, 2), (48, 120, 336, 888), 24, 0.25, 11_202_430),
    "regnet_x_400mf": ((1, 2, 7, 12), (32, 64, 160, 400), 16, 0, 5_495_976),
}


def regnet(depths: Sequence[int], widths: Sequence[int], group_width: int, se: float) -> nas.Architecture:
    params = {"group_width": group_width, "se": se}
    stages = [nas.Stage("regnet_y", 1, depth, width, 2, params) for depth, width in zip(depths, widths, strict=True)]
    return nas.Architecture(
        input_shape=(3, 224, 224),
        stages=tuple(stages),
        stem=nas.Stem(channels=32, act="relu"),
        head=nas.Head(channels=0, dropout=0),
        act="relu",
        norm=nas.Norm(eps=1e-5),
        drop_path=0,
    )


def randomise_norms(network: nn.Module) -> None:
    """Away from 1 and 0, so that a norm in another place, or with another eps, shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_regnet_has_its_published_parameters_and_macs(name: str) -> None:
    *table, params = PUBLISHED[name]
    cost = nas.count(regnet(*table), plugins=[PLUGIN])
    assert cost.params == params
    theirs = get_model(name, weights=None).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        theirs(torch.empty(1, 3, 224, 224, device="meta"))
    assert cost.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", ["regnet_y_400mf", "regnet_x_400mf"])
def test_with_torchvision_s_weights_in_order_a_regnet_has_its_logits(name: str) -> None:
    *table, _ = PUBLISHED[name]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs = get_model(name, weights=None).eval()
        randomise_norms(theirs)
        ours = nas.build(regnet(*table), plugins=[PLUGIN], seed=0).eval()
        state, source = ours.state_dict(), theirs.state_dict()
        assert [weight.shape for weight in state.values()] == [weight.shape for weight in source.values()]
        x = torch.randn(2, 3, 64, 64)
        before = ours(x)
        ours.load_state_dict(dict(zip(state, source.values(), strict=True)))
        expected, given = theirs(x), ours(x)
    largest = expected.abs().max()
    assert (given - expected).abs().max() <= 1e-5 * largest
    assert (before - expected).abs().max() > 1e-2 * largest, "the comparison could not have failed"


@pytest.mark.parametrize(
    ("channels", "params", "said"),
    [
        (44, {"group_width": 8}, "group_width 8 does not divide the 44 channels"),
        (48, {"se": 2}, "se 2 is no ratio from 0 to 1"),
        (48, {"se": 0.01}, "se 0.01 of 32 input channels leaves none"),
        (48, {"group_widht": 8}, "no parameter 'group_widht' (did you mean 'group_width'?)"),
    ],
)
def test_what_the_block_refuses_is_told_with_its_place(channels: int, params: dict[str, float], said: str) -> None:
    arch = nas.Architecture((3, 32, 32), (nas.Stage("regnet_y", 1, 1, channels, 2, params),), nas.Stem(32))
    with pytest.raises(nas.BlockError) as caught:
        nas.build(arch, plugins=[PLUGIN])
    assert said in str(caught.value)
    assert "stages[0]" in str(caught.value)
