"""mbconv and fused_mbconv: their layers, residual, drop path and canonical parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn


def layers(block: nn.Module) -> list[str]:
    return [name for name, _ in block.named_children()]


def parameters(block: nn.Module) -> int:
    return sum(weight.numel() for weight in block.parameters())


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("mbconv", {"expand": 4}, ["expand", "depthwise", "project"]),
        ("mbconv", {"expand": 1}, ["depthwise", "project"]),
        ("mbconv", {"expand": 6, "se": 0.25}, ["expand", "depthwise", "se", "project"]),
        ("mbconv", {"expand": 1, "se": 0.25, "attention": "eca"}, ["depthwise", "eca", "project"]),
        ("fused_mbconv", {"expand": 4}, ["fused", "project"]),
        ("fused_mbconv", {"expand": 1}, ["fused"]),
        ("fused_mbconv", {"expand": 4, "se": 0.25}, ["fused", "se", "project"]),
        ("fused_mbconv", {"expand": 1, "se": 0.25}, ["fused", "se"]),
    ],
)
def test_layers_in_order(name, params, expected, make, place):
    assert layers(make(name, place(), **params)) == expected


@pytest.mark.parametrize(
    ("name", "params", "count"),
    [
        # 8 channels in, 16 out, kernel 3: convolution weights, then 2 per channel of each norm.
        ("mbconv", {"expand": 4}, 8 * 32 + 32 * 9 + 32 * 16 + 2 * (32 + 32 + 16)),
        ("mbconv", {"expand": 1}, 8 * 9 + 8 * 16 + 2 * (8 + 16)),
        ("mbconv", {"expand": 1.5}, 8 * 12 + 12 * 9 + 12 * 16 + 2 * (12 + 12 + 16)),
        ("fused_mbconv", {"expand": 4}, 8 * 32 * 9 + 32 * 16 + 2 * (32 + 16)),
        ("fused_mbconv", {"expand": 1}, 8 * 16 * 9 + 2 * 16),
        ("fused_mbconv", {"expand": 0.5}, 8 * 4 * 9 + 4 * 16 + 2 * (4 + 16)),
        # the squeeze is 2, a quarter of the 8 channels that come in, whatever the width inside
        ("mbconv", {"expand": 1, "se": 0.25}, 8 * 9 + 8 * 16 + 2 * (8 + 16) + (8 * 2 + 2) + (2 * 8 + 8)),
        ("fused_mbconv", {"expand": 1, "se": 0.25}, 8 * 16 * 9 + 2 * 16 + (16 * 2 + 2) + (2 * 16 + 16)),
    ],
)
def test_parameters_counted_by_hand(name, params, count, make, place):
    assert parameters(make(name, place(8, 16), **params)) == count


def test_hidden_width_is_rounded_not_cut(make, place):
    assert make("mbconv", place(10, 10), expand=1.19).expand.conv.out_channels == 12


def test_projection_has_no_activation_but_a_single_fused_convolution_has(make, place):
    assert layers(make("mbconv", place()).project) == ["conv", "norm"]
    assert layers(make("fused_mbconv", place()).project) == ["conv", "norm"]
    assert layers(make("fused_mbconv", place(), expand=1).fused) == ["conv", "norm", "act"]


def test_own_activation_replaces_the_network_s_everywhere(make, place):
    block = make("mbconv", place(act="relu"), act="hardswish")
    assert isinstance(block.expand.act, nn.Hardswish)
    assert isinstance(block.depthwise.act, nn.Hardswish)


@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
@pytest.mark.parametrize(("at", "residual"), [((8, 8, 1), True), ((8, 8, 2), False), ((8, 16, 1), False)])
def test_residual_only_at_stride_1_and_equal_channels(name, at, residual, make, place):
    block = make(name, place(*at), expand=1).eval()
    x = torch.randn(2, 8, 6, 6)
    straight = nn.Sequential(*block.children())(x)
    torch.testing.assert_close(block(x), x + straight if residual else straight)


@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
def test_drop_path_zeroes_rows_of_the_residual_branch_and_scales_the_others(name, make, place):
    block = make(name, place(drop_path=0.5)).train()
    x = torch.randn(1, 8, 5, 5).repeat(64, 1, 1, 1)  # equal rows: batch norm gives each the same branch
    branch = nn.Sequential(*block.children())(x)
    torch.manual_seed(0)
    added = block(x) - x
    dropped = added.flatten(1).abs().amax(1) == 0
    assert 0 < int(dropped.sum()) < 64
    torch.testing.assert_close(added[~dropped], 2 * branch[~dropped], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
def test_drop_path_is_off_in_evaluation(name, make, place):
    block = make(name, place(drop_path=0.9)).eval()
    x = torch.randn(4, 8, 5, 5)
    torch.testing.assert_close(block(x), x + nn.Sequential(*block.children())(x))


def test_drop_path_leaves_a_block_without_residual_whole(make, place):
    block = make("mbconv", place(8, 16, drop_path=0.9)).train()
    x = torch.randn(16, 8, 5, 5)
    torch.testing.assert_close(block(x), nn.Sequential(*block.children())(x))


def test_state_dict_is_readable(make, place):
    names = list(make("mbconv", place(), se=0.25).state_dict())
    assert names[0] == "expand.conv.weight"
    assert [name for name in names if name.startswith("se.")] == [
        "se.reduce.weight", "se.reduce.bias", "se.expand.weight", "se.expand.bias",
    ]


@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
@pytest.mark.parametrize(
    ("params", "effective"),
    [
        ({"se": 0, "attention": "eca"}, {"se": 0, "attention": "se"}),
        ({"se": 0.25, "attention": "eca"}, {"se": 1, "attention": "eca"}),
        ({"se": 0.5, "attention": "ese"}, {"se": 1, "attention": "ese"}),
        ({"se": 0.25, "attention": "scse"}, {"se": 0.25, "attention": "scse"}),
        ({"act": "silu"}, {"act": None}),
        ({"act": "relu"}, {"act": "relu"}),
    ],
)
def test_canonical_drops_what_has_no_effect(name, params, effective, blocks, place):
    spec = blocks[name]
    canonical = spec.complete(spec.canonical(place(), spec.complete(params)))
    assert {key: canonical[key] for key in effective} == effective


@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
def test_defaults(name, blocks):
    assert dict(blocks[name].defaults) == {"kernel": 3, "expand": 4, "se": 0, "attention": "se", "act": None}
