"""`basic`, `bottleneck`, `inception`, `attention`, `transposed_conv`: counted by hand, and what they compute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import nas
from nas.cost.count import count_module

Make = Callable[..., nn.Module]
Place = Callable[..., nas.BlockIO]

HAND_COUNTED = [
    # two 3x3 convolutions of 4 channels, two norms; over 8 x 8 places
    ("basic", (4, 4, 1), {}, 2 * 144 + 2 * 8, 2 * 144 * 64),
    # 4 -> 8 at stride 2, 8 -> 8, the projection 4 -> 8; three norms; over 4 x 4 places
    ("basic", (4, 8, 2), {}, 288 + 576 + 32 + 3 * 16, (288 + 576 + 32) * 16),
    ("basic", (4, 4, 1), {"groups": 2, "kernel": 5}, 2 * 200 + 2 * 8, 2 * 200 * 64),
    # 16 -> 4, 3x3 of 4, 4 -> 16
    ("bottleneck", (16, 16, 1), {"expand": 0.25}, 64 + 144 + 64 + 8 + 8 + 32, (64 + 144 + 64) * 64),
    # the 1x1 before the stride works at 8 x 8, the rest at 4 x 4
    ("bottleneck", (8, 16, 2), {"expand": 0.5}, 32 + 144 + 64 + 128 + 8 + 8 + 32 + 32, 32 * 64 + (144 + 64 + 128) * 16),
    # 2 channels each for 1x1, 3x3 and 5x5 over 8 that come in, then 6 -> 6
    ("inception", (8, 6, 1), {}, 8 * 2 * (1 + 9 + 25) + 3 * 4 + 36 + 12, (8 * 2 * 35 + 36) * 64),
    ("inception", (8, 5, 2), {"branches": "3,1x7"}, 8 * 3 * 9 + 8 * 2 * 7 + 10 + 25 + 10, (216 + 112 + 25) * 16),
    # four 1x1 of 8 channels with bias and the norm; 64 places look at 64 places, twice
    ("attention", (8, 8, 1), {"heads": 2}, 4 * 72 + 16, 4 * 64 * 64 + 2 * 64 * 64 * 8),
    # 16 places look at 64: queries and output at 4 x 4
    ("attention", (8, 8, 2), {"heads": 2}, 4 * 72 + 16, 2 * 64 * 16 + 2 * 64 * 64 + 2 * 16 * 64 * 8),
    # each of the 8 x 8 places that come in meets every weight once
    ("transposed_conv", (4, 6, 2), {}, 4 * 6 * 9 + 12, 4 * 6 * 9 * 64),
    ("transposed_conv", (4, 6, 1), {"groups": 2, "bias": True}, 4 * 3 * 9 + 6 + 12, 4 * 3 * 9 * 64),
]


@pytest.mark.parametrize(("name", "at", "params", "weights", "macs"), HAND_COUNTED)
def test_parameters_and_macs_are_those_counted_by_hand(
    make: Make, place: Place, name: str, at: tuple[int, int, int], params: dict[str, nas.blocks.Choice], weights: int, macs: int
) -> None:
    block = make(name, place(*at), **params)
    assert sum(weight.numel() for weight in block.parameters()) == weights
    cost = count_module(block, (at[0], 8, 8))
    assert (cost.params, cost.macs) == (weights, macs)


def filled(block: nn.Module) -> nn.Module:
    """With norms that change what goes through them, in eval mode."""
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return block.eval()


def test_a_basic_block_adds_its_input_and_then_activates(make: Make, place: Place) -> None:
    block, x = filled(make("basic", place(8, 8, act="relu"))), torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(block(x), functional.relu(x + block.layers(x)))


def test_the_shortcut_is_a_projection_where_stride_or_channels_change(make: Make, place: Place) -> None:
    for at in ((8, 8, 2), (8, 16, 1)):
        for name in ("basic", "bottleneck"):
            block, x = filled(make(name, place(*at, act="relu"))), torch.randn(2, 8, 6, 6)
            assert next(key for key in block.state_dict() if key.startswith("shortcut")) == "shortcut.conv.weight"
            torch.testing.assert_close(block(x), functional.relu(block.shortcut(x) + block.layers(x)))
    assert not [key for key in make("basic", place(8, 8)).state_dict() if key.startswith("shortcut")]


def test_drop_path_drops_the_layers_of_whole_images_and_keeps_the_shortcut(make: Make, place: Place) -> None:
    block, x = make("basic", place(8, 8, act="identity", drop_path=0.5)), torch.randn(64, 8, 4, 4)
    torch.manual_seed(0)
    y = block.train()(x)
    dropped = [torch.equal(one, other) for one, other in zip(x, y, strict=True)]
    assert 10 < sum(dropped) < 54


def test_inception_shares_the_channels_and_fuses_them(make: Make, place: Place) -> None:
    block, x = filled(make("inception", place(4, 8, act="relu"), branches="1,3,5")), torch.randn(2, 4, 6, 6)
    assert [branch.conv.out_channels for branch in block.branches] == [3, 3, 2]
    parts = torch.cat([branch(x) for branch in block.branches], 1)
    torch.testing.assert_close(block(x), block.fuse(parts))


def test_branches_are_written_in_one_way(blocks, place: Place) -> None:
    spec = blocks["inception"]
    written = spec.canonical(place(8, 8), spec.complete({"branches": " 3x3, 5 ,1x7"}))
    assert written["branches"] == "3,5,1x7"


@pytest.mark.parametrize(
    ("branches", "said"),
    [("", "kernel must be an odd"), ("1,4", "kernel must be an odd"), (3, "must be a text"), ("1,3,5,7,9", "more than 4 output")],
)
def test_branches_that_cannot_be_are_refused(blocks, place: Place, branches: object, said: str) -> None:
    spec = blocks["inception"]
    assert said in spec.check(place(8, 4), {"branches": branches, "act": None})


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_attention_is_the_published_one(make: Make, place: Place, heads: int, stride: int) -> None:
    block, x = filled(make("attention", place(8, 8, stride), heads=heads)), torch.randn(2, 8, 5, 6)
    normed = block.norm(x)

    def by_head(y: torch.Tensor) -> torch.Tensor:
        return y.flatten(2).reshape(2, heads, 8 // heads, -1).transpose(2, 3)

    query = block.query(normed)
    seen = functional.scaled_dot_product_attention(by_head(query), by_head(block.key(normed)), by_head(block.value(normed)))
    y = block.out(seen.transpose(2, 3).reshape(query.shape))
    torch.testing.assert_close(block(x), y if stride == 2 else x + y)


def test_every_place_sees_every_other_in_attention(make: Make, place: Place) -> None:
    block, x = filled(make("attention", place(4, 4), heads=2)), torch.randn(1, 4, 6, 6)
    changed = x.clone()
    changed[..., 5, 5] += 1
    assert ((block(x) - block(changed)).abs().amax(dim=1) > 0).all()


def test_heads_must_divide_the_channels(blocks, place: Place) -> None:
    assert "heads 3 does not divide the 8 output channels" in blocks["attention"].check(place(8, 8), {"heads": 3})


def test_a_transposed_convolution_doubles_the_map_exactly(make: Make, place: Place) -> None:
    for kernel in (1, 3, "5x1"):
        block = make("transposed_conv", place(3, 4, 2), kernel=kernel).eval()
        assert block(torch.zeros(1, 3, 5, 7)).shape == (1, 4, 10, 14)
