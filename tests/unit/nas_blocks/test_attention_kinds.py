"""The kinds of attention, each against its definition written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  # its usual name

from nas_blocks.attention import KINDS, attention, eca_kernel

CHANNELS, SQUEEZE = 16, 2


@pytest.fixture
def x():
    return torch.randn(2, CHANNELS, 5, 7, generator=torch.Generator().manual_seed(0))


def linear(layer, pooled):
    return pooled @ layer.weight.flatten(1).T + layer.bias


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("se", (16 * 2 + 2) + (2 * 16 + 16)),
        ("hard_se", (16 * 2 + 2) + (2 * 16 + 16)),
        ("ese", 16 * 16 + 16),
        ("eca", 3),
        ("scse", (16 * 2 + 2) + (2 * 16 + 16) + (16 + 1)),
    ],
)
def test_parameters_counted_by_hand(kind, count):
    assert sum(weight.numel() for weight in attention(kind, CHANNELS, SQUEEZE).parameters()) == count


def test_se_is_silu_then_sigmoid(x):
    block = attention("se", CHANNELS, SQUEEZE)
    scale = torch.sigmoid(linear(block.expand, F.silu(linear(block.reduce, x.mean((2, 3))))))
    torch.testing.assert_close(block(x), x * scale[:, :, None, None])


def test_hard_se_is_relu_then_hard_sigmoid(x):
    block = attention("hard_se", CHANNELS, SQUEEZE)
    scale = F.hardsigmoid(linear(block.expand, F.relu(linear(block.reduce, x.mean((2, 3))))))
    torch.testing.assert_close(block(x), x * scale[:, :, None, None])


def test_ese_is_one_full_linear_layer_then_hard_sigmoid(x):
    block = attention("ese", CHANNELS, SQUEEZE)
    scale = F.hardsigmoid(linear(block.excite, x.mean((2, 3))))
    torch.testing.assert_close(block(x), x * scale[:, :, None, None])


def test_eca_mixes_neighbouring_channels(x):
    block = attention("eca", CHANNELS, SQUEEZE)
    left, centre, right = block.mix.weight.flatten()
    padded = F.pad(x.mean((2, 3)), (1, 1))
    scale = torch.sigmoid(left * padded[:, :-2] + centre * padded[:, 1:-1] + right * padded[:, 2:])
    torch.testing.assert_close(block(x), x * scale[:, :, None, None])


def test_scse_adds_the_scaling_of_channels_and_of_places(x):
    block = attention("scse", CHANNELS, SQUEEZE)
    channel = torch.sigmoid(linear(block.expand, F.relu(linear(block.reduce, x.mean((2, 3))))))
    spatial = torch.sigmoid(torch.einsum("bchw,c->bhw", x, block.spatial.weight.flatten()) + block.spatial.bias)
    torch.testing.assert_close(block(x), x * channel[:, :, None, None] + x * spatial[:, None])


@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (8, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)])
def test_eca_kernel_grows_with_the_logarithm_of_the_channels(channels, kernel):
    assert eca_kernel(channels) == kernel


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mbconv", "fused_mbconv"])
def test_every_kind_lives_in_both_blocks_under_its_own_name(kind, name, make, place):
    block = make(name, place(), se=0.25, attention=kind)
    assert isinstance(getattr(block, kind), KINDS[kind])
    assert block(torch.zeros(2, 8, 4, 4)).shape == (2, 8, 4, 4)
