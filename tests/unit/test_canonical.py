"""One value for each network: defaults written out, what has no effect dropped, what does nothing left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from nas.arch import Architecture, Head, Stage, Stem
from nas.blocks import BlockRegistry, BlockSpec
from nas.canonical import canonicalise
from nas.choices import Params
from nas.errors import BlockError, SpecError
from nas.plugins import load_plugins
from nas.registry import Origin
from nas.zoo import load


@pytest.fixture(scope="module")
def blocks() -> BlockRegistry:
    return load_plugins().blocks


def registry(*specs: BlockSpec) -> BlockRegistry:
    made = BlockRegistry()
    for spec in specs:
        made.add(spec, Origin("a test", "0"))
    return made


def of(*stages: Stage, **changes) -> Architecture:
    return replace(Architecture((3, 32, 32), stages, Stem(channels=8), Head()), **changes)


def test_every_parameter_is_written_out(blocks):
    (stage,) = canonicalise(of(Stage("mbconv", 1, 1, 16, 2, Params({"kernel": 5}))), blocks).stages
    assert stage.params == Params({"kernel": 5, "expand": 4, "se": 0, "attention": "se", "act": None})


def test_a_default_written_out_is_the_same_network(blocks):
    short, long = Params({}), Params({"kernel": 3, "padding": "same", "groups": 1})
    assert canonicalise(of(Stage("conv", 1, 1, 8, 1, short)), blocks) == canonicalise(of(Stage("conv", 1, 1, 8, 1, long)), blocks)


@pytest.mark.parametrize("one, other", [
    ({"kernel": "3x3"}, {"kernel": 3}), ({"kernel": "5x5"}, {"kernel": 5}), ({"padding": 1}, {"padding": "same"}),
    ({"act": "silu"}, {"act": None}), ({"kernel": 1, "dilation": 2}, {"kernel": 1}),
])
def test_two_ways_to_write_a_convolution_are_one(blocks, one, other):
    first, second = (canonicalise(of(Stage("conv", 1, 2, 8, 1, Params(params))), blocks) for params in (one, other))
    assert first == second
    assert first.arch_id == second.arch_id


def test_what_differs_stays_different(blocks):
    params = [{}, {"kernel": 5}, {"kernel": "1x3"}, {"kernel": "3x1"}, {"act": "relu"}, {"bias": True}, {"groups": 8}]
    ids = {canonicalise(of(Stage("conv", 1, 1, 8, 1, Params(given))), blocks).arch_id for given in params}
    assert len(ids) == len(params)


def test_the_kind_of_attention_has_no_effect_where_there_is_none(blocks):
    def ids(se):
        return {canonicalise(of(Stage("mbconv", 1, 1, 16, 1, Params({"se": se, "attention": kind}))), blocks).arch_id
                for kind in ("se", "eca")}

    assert len(ids(0)) == 1
    assert len(ids(0.25)) == 2


def test_a_square_kernel_of_the_stem_is_one_number(blocks):
    assert canonicalise(of(stem=Stem(8, kernel="3x3")), blocks) == canonicalise(of(stem=Stem(8, kernel=3)), blocks)
    assert canonicalise(of(stem=Stem(8, kernel="1x7")), blocks).stem.kernel == "1x7"


def test_it_is_idempotent(blocks):
    for name in ("efficientnet_v2_s", "mobilenet_v2", "efficientnet_b0"):
        arch = canonicalise(load(name), blocks)
        assert canonicalise(arch, blocks) == arch
        assert Architecture.parse(arch.text) == arch


def test_blocks_that_do_nothing_are_left_out(blocks):
    conv = Stage("conv", 1, 1, 8, 1)
    assert canonicalise(of(Stage("identity", 1, 3, 8, 1), conv), blocks) == canonicalise(of(conv), blocks)


def test_only_the_first_identity_of_a_stage_that_changes_shape_does_something(blocks):
    for channels, stride in ((16, 1), (8, 2)):
        (stage,) = canonicalise(of(Stage("identity", 1, 5, channels, stride)), blocks).stages
        assert (stage.repeats, stage.channels, stage.stride) == (1, channels, stride)


def test_a_network_may_be_left_with_stem_and_head_alone(blocks):
    assert canonicalise(of(Stage("identity", 1, 2, 8, 1)), blocks).stages == ()


def test_adjacent_equal_stages_stay_two(blocks):
    stage = Stage("conv", 1, 1, 8, 1)
    assert len(canonicalise(of(stage, stage), blocks).stages) == 2


def test_stem_head_and_everything_else_stay(blocks):
    arch = of(Stage("conv", 1, 1, 8, 1), head=Head(32, 16, 0.1, "relu"), classes=7, act="relu", drop_path=0.1)
    found = canonicalise(arch, blocks)
    assert replace(found, stages=()) == replace(arch, stages=())


def test_a_parameter_is_dropped_only_where_no_block_of_the_stage_needs_it():
    """The first block of a stage may have other channels: what is idle there may have an effect behind it."""
    def only_wide(io, params):
        return params if io.in_channels > 8 else {}

    blocks = registry(BlockSpec("b", 1, nn.Identity, {"size": (3, 5)}, canonical=only_wide))

    def size(repeats, channels):
        (stage,) = canonicalise(of(Stage("b", 1, repeats, channels, 1, Params({"size": 5}))), blocks).stages
        return stage.params["size"]

    assert size(1, 16) == 3  # takes in 8 channels, and so has no effect
    assert size(2, 16) == 5  # the second one takes in 16
    assert size(2, 8) == 3


def test_true_and_1_are_not_one_choice():
    def flip(io, params):
        return {"flag": True} if io.in_channels == 8 else {"flag": 1}

    blocks = registry(BlockSpec("b", 1, nn.Identity, {"flag": (0,)}, canonical=flip))
    (stage,) = canonicalise(of(Stage("b", 1, 2, 16, 1, Params({"flag": 0}))), blocks).stages
    assert stage.params == Params({"flag": 0})


def test_a_block_that_refuses_its_place_is_told(blocks):
    with pytest.raises(BlockError, match=r"^stages\[0\] \(conv\): kernel must be an odd int"):
        canonicalise(of(Stage("conv", 1, 1, 8, 1, Params({"kernel": 4}))), blocks)


def test_an_input_that_is_too_small_is_told(blocks):
    with pytest.raises(SpecError, match="too small"):
        canonicalise(of(*[Stage("conv", 1, 1, 8, 2)] * 5), blocks)


@pytest.mark.parametrize("canonical, message", [
    (lambda *_: None, r"its canonical must return a mapping, got NoneType$"),
    (lambda *_: {"size": [3]}, r"a choice is None, bool, int, float or str, not list"),
])
def test_a_canonical_that_breaks_the_contract_is_told_with_place_and_block(canonical, message):
    blocks = registry(BlockSpec("b", 1, nn.Identity, {"size": (3,)}, canonical=canonical))
    with pytest.raises(BlockError, match=r"^stages\[0\] \(b\): " + message):
        canonicalise(of(Stage("b", 1, 1, 8, 1)), blocks)


@pytest.mark.parametrize("hook", ["canonical", "noop"])
def test_what_a_hook_of_a_block_raises_is_told_with_place_and_block(hook):
    def moody(io, params):
        raise ValueError("not today")

    blocks = registry(BlockSpec("b", 1, nn.Identity, {"size": (3,)}, **{hook: moody}))
    with pytest.raises(BlockError, match=rf"^stages\[0\] \(b\): its {hook} raises ValueError: not today$"):
        canonicalise(of(Stage("b", 1, 1, 8, 1)), blocks)
