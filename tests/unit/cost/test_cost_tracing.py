"""The road for what the rules do not know: real tensors, fvcore and FlopCounterMode, and nothing else left changed."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

import nas
from nas.blocks import BlockRegistry, BlockSpec
from nas.cost import module as counting
from nas.cost.count import count_architecture, count_module
from nas.cost.module import count_block
from nas.cost.table import CostTable
from nas.errors import BlockError, SpecError
from nas.registry import Origin

IMAGE = (8, 6, 6)
PLACES = 36


@torch.library.custom_op("nas_tests::pointwise", mutates_args=())
def pointwise(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, weight)


@pointwise.register_fake
def _(x, weight):
    return x.new_empty(x.shape[0], weight.shape[0], *x.shape[2:])


def test_a_block_that_fails_on_the_meta_device_is_counted_on_real_tensors(calls):
    module = calls(lambda m, x: m.conv(x) * float(x.sum() < torch.inf), conv=nn.Conv2d(8, 8, 3, padding=1, bias=False))
    cost = count_module(module, IMAGE)
    assert cost.macs == cost.flops == 9 * 64 * PLACES
    assert cost.receptive_field == "3x3"
    assert any("Tensor.float" in name for name in cost.unsupported_ops)


def test_a_block_that_does_not_build_on_the_meta_device_is_counted_on_real_tensors():
    rates = []

    def build():
        rates.append([float(rate) for rate in torch.linspace(0, 1, 3).tolist()])
        return nn.Conv2d(8, 8, 1, bias=False)

    cost = count_block("theirs", build, IMAGE)
    assert cost.macs == 64 * PLACES
    assert rates == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("where", ["build", "forward"])
def test_a_block_that_would_end_the_process_cannot_be_counted(calls, where):
    def ends(*_: object) -> None:
        raise SystemExit(0)

    build = ends if where == "build" else lambda: calls(lambda m, x: ends())
    with pytest.raises(BlockError, match="theirs: cannot be counted, it raises SystemExit: 0"):
        count_block("theirs", build, IMAGE)


def test_a_scripted_module_s_operations_are_counted_and_followed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.ReLU()))
    cost = count_module(nn.Sequential(scripted, nn.Conv2d(8, 8, 1, bias=False)), IMAGE)
    assert cost.macs == 9 * 64 * PLACES + 64 * PLACES
    assert cost.receptive_field == "3x3"


def test_an_operator_of_a_library_is_named(calls):
    module = calls(lambda m, x: torch.ops.nas_tests.pointwise(x, m.weight), weight=nn.Parameter(torch.ones(8, 8, 1, 1)))
    assert any("pointwise" in name for name in count_module(module, IMAGE).unsupported_ops)


def test_recurrent_layers_are_named_and_see_the_whole_map(calls):
    module = calls(lambda m, x: m.lstm(x.flatten(2).transpose(1, 2))[0], lstm=nn.LSTM(8, 8, batch_first=True))
    cost = count_module(module, IMAGE)
    assert "aten::lstm" in cost.unsupported_ops
    assert any(name.endswith("lstm") for name in cost.global_ops)


def test_values_that_leave_torch_are_named(calls):
    cost = count_module(calls(lambda _, x: torch.from_numpy(x.detach().numpy() * 2)), IMAGE)
    assert any("Tensor.numpy" in name for name in cost.unsupported_ops)


def test_a_product_that_fvcore_s_rule_fails_on_is_named(calls):
    module = calls(lambda m, x: x.permute(0, 2, 3, 1) @ m.vector, vector=nn.Parameter(torch.ones(8)))
    assert any("FlopCountAnalysis: fails with IndexError" in name for name in count_module(module, IMAGE).unsupported_ops)


def test_a_loop_and_a_weight_used_twice_count_each_use(calls):
    def loop(module, x):
        for _ in range(5):
            x = module.conv(x)
        return x

    cost = count_module(calls(loop, conv=nn.Conv2d(8, 8, 3, padding=1, bias=False)), IMAGE)
    assert (cost.params, cost.macs, cost.receptive_field) == (9 * 64, 5 * 9 * 64 * PLACES, "11x11")


def test_lazy_layers_are_counted_once_they_have_their_weights():
    cost = count_module(nn.Sequential(nn.LazyConv2d(4, 1, bias=False)), IMAGE)
    assert (cost.params, cost.macs) == (32, 32 * PLACES)


def test_einsum_is_counted_to_the_last_multiply_accumulate(calls):
    def mix(module, x):
        return torch.einsum("bchw,oc->bohw", x, module.weight)

    cost = count_module(calls(mix, weight=nn.Parameter(torch.ones(1237, 8))), (8, 31, 29))
    assert cost.macs == 1237 * 8 * 31 * 29


@pytest.mark.parametrize("block", [
    lambda: nn.Conv2d(8, 8, 3, padding=1),
    lambda: nn.Conv2d(8, 8, 3, padding="same"),
], ids=["on the meta device", "on real tensors"])
def test_counting_leaves_random_numbers_warnings_and_the_module_as_they_are(block):
    net = nn.Sequential(block(), nn.BatchNorm2d(8), nn.Dropout(0.5)).train()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        count_module(net, IMAGE)
        count_block("theirs", block, IMAGE)
    assert seen == []
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    assert all(part.training and not part._forward_hooks and not part._forward_pre_hooks for part in net.modules())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("padding", [1, "same"])
def test_the_caller_s_gradient_mode_changes_nothing(mode, padding):
    net = nn.Sequential(nn.Conv2d(8, 8, 3, padding=padding), nn.SiLU(), nn.AdaptiveAvgPool2d(1))
    with mode():
        inside = count_module(net, IMAGE)
    assert inside == count_module(net, IMAGE)


def test_half_precision_networks_are_counted():
    assert count_module(nn.Conv2d(8, 8, 1, bias=False).half(), IMAGE).macs == 64 * PLACES


def test_global_operations_of_a_network_tell_their_module():
    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Conv2d(8, 8, 1), nn.AdaptiveAvgPool2d(1)))
    assert count_module(net, IMAGE).global_ops == ("body.1: adaptive_avg_pool2d",)


def test_what_is_too_large_is_refused_before_it_is_made(monkeypatch, calls):
    monkeypatch.setattr(counting, "MAX_PARAMETERS", 100)
    with pytest.raises(SpecError, match="576 parameters"):
        count_block("theirs", lambda: nn.Conv2d(8, 8, 3, padding="same", bias=False), IMAGE)
    assert count_block("theirs", lambda: nn.Conv2d(8, 8, 3, padding=1, bias=False), IMAGE).params == 576


def test_a_network_of_terabytes_is_counted_without_making_it_and_refused(blocks):
    stage = nas.Stage("conv", 1, 1, 1_000_000, 1, blocks["conv"].defaults)
    arch = nas.Architecture((3, 512, 512), (stage,), stem=nas.Stem(channels=100_000))
    with pytest.raises(SpecError, match=r"parameters, more than the 10,000,000,000[\s\S]*stages.0"):
        count_architecture(arch, blocks, CostTable())


def test_more_outputs_than_one_are_refused_of_a_block(calls):
    blocks = BlockRegistry()
    blocks.add(BlockSpec("pair", 1, lambda _: calls(lambda _, x: (x, x))), Origin("pair.py", "0"))
    arch = nas.Architecture((3, 16, 16), (nas.Stage("pair", 1, 1, 24, 1),))
    with pytest.raises(BlockError, match="2 tensors"):
        count_architecture(arch, blocks, CostTable())
