"""From an architecture to a module: names, weights, seeds, shapes, sizes and refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.blocks import BlockRegistry, BlockSpec
from nas.chain import chain
from nas.choices import Params
from nas.errors import BlockError, SpecError
from nas.network import build, build_network, parameters_of, try_block
from nas.plugins import load_plugins
from nas.registry import Origin

SMALL = Architecture(
    input_shape=(3, 32, 32),
    stages=(
        Stage("fused_mbconv", 1, 2, 8, 1, Params({"expand": 1})),
        Stage("mbconv", 1, 3, 16, 2, Params({"expand": 2, "se": 0.25})),
    ),
    stem=Stem(channels=8),
    head=Head(channels=32),
    classes=10,
)


@pytest.fixture(scope="module")
def blocks() -> BlockRegistry:
    return load_plugins().blocks


def registry_with(**builds) -> BlockRegistry:
    """Blocks of these names, each with its build function or its whole spec."""
    registry = BlockRegistry()
    for name, made in builds.items():
        registry.add(made if isinstance(made, BlockSpec) else BlockSpec(name, 1, made), Origin("a test", "0"))
    return registry


def of(block: str, repeats: int = 1, channels: int = 8, stride: int = 1) -> Architecture:
    return replace(SMALL, stages=(Stage(block, 1, repeats, channels, stride),))


def plain(io):
    return nn.Conv2d(io.in_channels, io.out_channels, 3, io.stride, 1)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_state_dict_names_are_readable(blocks):
    weights = [name for name in build_network(SMALL, blocks).state_dict() if name.endswith(("weight", "bias"))]
    assert weights[:3] == ["stem.conv.weight", "stem.norm.weight", "stem.norm.bias"]
    assert "stages.0.1.fused.conv.weight" in weights
    assert "stages.1.2.se.reduce.bias" in weights
    assert weights[-5:] == [
        "head.conv.weight", "head.norm.weight", "head.norm.bias", "head.classifier.weight", "head.classifier.bias",
    ]


def test_logits_have_a_row_an_image_and_a_column_a_class(blocks):
    network = build_network(SMALL, blocks).eval()
    assert network(torch.zeros(4, 3, 32, 32)).shape == (4, 10)
    assert network(torch.zeros(1, 3, 45, 33)).shape == (1, 10)


def test_an_architecture_a_name_and_a_text_build_the_same(blocks):
    by_arch, by_text = build(SMALL, seed=1), build(str(SMALL), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(by_arch.parameters(), by_text.parameters(), strict=True))
    assert count(build("mobilenet_v2", device="meta")) == 3_504_872


def test_no_stage_at_all_is_a_network_too(blocks):
    network = build_network(replace(SMALL, stages=()), blocks)
    assert count(network) == (3 * 8 * 9 + 16) + (8 * 32 + 64) + (32 * 10 + 10)


def test_blocks_that_do_nothing_are_left_out(blocks):
    with_identity = replace(SMALL, stages=(SMALL.stages[0], Stage("identity", 1, 3, 8, 1), SMALL.stages[1]))
    assert str(build_network(with_identity, blocks)) == str(build_network(SMALL, blocks))


# Stem and head


def children(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


def test_stem_and_head_of_the_defaults(blocks):
    network = build_network(SMALL, blocks)
    assert children(network.stem) == ["conv", "norm", "act"]
    assert children(network.head) == ["conv", "norm", "act", "pool", "flatten", "dropout", "classifier"]
    assert network.head.dropout.p == 0.2


def test_pool_halves_the_map_once_more(blocks):
    network = build_network(replace(SMALL, stem=Stem(channels=8, pool=True)), blocks)
    assert children(network.stem) == ["conv", "norm", "act", "pool"]
    assert network.stem(torch.zeros(2, 3, 33, 32)).shape == (2, 8, 9, 8)


def test_stem_of_a_rectangular_kernel(blocks):
    network = build_network(replace(SMALL, stem=Stem(channels=8, kernel="1x7", stride=1)), blocks)
    assert network.stem(torch.zeros(2, 3, 20, 30)).shape == (2, 8, 20, 30)


def test_head_without_projection_and_without_dropout(blocks):
    network = build_network(replace(SMALL, head=Head(channels=0, dropout=0)), blocks)
    assert children(network.head) == ["pool", "flatten", "classifier"]
    assert network.head.classifier.in_features == 16


def test_head_with_a_hidden_layer(blocks):
    network = build_network(replace(SMALL, head=Head(channels=32, hidden=20, act="hardswish")), blocks)
    assert children(network.head)[3:] == ["pool", "flatten", "hidden", "hidden_act", "dropout", "classifier"]
    assert isinstance(network.head.hidden_act, nn.Hardswish)
    assert network.head.classifier.in_features == 20


def test_norm_and_activations_come_from_the_architecture(blocks):
    arch = replace(SMALL, act="relu", norm=Norm(1e-5, 0.01), stem=Stem(channels=8, act="gelu"))
    network = build_network(arch, blocks)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.01)}
    assert isinstance(network.stem.act, nn.GELU)
    assert isinstance(network.stages[0][0].fused.act, nn.ReLU)
    assert isinstance(network.head.act, nn.SiLU)


def test_drop_path_rises_linearly_over_all_blocks(blocks):
    rates = [block.drop_path_rate for stage in build_network(SMALL, blocks).stages for block in stage]
    # the third block has a stride, and so no residual to drop
    assert rates == pytest.approx([0, 0.2 * 1 / 5, 0, 0.2 * 3 / 5, 0.2 * 4 / 5])


# Weights


def test_convolutions_start_kaiming_normal_by_fan_out(blocks):
    arch = replace(SMALL, stages=(Stage("conv", 1, 1, 256, 1), Stage("depthwise", 1, 1, 256, 1, Params({"kernel": 5}))))
    network = build_network(arch, blocks, seed=0)
    for conv in (network.stages[0][0].conv, network.stages[1][0].conv):
        fan_out = conv.out_channels * math.prod(conv.kernel_size)
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)


def test_norms_start_at_1_and_0_and_linear_layers_normal_with_biases_0(blocks):
    network = build_network(replace(SMALL, classes=1000), blocks, seed=0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
        bias = getattr(module, "bias", None)
        assert bias is None or not bias.any()
    assert network.head.classifier.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_a_block_that_initializes_itself_keeps_its_weights():
    def constant(io):
        block = plain(io)
        nn.init.constant_(block.weight, 0.5)
        nn.init.constant_(block.bias, 7)
        return block

    own = registry_with(constant=BlockSpec("constant", 1, constant, initializes_itself=True))
    block = build_network(of("constant"), own).stages[0][0]
    assert bool((block.weight == 0.5).all())
    assert bool((block.bias == 7).all())
    block = build_network(of("constant"), registry_with(constant=constant)).stages[0][0]
    assert not bool((block.weight == 0.5).any())
    assert not block.bias.any()


def test_a_seed_makes_the_weights_and_disturbs_no_generator(blocks):
    before = torch.get_rng_state()
    one, same, other = (build_network(SMALL, blocks, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.stem.conv.weight, other.stem.conv.weight)


def test_without_a_seed_the_global_generator_decides(blocks):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        one = build_network(SMALL, blocks)
        two = build_network(SMALL, blocks)
        torch.manual_seed(5)
        again = build_network(SMALL, blocks)
    assert torch.equal(one.stem.conv.weight, again.stem.conv.weight)
    assert not torch.equal(one.stem.conv.weight, two.stem.conv.weight)


def test_a_default_device_does_not_change_what_a_seed_means(blocks):
    with torch.device("meta"):
        network = build_network(SMALL, blocks, seed=3)
    assert torch.equal(network.stem.conv.weight, build_network(SMALL, blocks, seed=3).stem.conv.weight)


def test_networks_are_built_in_train_mode(blocks):
    assert all(module.training for module in build_network(SMALL, blocks).modules())


def test_on_the_meta_device_nothing_is_allocated(blocks):
    network = build_network(SMALL, blocks, device="meta")
    assert all(weight.is_meta for weight in network.state_dict().values())


# Sizes


@pytest.mark.parametrize("name", ["conv", "pointwise", "depthwise", "depthwise_separable", "mbconv", "fused_mbconv"])
def test_parameters_of_is_the_number_of_the_built_network(name, blocks):
    arch = replace(SMALL, stages=(Stage(name, 1, 3, 16, 2), Stage("identity", 1, 1, 24, 1)))
    assert parameters_of(arch, blocks) == count(build_network(arch, blocks))


def test_counting_builds_each_distinct_block_once():
    places = []

    def spy(io):
        places.append((io.in_channels, io.out_channels, io.stride))
        return plain(io)

    total = parameters_of(of("spy", repeats=1000, channels=16, stride=2), registry_with(spy=spy))
    assert places == [(8, 16, 2), (16, 16, 1)]
    conv = 16 * 9 * 8 + 16, 16 * 9 * 16 + 16
    assert total == (3 * 8 * 9 + 16) + conv[0] + 999 * conv[1] + (16 * 32 + 64) + (32 * 10 + 10)


def test_more_than_10_g_parameters_are_refused_with_the_number_before_anything_is_allocated():
    def never_for_real(io):
        assert torch.get_default_device().type == "meta"
        return plain(io)

    arch = of("wide", repeats=1000, channels=40_000)
    with pytest.raises(SpecError) as caught:
        build_network(arch, registry_with(wide=never_for_real))
    total = (3 * 8 * 9 + 16) + (8 * 9 + 1) * 40_000 + 999 * (40_000 * 9 + 1) * 40_000 + (40_000 * 32 + 64) + 330
    assert f"{total:,} parameters" in str(caught.value)
    assert "10,000,000,000" in str(caught.value)
    assert "stages[0] (wide)" in str(caught.value)


@pytest.mark.parametrize(
    "arch",
    [
        of("conv", channels=1_000_000, repeats=1000),
        replace(of("conv", channels=8), classes=1_000_000, head=Head(channels=1_000_000, hidden=1_000_000)),
        replace(of("conv", channels=8), stem=Stem(channels=1_000_000, kernel=10_001)),
        replace(of("conv"), stages=(Stage("conv", 1, 2, 1_000_000, 1, Params({"kernel": "9999x9999"})),)),
        replace(of("mbconv"), stages=(Stage("mbconv", 1, 2, 1_000_000, 1, Params({"expand": 1})),)),
        replace(of("conv"), stem=Stem(channels=8, kernel=10**30 + 1)),
    ],
)
def test_sizes_past_any_sane_one_are_refused(arch, blocks):
    with pytest.raises(SpecError, match=r"10,000,000,000 (parameters|that are allowed)"):
        build_network(arch, blocks)


# Refusals of blocks


def test_an_unknown_block_is_told_with_its_stage():
    with pytest.raises(BlockError, match=r"stages\[1\] \(mbconw\): unknown block 'mbconw' \(did you mean 'mbconv'\?\)"):
        build(replace(SMALL, stages=(SMALL.stages[0], Stage("mbconw", 1, 1, 8, 1))))


def test_what_a_build_raises_is_told_with_stage_and_shapes():
    def broken(io):
        raise ZeroDivisionError("no channels left")

    with pytest.raises(BlockError) as caught:
        build_network(of("broken", channels=12, stride=2), registry_with(broken=broken))
    assert str(caught.value) == (
        "stages[0] (broken), block 0, stride 2: 8x16x16 to 12x8x8: its build raises ZeroDivisionError: no channels left"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("given", [None, 3, nn.Conv2d, lambda x: x])
def test_a_build_returns_a_module(given):
    with pytest.raises(BlockError, match=r"its build must return a torch\.nn\.Module, got"):
        build_network(of("odd"), registry_with(odd=lambda _io: given))


class Peculiar(BaseException):
    """No Exception."""


ENDS = pytest.mark.parametrize("error", [SystemExit(0), Peculiar("0")], ids=["exit", "peculiar"])


@ENDS
@pytest.mark.parametrize("hook", ["check", "canonical", "noop", "build", "forward", "eval"])
def test_nothing_that_a_block_raises_ends_the_process(hook, error):
    def ends(*_: object, **__: object) -> None:
        raise error

    class Ends(nn.Conv2d):
        forward = ends if hook == "forward" else nn.Conv2d.forward
        train = ends if hook == "eval" else nn.Conv2d.train

    changed = {hook: ends} if hook in ("check", "canonical", "noop", "build") else {}
    spec = replace(BlockSpec("ends", 1, lambda io: Ends(io.in_channels, io.out_channels, 3, io.stride, 1)), **changed)
    with pytest.raises(BlockError, match=rf"stages\[0\] \(ends\).* raises {type(error).__name__}: 0"):
        build_network(of("ends"), registry_with(ends=spec))


def test_ctrl_c_while_a_block_is_tried_is_the_callers():
    def pressed(io):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_network(of("slow"), registry_with(slow=pressed))


def test_what_a_forward_raises_is_told():
    class Broken(nn.Module):
        def forward(self, x):
            return x @ torch.zeros(5, 5)

    with pytest.raises(BlockError, match=r"block 0, .* its forward, tried on the meta device, raises RuntimeError"):
        build_network(of("broken"), registry_with(broken=lambda _io: Broken()))


def test_another_shape_than_expected_names_block_expected_and_got():
    with pytest.raises(BlockError) as caught:
        build_network(
            of("shrinks", repeats=2, channels=8), registry_with(shrinks=lambda io: nn.Conv2d(io.in_channels, 8, 3))
        )
    assert "stages[0] (shrinks), block 0" in str(caught.value)
    assert "into shape (2, 8, 16, 16), got (2, 8, 14, 14)" in str(caught.value)


def test_odd_sizes_are_rounded_up():
    floors = registry_with(floors=lambda io: nn.Conv2d(io.in_channels, io.out_channels, 2, 2))
    build_network(of("floors", stride=2), floors)
    with pytest.raises(BlockError, match=r"\(2, 8, 9, 9\), got \(2, 8, 8, 8\)"):
        build_network(replace(of("floors", stride=2), input_shape=(3, 34, 34)), floors)


def test_only_the_later_blocks_of_a_stage_can_be_wrong_too():
    def second_is_wrong(io):
        return nn.Conv2d(io.in_channels, io.out_channels + (io.in_channels == 12), 1)

    with pytest.raises(BlockError, match=r"block 1, stride 1: 12x16x16 to 12x16x16"):
        build_network(of("wrong", repeats=3, channels=12), registry_with(wrong=second_is_wrong))


def test_a_forward_returns_one_tensor():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(BlockError, match="must return one tensor, got tuple"):
        build_network(of("pair"), registry_with(pair=lambda _io: Pair()))


def test_a_block_that_is_made_once_and_handed_out_again_is_refused():
    kept = {}
    shared = registry_with(shared=lambda io: kept.setdefault("block", plain(io)))
    with pytest.raises(BlockError, match="must make new weights"):
        build_network(of("shared", repeats=3), shared)


def test_running_out_of_memory_is_not_the_block_s_fault():
    def hungry(io):
        if torch.get_default_device().type != "meta":
            raise MemoryError
        return plain(io)

    with pytest.raises(MemoryError):
        build_network(of("hungry"), registry_with(hungry=hungry))


def test_an_upsampling_block_doubles_the_map():
    up = BlockSpec(
        "up", 1, lambda io: nn.ConvTranspose2d(io.in_channels, io.out_channels, io.stride, io.stride), scale="up"
    )
    network = build_network(of("up", repeats=2, stride=2), registry_with(up=up))
    assert network.stages(torch.zeros(1, 8, 5, 6)).shape == (1, 8, 10, 12)
    assert not network.stages[0][0].bias.any()


def test_try_block_accepts_what_fits_and_refuses_what_does_not(blocks):
    for placed in chain(SMALL, blocks):
        try_block(replace(placed, params=placed.spec.complete(placed.params)))
    (bad,) = chain(of("valid"), registry_with(valid=lambda io: nn.Conv2d(io.in_channels, io.out_channels, 3)))
    with pytest.raises(BlockError, match=r"got \(2, 8, 14, 14\)"):
        try_block(bad)
