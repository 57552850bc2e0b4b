"""conv, pointwise, depthwise, depthwise_separable: what they are made of, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn


def convolution_weights(block: nn.Module) -> int:
    return sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    ("name", "params", "weights"),
    [
        ("conv", {}, 4 * 4 * 9),
        ("conv", {"kernel": "1x7"}, 4 * 4 * 7),
        ("conv", {"groups": 2}, 4 * 2 * 9),
        ("pointwise", {}, 4 * 4),
        ("depthwise", {}, 4 * 9),
        ("depthwise", {"kernel": 5}, 4 * 25),
        ("depthwise", {"groups": 2}, 4 * 2 * 9),
        ("depthwise_separable", {}, 4 * 9 + 4 * 4),
    ],
)
def test_weights_at_four_channels_counted_by_hand(name, params, weights, make, place):
    assert convolution_weights(make(name, place(4, 4), **params)) == weights


def test_depthwise_separable_has_52_weights_where_conv_has_144(make, place):
    assert convolution_weights(make("depthwise_separable", place(4, 4))) == 52
    assert convolution_weights(make("conv", place(4, 4))) == 144


def test_depthwise_gives_a_multiple_of_its_channels(make, place):
    block = make("depthwise", place(4, 12))
    assert convolution_weights(block) == 12 * 9
    assert block(torch.zeros(1, 4, 5, 5)).shape == (1, 12, 5, 5)


def test_layers_are_convolution_norm_activation_by_name(make, place):
    block = make("conv", place(4, 4))
    assert [name for name, _ in block.named_children()] == ["conv", "norm", "act"]
    assert isinstance(block.norm, nn.BatchNorm2d)
    assert (block.norm.eps, block.norm.momentum) == (1e-3, 0.1)
    assert isinstance(block.act, nn.SiLU)


def test_the_network_s_activation_is_used_unless_the_block_names_its_own(make, place):
    io = place(act="relu6")
    assert isinstance(make("conv", io).act, nn.ReLU6)
    assert isinstance(make("conv", io, act="mish").act, nn.Mish)
    separable = make("depthwise_separable", io, act="gelu")
    assert isinstance(separable.depthwise.act, nn.GELU)
    assert isinstance(separable.pointwise.act, nn.GELU)


@pytest.mark.parametrize("name", ["conv", "depthwise"])
def test_bias_is_there_where_it_is_asked_for(name, make, place):
    assert make(name, place()).conv.bias is None
    assert make(name, place(), bias=True).conv.bias.shape == (8,)


def test_convolution_parameters_reach_the_convolution(make, place):
    conv = make("conv", place(8, 16, 2), kernel="3x5", dilation=2, groups=4, padding_mode="reflect").conv
    assert (conv.kernel_size, conv.dilation, conv.groups, conv.stride) == ((3, 5), (2, 2), 4, (2, 2))
    assert (conv.padding, conv.padding_mode) == ((2, 4), "reflect")


def test_padding_as_a_number_is_that_number(make, place):
    assert make("conv", place(), kernel=5, padding=2).conv.padding == (2, 2)


def test_stride_of_a_separable_block_is_in_its_depthwise_half(make, place):
    block = make("depthwise_separable", place(8, 16, 2))
    assert block.depthwise.conv.stride == (2, 2)
    assert block.pointwise.conv.stride == (1, 1)


@pytest.mark.parametrize("name", ["conv", "depthwise"])
@pytest.mark.parametrize(
    ("params", "effective"),
    [
        ({"padding": 1}, {"padding": "same"}),
        ({"kernel": 1, "dilation": 3, "padding_mode": "circular"}, {"dilation": 1, "padding_mode": "zeros"}),
        ({"kernel": 3, "dilation": 3, "padding_mode": "circular"}, {"dilation": 3, "padding_mode": "circular"}),
        ({"act": "silu"}, {"act": None}),
        ({"act": "relu"}, {"act": "relu"}),
        ({"bias": True}, {"bias": True}),
    ],
)
def test_canonical_drops_what_has_no_effect(name, params, effective, blocks, place):
    spec = blocks[name]
    canonical = spec.complete(spec.canonical(place(), spec.complete(params)))
    assert {key: canonical[key] for key in effective} == effective


def test_groups_of_a_single_channel_are_what_depthwise_has_anyway(blocks, place):
    spec = blocks["depthwise"]
    assert "groups" not in spec.canonical(place(8, 8), spec.complete({"groups": 8}))
    assert spec.canonical(place(8, 8), spec.complete({"groups": 4}))["groups"] == 4
