"""The published figures, and equality with fvcore and torch on whole networks."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.zoo import names

ROWS = [[2, 3, 1, 1, 24, 24, 0, 0], [4, 3, 2, 4, 24, 48, 0, 0], [4, 3, 2, 4, 48, 64, 0, 0], [6, 3, 2, 4, 64, 128, 1, 0.25],
        [9, 3, 1, 6, 128, 160, 1, 0.25], [15, 3, 2, 6, 160, 256, 1, 0.25]]


def test_efficientnet_v2_s_from_its_rows_has_the_published_costs() -> None:
    cost = nas.count(nas.Architecture.from_rows(ROWS))
    assert cost.params == 21_458_488
    assert cost.flops == 8_446_985_216


@pytest.mark.parametrize(("name", "params", "flops"), [
    ("efficientnet_b0", 5_288_548, 401_659_392), ("mobilenet_v2", 3_504_872, 314_193_216),
    ("resnet50", 25_557_032, 4_111_512_576),
])
def test_published_costs(name: str, params: int, flops: int) -> None:
    cost = nas.count(name)
    assert (cost.params, cost.flops) == (params, flops)


@pytest.mark.parametrize("name", [name for name in names() if name not in ("efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l")])
def test_the_sum_over_blocks_is_the_count_of_the_whole_network(name: str) -> None:
    arch = replace(nas.load(name), input_shape=(3, 64, 64))
    network, image = nas.build(arch).eval(), torch.zeros(1, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

        flops = FlopCountAnalysis(network, image).unsupported_ops_warnings(False).total()
        activations = ActivationCountAnalysis(network, image).unsupported_ops_warnings(False).total()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    cost = nas.count(arch)
    assert cost.flops == flops
    assert cost.activations == activations
    assert cost.macs == counter.get_total_flops() / 2
    pooled = ("aten::max_pool2d",) if name.startswith("resnet") else ()  # fvcore counts no max pool
    assert cost.unsupported_ops == pooled
