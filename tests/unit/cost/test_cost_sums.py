"""The sum over blocks is the count of the whole network: by fvcore and by torch, on random networks."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nas.arch import Architecture, Head, Stage, Stem
from nas.blocks import BlockRegistry, BlockSpec
from nas.canonical import canonicalise
from nas.choices import Params
from nas.cost.count import count_architecture, count_module
from nas.cost.table import CostTable
from nas.network import build_network
from nas.plugins import load_plugins
from nas.registry import Origin


class Ghost(nn.Module):
    """Half of the channels by a convolution, the other half by a cheap operation on them; slices and cat."""

    def __init__(self, io):
        super().__init__()
        self.out = io.out_channels
        self.first = nn.Conv2d(io.in_channels, -(-io.out_channels // 2), 1, io.stride, bias=False)
        self.cheap = nn.Conv2d(self.first.out_channels, self.first.out_channels, 3, 1, 1, groups=self.first.out_channels)
        self.norm, self.act = io.norm(io.out_channels), io.act()

    def forward(self, x):
        first = self.first(x)
        return self.act(self.norm(torch.cat([first, self.cheap(first)], 1)[:, : self.out]))


class Attention(nn.Module):
    """Explicit attention over all places, behind a strided projection; fused where asked."""

    def __init__(self, io, fused):
        super().__init__()
        self.fused = fused
        self.to_rows = nn.Conv2d(io.in_channels, 3 * io.out_channels, 1, io.stride)
        self.norm = nn.LayerNorm(io.out_channels)

    def forward(self, x):
        y = self.to_rows(x)
        q, k, v = y.flatten(2).transpose(1, 2).chunk(3, -1)
        mixed = F.scaled_dot_product_attention(q, k, v) if self.fused else torch.softmax(q @ k.transpose(1, 2), -1) @ v
        return self.norm(mixed).transpose(1, 2).reshape(y.shape[0], -1, *y.shape[2:])


class Refused(nn.Module):
    """What the rules do not know: padding by name, einsum, a result that is not used."""

    def __init__(self, io):
        super().__init__()
        self.same = nn.Conv2d(io.in_channels, io.in_channels, 3, padding="same", bias=False)
        self.unused = nn.Conv2d(io.in_channels, 2, 1)
        self.mix = nn.Parameter(torch.ones(io.out_channels, io.in_channels))
        self.stride = io.stride

    def forward(self, x):
        self.unused(x)
        return torch.einsum("bchw,oc->bohw", self.same(x), self.mix)[:, :, :: self.stride, :: self.stride]


def registry() -> BlockRegistry:
    blocks = BlockRegistry()
    builtin = load_plugins().blocks
    for name in ("conv", "mbconv", "fused_mbconv", "depthwise_separable"):
        blocks.add(builtin[name], builtin.origin(name))
    theirs = Origin("theirs.py", "0" * 12)
    blocks.add(BlockSpec("ghost", 1, Ghost), theirs)
    blocks.add(BlockSpec("attention_rows", 1, Attention, {"fused": (False, True)}), theirs)
    blocks.add(BlockSpec("refused", 1, Refused), theirs)
    return blocks


BLOCKS = registry()
TABLE = CostTable()
"""Shared by all examples: a wrong key would give one network another one's cost."""

PARAMS = {
    "conv": {"kernel": st.sampled_from([1, 3, "1x5"])},
    "depthwise_separable": {"kernel": st.sampled_from([3, 5])},
    "mbconv": {"kernel": st.sampled_from([3, 5, "7x3"]), "expand": st.sampled_from([1, 2, 2.5]),
               "se": st.sampled_from([0, 0.5]), "attention": st.sampled_from(["se", "hard_se", "ese", "eca", "scse"])},
    "fused_mbconv": {"expand": st.sampled_from([1, 3]), "se": st.sampled_from([0, 0.25])},
    "ghost": {},
    "attention_rows": {"fused": st.booleans()},
    "refused": {},
}


@st.composite
def stages(draw, names) -> Stage:
    name = draw(st.sampled_from(names))
    params = Params({key: draw(choices) for key, choices in PARAMS[name].items()})
    channels, stride = draw(st.sampled_from([8, 12, 16])), draw(st.sampled_from([1, 2]))
    return Stage(name, 1, draw(st.integers(1, 3)), channels, stride, params)


@st.composite
def architectures(draw, names) -> Architecture:
    arch = Architecture(
        input_shape=(draw(st.sampled_from([1, 3])), draw(st.integers(32, 45)), draw(st.integers(32, 45))),
        stages=tuple(draw(st.lists(stages(names), min_size=1, max_size=3))),
        stem=Stem(draw(st.sampled_from([8, 12])), draw(st.sampled_from([3, 5])), draw(st.sampled_from([1, 2])),
                  draw(st.booleans()), draw(st.sampled_from(["silu", "relu6"]))),
        head=Head(draw(st.sampled_from([0, 16])), draw(st.sampled_from([0, 24])), draw(st.sampled_from([0, 0.2]))),
        classes=7,
        act=draw(st.sampled_from(["silu", "hardswish", "gelu"])),
    )
    return canonicalise(arch, BLOCKS)


def by_counters(network: nn.Module, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """flops and activations by fvcore, multiply-accumulates by torch."""
    image = torch.zeros(1, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

        counted = [
            analysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
            for analysis in (FlopCountAnalysis, ActivationCountAnalysis)
        ]
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(image)
    return counted[0], counted[1], counter.get_total_flops() // 2


def check(arch: Architecture):
    cost = count_architecture(arch, BLOCKS, TABLE)
    network = build_network(arch, BLOCKS, seed=0).eval()
    assert (cost.flops, cost.activations, cost.macs) == by_counters(network, arch.input_shape)
    assert cost.params == sum(weight.numel() for weight in network.parameters())
    whole = count_module(network, arch.input_shape)
    assert (cost.receptive_field, cost.output_stride) == (whole.receptive_field, whole.output_stride)
    return cost


KNOWN = ["conv", "mbconv", "fused_mbconv", "depthwise_separable", "ghost"]
quietly = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@quietly
@given(architectures(KNOWN))
def test_the_sum_over_blocks_is_the_count_of_the_network(arch):
    cost = check(arch)
    assert set(cost.unsupported_ops) <= {"aten::max_pool2d"}


@quietly
@given(architectures(["mbconv", "attention_rows", "refused"]))
def test_so_it_is_with_blocks_that_must_be_traced(arch):
    cost = check(arch)
    names = {stage.block for stage in arch.stages}
    fused = any(stage.params.get("fused") for stage in arch.stages)
    told = any(name.startswith("macs: fvcore") for name in cost.unsupported_ops)
    assert told == ("refused" in names or fused)


@pytest.mark.parametrize("drop_path", [0.0, 0.9])
def test_drop_path_is_no_part_of_a_cost(drop_path):
    arch = canonicalise(Architecture((3, 32, 32), (Stage("mbconv", 1, 3, 24, 1),), drop_path=drop_path), BLOCKS)
    assert check(arch).flops == count_architecture(arch, BLOCKS, CostTable()).flops
