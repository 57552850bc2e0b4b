"""A block may use anything: its counts are exact, or what is uncertain is named. Nothing is missed silently."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.arch import Architecture, Stage, Stem
from nas.blocks import BlockRegistry, BlockSpec
from nas.canonical import canonicalise
from nas.cost.count import count_architecture, count_module
from nas.cost.result import Cost
from nas.cost.table import CostTable
from nas.errors import BlockError
from nas.registry import Origin

IMAGE = (8, 16, 16)
PLACES = 256


def named(cost: Cost, *parts: str) -> bool:
    return any(all(part in name for part in parts) for name in cost.unsupported_ops)


@pytest.mark.parametrize(("module", "kind"), [
    (nn.MaxPool2d(2), "aten::max_pool2d"),
    (nn.Softmax(1), "aten::softmax"),
    (nn.AdaptiveMaxPool2d(1), "aten::adaptive_max_pool2d"),
], ids=["max pool", "softmax", "adaptive max pool"])
def test_what_computes_and_no_counter_knows_is_named(module, kind):
    assert kind in count_module(module, IMAGE).unsupported_ops


def test_a_mean_and_a_fourier_transform_are_named(calls):
    assert "aten::mean" in count_module(calls(lambda _, x: x.mean((2, 3))), IMAGE).unsupported_ops
    assert "aten::fft_fft2" in count_module(calls(lambda _, x: torch.fft.fft2(x).real), IMAGE).unsupported_ops


def test_where_the_two_counters_disagree_both_figures_are_told_and_macs_is_the_larger(calls):
    def fused(_, x):
        rows = x.flatten(2).transpose(1, 2)
        return functional.scaled_dot_product_attention(rows, rows, rows)

    cost = count_module(calls(fused), IMAGE)
    products = 2 * PLACES * PLACES * 8
    assert cost.macs == products
    assert cost.flops == 0, "fvcore's own total, which counts none of it"
    assert named(cost, "fvcore 0", f"FlopCounterMode/2 {products}")
    assert "aten::scaled_dot_product_attention" in cost.unsupported_ops


def test_multi_head_attention_counts_projections_and_products(calls):
    def attend(module, x):
        rows = x.flatten(2).transpose(1, 2)
        return module.attention(rows, rows, rows)[0]

    cost = count_module(calls(attend, attention=nn.MultiheadAttention(8, 2, batch_first=True)), IMAGE)
    assert cost.macs == 4 * PLACES * 8 * 8 + 2 * PLACES * PLACES * 8


def test_a_custom_autograd_function_is_not_missed(calls):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(_, x, weight):
            return functional.conv2d(x, weight)

        @staticmethod
        def backward(ctx, grad):
            raise NotImplementedError

    module = calls(lambda m, x: Product.apply(x, m.weight), weight=nn.Parameter(torch.zeros(8, 8, 1, 1)))
    cost = count_module(module, IMAGE)
    assert cost.macs == 64 * PLACES
    assert named(cost, "prim::PythonOp.Product")
    assert named(cost, "macs", str(64 * PLACES))


def test_string_padding_is_not_missed():
    cost = count_module(nn.Conv2d(8, 8, 3, padding="same", bias=False), IMAGE)
    assert cost.macs == 9 * 64 * PLACES
    assert cost.receptive_field == "3x3"
    assert named(cost, "macs", str(9 * 64 * PLACES))


def test_an_operation_whose_result_is_not_used_is_named(calls):
    cost = count_module(calls(lambda m, x: (m.conv(x), x)[1], conv=nn.Conv2d(8, 8, 1)), IMAGE)
    assert cost.flops == 0
    assert named(cost, "macs", str(64 * PLACES))


def test_a_decision_by_values_is_named(calls):
    module = calls(lambda m, x: x if x.sum() > 1e9 else m.conv(x), conv=nn.Conv2d(8, 8, 1))
    cost = count_module(module, IMAGE)
    assert cost.macs == 64 * PLACES
    assert named(cost, "values")


def refuses_to_be_traced(module, x):
    if torch.jit.is_tracing():
        raise RuntimeError("not while tracing")
    return module.conv(torch.einsum("bchw->bchw", x))


def test_what_cannot_be_traced_is_counted_by_torch_and_that_is_named(calls):
    cost = count_module(calls(refuses_to_be_traced, conv=nn.Conv2d(8, 8, 1)), IMAGE)
    assert cost.macs == 64 * PLACES
    assert named(cost, "not while tracing")


def test_what_does_not_run_at_all_is_a_block_error_that_names_the_cause():
    with pytest.raises(BlockError, match="RuntimeError"):
        count_module(nn.Conv2d(3, 8, 1), IMAGE)


def placed(build) -> tuple[Architecture, BlockRegistry]:
    registry = BlockRegistry()
    registry.add(BlockSpec("theirs", 1, build), Origin("a test", "0"))
    arch = Architecture((3, 32, 32), (Stage("theirs", 1, 3, 8, 1),), stem=Stem(channels=8))
    return canonicalise(arch, registry), registry


def test_a_block_of_a_network_that_falls_back_is_counted_for_each_repeat():
    same, same_blocks = placed(lambda _: nn.Conv2d(8, 8, 3, padding="same", bias=False))
    plain, plain_blocks = placed(lambda _: nn.Conv2d(8, 8, 3, padding=1, bias=False))
    cost = count_architecture(same, same_blocks, CostTable())
    exact = count_architecture(plain, plain_blocks, CostTable())
    assert (cost.params, cost.macs, cost.receptive_field) == (exact.params, exact.macs, exact.receptive_field)
    assert exact.flops - cost.flops == 3 * 9 * 64 * PLACES
    assert named(cost, "stages.0")
    assert exact.unsupported_ops == ()


def test_a_block_of_the_wrong_shape_is_refused_with_its_place():
    arch, blocks = placed(lambda _: nn.Conv2d(8, 8, 3))
    with pytest.raises(BlockError, match=r"stages\[0\] \(theirs\)"):
        count_architecture(arch, blocks, CostTable())


def test_a_block_that_raises_is_refused_with_its_place(calls):
    def fails(*_):
        raise RuntimeError("no such luck")

    arch, blocks = placed(lambda _: calls(fails))
    with pytest.raises(BlockError, match=r"(?s)stages\[0\] \(theirs\).*no such luck"):
        count_architecture(arch, blocks, CostTable())
