"""Costs that were added up over blocks are those of fvcore and torch on the whole network, in a space of all blocks."""

from __future__ import annotations

import random
import warnings

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas import zoo
from nas.arch import Architecture, Head, Stage, Stem
from nas.canonical import canonicalise
from nas.choices import Choice, Params
from nas.cost.count import count_architecture
from nas.cost.result import Cost
from nas.cost.table import CostTable
from nas.network import build_network
from nas.plugins import load_plugins

PUBLISHED = {
    "efficientnet_v2_s": (21_458_488, 8_446_985_216, 8_365_617_152),
    "efficientnet_b0": (5_288_548, 401_659_392, 385_814_752),
    "mobilenet_v2": (3_504_872, 314_193_216, 300_774_272),
}
"""Parameters, FLOPs, multiply-accumulates at the published crop."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def counted_as_a_whole(network: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int, int, float]:
    """Parameters, fvcore's two totals, and FlopCounterMode / 2."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        for category in (DeprecationWarning, FutureWarning):  # fvcore scripts a function when it is imported
            warnings.filterwarnings("ignore", message=r"[\s\S]*torch\.jit", category=category)
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

        network.eval()
        image = torch.zeros(1, *shape)
        flops, activations = (
            analysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
            for analysis in (FlopCountAnalysis, ActivationCountAnalysis)
        )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    params = sum(weight.numel() for weight in network.parameters())
    return params, flops, activations, counter.get_total_flops() / 2


def figures(cost: Cost) -> tuple[int, int, int, int]:
    return cost.params, cost.flops, cost.activations, cost.macs


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_at_the_published_crop(name):
    arch = zoo.load(name)
    cost = nas.count(name)
    assert (cost.params, cost.flops, cost.macs) == PUBLISHED[name]
    assert figures(cost) == counted_as_a_whole(nas.build(arch), arch.input_shape)
    assert cost.unsupported_ops == ()


def a_stage(draw: random.Random) -> Stage:
    block = draw.choice(("mbconv", "fused_mbconv", "conv", "pointwise", "depthwise_separable", "identity"))
    params: dict[str, Choice] = {}
    if block in ("mbconv", "fused_mbconv", "conv", "depthwise_separable"):
        params["kernel"] = draw.choice((1, 3, 5, "1x7", "5x3"))
    if block in ("mbconv", "fused_mbconv"):
        params["expand"] = draw.choice((1, 2, 2.5, 4))
        params["se"] = draw.choice((0, 0.25, 0.5))
        params["attention"] = draw.choice(("se", "hard_se", "ese", "eca", "scse"))
    if block == "conv":
        params["dilation"], params["groups"] = draw.choice((1, 2)), draw.choice((1, 2, 4))
        params["bias"], params["padding_mode"] = draw.choice((True, False)), draw.choice(("zeros", "reflect"))
    if block != "identity":
        params["act"] = draw.choice((None, "relu", "relu6", "gelu", "mish", "hardswish", "leaky_relu"))
    return Stage(block, 1, draw.randint(1, 3), draw.choice((8, 16, 24)), draw.choice((1, 2)), Params(params))


def an_architecture(seed: int) -> Architecture:
    draw = random.Random(seed)
    return Architecture(
        input_shape=(3, draw.randint(64, 96), draw.randint(64, 96)),
        stages=tuple(a_stage(draw) for _ in range(draw.randint(2, 4))),
        stem=Stem(draw.choice((8, 16)), draw.choice((3, 5, "3x7")), draw.choice((1, 2)), draw.random() < 0.3),
        head=Head(draw.choice((0, 32)), draw.choice((0, 16))),
        classes=10,
    )


@pytest.fixture(scope="module")
def table() -> CostTable:
    """One for all: what an earlier network put in serves the later ones."""
    return CostTable()


@pytest.mark.parametrize("seed", range(10))
def test_random_networks_of_all_blocks(seed, table):
    blocks = load_plugins().blocks
    arch = canonicalise(an_architecture(seed), blocks)
    cost = count_architecture(arch, blocks, table)
    assert figures(cost) == counted_as_a_whole(build_network(arch, blocks, seed=0), arch.input_shape), arch.text
    assert all("aten::max_pool2d" in name for name in cost.unsupported_ops), "of the stem"
