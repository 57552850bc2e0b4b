"""An architecture as a chain of blocks: shapes, drop path, and what cannot follow what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.blocks import BlockIO, BlockRegistry, BlockSpec
from nas.chain import chain, check, refuses, scaled, stage_ios, stem_shape
from nas.choices import Params
from nas.errors import BlockError, SpecError
from nas.layers import activation, batch_norm
from nas.registry import Origin


def registry(*specs: BlockSpec) -> BlockRegistry:
    made = BlockRegistry()
    for spec in specs:
        made.add(spec, Origin("a test", "0"))
    return made


def plain(name: str, **changes) -> BlockSpec:
    return BlockSpec(name, 1, nn.Identity, **changes)


def of(*stages: Stage, side: int = 64, **changes) -> Architecture:
    return Architecture((3, side, side), stages, Stem(channels=8), Head(), **changes)


BLOCKS = registry(plain("down"), plain("up", scale="up"), plain("sized", params={"size": (3, 5)}))


@pytest.mark.parametrize("size, stride, down, up", [(8, 1, 8, 8), (8, 2, 4, 16), (7, 2, 4, 14), (1, 2, 1, 2)])
def test_a_stride_of_2_halves_rounded_up_or_doubles(size, stride, down, up):
    assert scaled(size, stride) == scaled(size, stride, "down") == down
    assert scaled(size, stride, "up") == up


@pytest.mark.parametrize("stem, shape", [
    (Stem(8), (8, 32, 17)), (Stem(8, stride=1), (8, 64, 33)), (Stem(16, pool=True), (16, 16, 9)),
    (Stem(8, stride=1, pool=True), (8, 32, 17)),
])
def test_the_stem_strides_and_pools(stem, shape):
    assert stem_shape(Architecture((3, 64, 33), (), stem)) == shape


def test_the_first_block_of_a_stage_takes_the_stride_and_the_change_of_channels():
    arch = of(Stage("down", 1, 3, 16, 2), Stage("down", 1, 1, 24, 1))
    (first, rest), (other, _) = stage_ios(arch)
    assert [(io.in_channels, io.out_channels, io.stride) for io in (first, rest, other)] == [
        (8, 16, 2), (16, 16, 1), (16, 24, 1)]


def test_blocks_are_told_the_networks_norm_and_activation():
    arch = of(Stage("down", 1, 1, 8, 1), act="relu", norm=Norm(1e-5, 0.01))
    (placed,) = chain(arch, BLOCKS)
    assert placed.io.norm == batch_norm(Norm(1e-5, 0.01))
    assert placed.io.act == activation("relu")


def test_every_block_knows_its_place_and_the_map_that_it_gets():
    arch = of(Stage("down", 1, 2, 16, 2), Stage("up", 1, 2, 16, 2), Stage("down", 1, 1, 16, 2), side=50)
    assert [(placed.stage, placed.index, placed.height, placed.width) for placed in chain(arch, BLOCKS)] == [
        (0, 0, 25, 25), (0, 1, 13, 13), (1, 0, 13, 13), (1, 1, 26, 26), (2, 0, 26, 26)]


def test_drop_path_rises_linearly_from_0_over_all_blocks():
    arch = of(Stage("down", 1, 3, 8, 1), Stage("down", 1, 1, 8, 1), drop_path=0.4)
    assert [placed.io.drop_path for placed in chain(arch, BLOCKS)] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_chain_of_no_block_is_empty():
    assert list(chain(of(), BLOCKS)) == []
    check(of(), BLOCKS)


def test_a_sound_architecture_passes_and_builds_nothing():
    def build(io):
        raise AssertionError("built")

    check(of(Stage("heavy", 1, 4, 16, 2)), registry(BlockSpec("heavy", 1, build)))


@pytest.mark.parametrize("stage, message", [
    (Stage("don", 1, 1, 8, 1), "stages[1] (don): unknown block 'don' (did you mean 'down'?)"),
    (Stage("down", 2, 1, 8, 1), "stages[1] (down): written for version 2, installed is version 1"),
    (Stage("sized", 1, 1, 8, 1, Params({"sise": 3})),
     "stages[1] (sized): block 'sized' has no parameter 'sise' (did you mean 'size'?); it has size"),
])
def test_a_stage_that_cannot_be_is_named_by_place_and_block(stage, message):
    with pytest.raises(BlockError) as told:
        check(of(Stage("down", 1, 1, 8, 1), stage), BLOCKS)
    assert str(told.value) == message


def test_a_block_is_asked_with_every_parameter_at_its_first_and_its_other_places():
    asked = []

    def ask(io, params):
        asked.append((io.in_channels, io.stride, dict(params)))

    blocks = registry(plain("asked", params={"size": (3, 5), "act": (None,)}, check=ask))
    check(of(Stage("asked", 1, 3, 16, 2, Params({"size": 5}))), blocks)
    full = {"size": 5, "act": None}
    assert asked == [(8, 2, full), (16, 1, full)]
    asked.clear()
    check(of(Stage("asked", 1, 1, 16, 2)), blocks)
    assert [place[:2] for place in asked] == [(8, 2)]


def test_a_refusal_of_the_blocks_after_the_first_counts_too():
    blocks = registry(plain("narrow", check=lambda io, _: "too wide" if io.in_channels > 8 else None))
    check(of(Stage("narrow", 1, 1, 16, 1)), blocks)
    with pytest.raises(BlockError, match=r"^stages\[0\] \(narrow\): too wide$"):
        check(of(Stage("narrow", 1, 2, 16, 1)), blocks)


def test_what_a_check_raises_is_a_refusal():
    def moody(io, params):
        raise ZeroDivisionError("by zero")

    io = BlockIO(8, 8, 1, batch_norm(Norm()), activation("silu"), 0.0)
    assert refuses(plain("moody", check=moody), io, Params()) == "its check raises ZeroDivisionError: by zero"
    assert refuses(plain("mild"), io, Params()) is None


@pytest.mark.parametrize("part", ["stem", "head", "act"])
def test_an_unknown_activation_is_told(part):
    arch = of(Stage("down", 1, 1, 8, 1))
    changed = "slu" if part == "act" else replace(getattr(arch, part), act="slu")
    with pytest.raises(SpecError, match="unknown activation 'slu'"):
        check(replace(arch, **{part: changed}), BLOCKS)


def test_the_shorter_side_must_be_at_least_the_total_stride():
    halving = [Stage("down", 1, 1, 8, 2)] * 3  # with the stem 16
    check(of(*halving, side=16), BLOCKS)
    with pytest.raises(SpecError) as told:
        check(replace(of(*halving), input_shape=(3, 64, 15)), BLOCKS)
    assert str(told.value) == ("input 3x64x15 is too small: its shorter side is 15, "
                               "and the strides of stem and stages multiply to 16")


def test_the_pool_of_the_stem_counts_as_a_stride():
    arch = replace(of(Stage("down", 1, 1, 8, 2), side=7), stem=Stem(8, pool=True))
    with pytest.raises(SpecError, match="multiply to 8"):
        check(arch, BLOCKS)


def test_upsampling_takes_strides_back_but_the_smallest_map_must_exist():
    down, up = Stage("down", 1, 1, 8, 2), Stage("up", 1, 1, 8, 2)
    check(of(down, up, down, up, side=4), BLOCKS)  # never below a quarter
    with pytest.raises(SpecError, match="multiply to 8"):
        check(of(down, down, up, up, side=4), BLOCKS)
