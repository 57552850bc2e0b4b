"""What a place of the last feature map sees of the image, and which operations see all of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.arch import Architecture, Stage, Stem
from nas.canonical import canonicalise
from nas.choices import Params
from nas.cost.count import count_architecture, count_module
from nas.cost.table import CostTable

IMAGE = (4, 32, 32)


def conv(kernel, stride: int = 1, dilation: int = 1) -> nn.Module:
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return nn.Conv2d(4, 4, sides, stride, tuple((side - 1) * dilation // 2 for side in sides), dilation)


def field(*layers: nn.Module) -> str:
    return count_module(nn.Sequential(*layers), IMAGE).receptive_field


def test_two_3x3_see_what_one_5x5_sees_and_three_a_7x7():
    assert field(conv(3), conv(3)) == field(conv(5)) == "5x5"
    assert field(conv(3), conv(3), conv(3)) == field(conv(7)) == "7x7"


def test_what_comes_behind_a_stride_sees_further():
    assert field(conv(3, stride=2), conv(3)) == "7x7"  # 3 + 2 x 2
    assert field(conv(3), conv(3, stride=2)) == "5x5"
    assert field(nn.MaxPool2d(2), conv(3)) == "6x6"  # 2 + 2 x 2
    assert count_module(conv(3, stride=2), IMAGE).output_stride == 2


def test_dilation_spreads_a_kernel():
    assert field(conv(3, dilation=2)) == field(conv(5)) == "5x5"


def test_height_and_width_are_apart():
    assert field(conv((1, 7))) == "1x7"
    assert field(conv((1, 7)), conv((5, 1))) == "5x7"


def test_pointwise_norm_and_activation_see_one_pixel():
    assert field(conv(1), nn.BatchNorm2d(4), nn.SiLU()) == "1x1"


def test_branches_count_the_furthest(calls):
    assert field(calls(lambda m, x: m.near(x) + m.far(x), near=conv(3), far=conv(7))) == "7x7"
    assert field(calls(lambda m, x: x + m.near(x), near=conv(3)), conv(3)) == "5x5"
    crossed = calls(lambda m, x: torch.cat([m.wide(x), m.tall(x)], 1), wide=conv((1, 5)), tall=conv((3, 1)))
    assert field(crossed) == "3x5"


def test_a_split_and_a_shuffle_are_followed(calls):
    def half(module, x):
        left, right = x.chunk(2, 1)
        return functional.channel_shuffle(torch.cat([module.conv(left), right], 1), 2)

    assert field(calls(half, conv=nn.Conv2d(2, 2, 5, padding=2))) == "5x5"


def test_up_sampling_halves_the_stride():
    cost = count_module(nn.Sequential(conv(3, stride=2), nn.Upsample(scale_factor=2), conv(3)), IMAGE)
    assert cost.output_stride == 1
    assert cost.receptive_field == "5x5"  # 3, + 2 x 1: nearest up-sampling adds nothing of its own


def test_squeeze_excite_sees_the_whole_map_and_adds_no_local_field(calls):
    def gated(module, x):
        return x * torch.sigmoid(module.mix(functional.adaptive_avg_pool2d(x, 1)))

    cost = count_module(nn.Sequential(conv(3), calls(gated, mix=nn.Conv2d(4, 4, 3, padding=1))), IMAGE)
    assert cost.receptive_field == "3x3"
    assert len(cost.global_ops) == 1
    assert cost.global_ops[0].endswith("adaptive_avg_pool2d")


@pytest.mark.parametrize("function", [
    lambda _, x: x * x.mean((2, 3), keepdim=True),
    lambda _, x: x * x.mean((-2, -1))[:, :, None, None],
    lambda _, x: x.flatten(2).softmax(-1).view_as(x),
    lambda _, x: (x.flatten(2) @ (x.flatten(2).transpose(1, 2) @ x.flatten(2))).view_as(x),
    lambda _, x: torch.fft.fft2(x).real,
    lambda _, x: functional.scaled_dot_product_attention(*[x.flatten(2).mT] * 3).mT.reshape(x.shape),
    lambda _, x: torch.einsum("bchw,bdhw->bcd", x, x).sum((1, 2))[:, None, None, None] * x,
], ids=["mean", "mean of negative axes", "softmax", "attention", "fft", "fused attention", "einsum"])
def test_what_sees_the_whole_map_is_named(calls, function):
    assert count_module(calls(function), IMAGE).global_ops


@pytest.mark.parametrize("function", [
    lambda m, x: m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    lambda _, x: x.softmax(1),
    lambda _, x: x * x.mean(1, keepdim=True),
], ids=["layer norm over channels", "softmax over channels", "mean over channels"])
def test_what_mixes_channels_at_one_place_sees_no_map(calls, function):
    cost = count_module(calls(function, norm=nn.LayerNorm(4)), IMAGE)
    assert cost.global_ops == ()
    assert cost.receptive_field == "1x1"


def test_attention_in_windows_sees_its_window(calls):
    def windows(_, x):
        batch, channels, height, width = x.shape
        cut = x.view(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, channels)
        mixed = (cut @ cut.transpose(1, 2)).softmax(-1) @ cut
        rows = mixed.view(batch, height // 4, width // 4, 4, 4, channels)
        return rows.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)

    cost = count_module(calls(windows), IMAGE)
    assert cost.receptive_field == "4x4"
    assert cost.global_ops == ()


def of(*stages: Stage) -> Architecture:
    return Architecture((3, 64, 64), stages, stem=Stem(channels=8, kernel=3, stride=2))


def counted(arch, blocks):
    return count_architecture(canonicalise(arch, blocks), blocks, CostTable())


def test_stages_of_an_architecture_add_up(blocks):
    arch = of(Stage("conv", 1, 2, 8, 2, Params({"kernel": 3})), Stage("conv", 1, 1, 8, 1, Params({"kernel": "1x7"})))
    cost = counted(arch, blocks)
    assert cost.receptive_field == "15x39"  # 3, + 2 x 2, + 2 x 4 = 15; then 6 x 4 along the width
    assert cost.output_stride == 4


def test_repeats_multiply(blocks):
    stage = Stage("conv", 1, 1, 8, 1, Params({"kernel": 3}))
    again = counted(of(Stage("conv", 1, 5, 8, 1, Params({"kernel": 3}))), blocks)
    one_by_one = counted(of(*[stage] * 5), blocks)
    assert again == one_by_one
    assert again.receptive_field == "23x23"  # 3 + 5 x 2 x 2


def test_global_operations_tell_their_stage_and_the_head_s_pool_is_none(blocks):
    se = Params({"kernel": 3, "expand": 2, "se": 0.25})
    arch = of(Stage("conv", 1, 1, 8, 1), Stage("mbconv", 1, 3, 8, 1, se))
    assert counted(arch, blocks).global_ops == ("stages.1: adaptive_avg_pool2d",)


def test_what_is_written_into_a_tensor_is_followed(calls):
    def delayed(module, x):
        y = torch.zeros_like(x)
        y[:, :, 1:] = module.conv(x)[:, :, :-1]
        return y

    assert field(calls(delayed, conv=conv(3))) == "3x3"
