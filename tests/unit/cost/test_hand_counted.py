"""Tiny networks, each count written out by hand: what a multiply-accumulate, a FLOP and an activation are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

import nas
from nas.arch import Architecture, Head, Stage, Stem
from nas.canonical import canonicalise
from nas.choices import Params
from nas.cost.count import count_architecture, count_module
from nas.cost.table import CostTable
from nas.errors import SpecError

IMAGE = (4, 6, 10)
"""4 channels, 6 x 10 = 60 places."""


def test_convolution_multiplies_each_weight_once_for_each_place_of_its_output():
    cost = count_module(nn.Conv2d(4, 8, 3, stride=2, padding=1), IMAGE)
    places = 3 * 5
    assert cost.params == 8 * 4 * 9 + 8
    assert cost.macs == cost.flops == 8 * 4 * 9 * places
    assert cost.activations == 8 * places
    assert cost.unsupported_ops == ()


def test_groups_divide_the_weights():
    cost = count_module(nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False), IMAGE)
    assert cost.params == 8 * 1 * 9
    assert cost.macs == 8 * 1 * 9 * 60


def test_transposed_convolution_multiplies_for_each_place_of_its_input():
    cost = count_module(nn.ConvTranspose2d(4, 2, 2, stride=2, bias=False), IMAGE)
    assert cost.macs == 4 * 2 * 4 * 60
    assert cost.activations == 2 * 12 * 20


def test_batch_norm_is_two_flops_an_element_and_no_multiply_accumulate():
    cost = count_module(nn.BatchNorm2d(4), IMAGE)
    assert (cost.params, cost.macs, cost.activations) == (8, 0, 0)
    assert cost.flops == 2 * 4 * 60


def test_adaptive_average_pool_is_one_flop_an_element_of_its_input():
    cost = count_module(nn.AdaptiveAvgPool2d(1), IMAGE)
    assert (cost.macs, cost.flops, cost.activations) == (0, 4 * 60, 0)


def test_activations_of_a_network_count_nothing():
    cost = count_module(nn.Sequential(nn.SiLU(), nn.Sigmoid(), nn.Hardswish(), nn.GELU(), nn.ReLU6()), IMAGE)
    assert (cost.params, cost.macs, cost.flops, cost.activations, cost.unsupported_ops) == (0, 0, 0, 0, ())


def test_linear_multiplies_inputs_by_outputs_in_each_row():
    cost = count_module(nn.Linear(10, 5), IMAGE)
    assert cost.params == 10 * 5 + 5
    assert cost.macs == cost.flops == 4 * 6 * 10 * 5
    assert cost.activations == 4 * 6 * 5


def test_matrix_product(calls):
    cost = count_module(calls(lambda _, x: x @ x.transpose(-1, -2)), IMAGE)
    assert cost.macs == cost.flops == 4 * 6 * 10 * 6
    assert cost.activations == 4 * 6 * 6


TINY = Architecture(
    input_shape=(3, 16, 16),
    stages=(Stage("conv", 1, 3, 4, 2, Params({"kernel": 3})),),
    stem=Stem(channels=2, kernel=3, stride=2),
    head=Head(channels=0, dropout=0.0),
    classes=5,
)


def test_an_architecture_is_the_sum_of_stem_blocks_and_head(blocks):
    cost = count_architecture(canonicalise(TINY, blocks), blocks, CostTable())
    stem = 2 * 3 * 9 * 64  # at 8 x 8
    first, others = 4 * 2 * 9 * 16, 2 * (4 * 4 * 9 * 16)  # at 4 x 4
    head = 4 * 5
    assert cost.macs == stem + first + others + head
    assert cost.activations == 2 * 64 + 3 * (4 * 16) + 5
    norms_and_pool = 2 * (2 * 64) + 3 * 2 * (4 * 16) + 4 * 16
    assert cost.flops == cost.macs + norms_and_pool
    assert cost.params == (2 * 3 * 9 + 4) + (4 * 2 * 9 + 8) + 2 * (4 * 4 * 9 + 8) + (4 * 5 + 5)
    assert cost.output_stride == 4
    assert cost.receptive_field == "23x23"  # 3, + 2 x 2, + 2 x 4, + 2 x 4
    assert cost.unsupported_ops == ()


def test_count_takes_an_architecture_its_text_or_a_name():
    assert nas.count(TINY) == nas.count(TINY.text)
    assert nas.count("mobilenet_v2").params == 3_504_872


def test_drop_path_and_dropout_cost_nothing():
    there = replace(TINY, drop_path=0.5, head=replace(TINY.head, dropout=0.5))
    assert nas.count(there) == nas.count(replace(TINY, drop_path=0.0))


def test_counting_a_module_leaves_its_mode_and_its_statistics():
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).train()
    net[0].eval()
    count_module(net, IMAGE)
    assert [part.training for part in net.modules()] == [True, False, True]
    assert net[1].num_batches_tracked == 0
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_more_than_ten_billion_parameters_are_refused_before_anything_is_allocated(blocks):
    giant = replace(TINY, stages=(Stage("conv", 1, 1000, 30_000, 2, Params({"kernel": 3})),))
    with pytest.raises(SpecError, match=r"(?s)10,000,000,000.*stages\.0"):
        count_architecture(canonicalise(giant, blocks), blocks, CostTable())
