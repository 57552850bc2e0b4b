"""What is asked of a space before a study starts: every choice, each stage, and a few networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.blocks import BlockRegistry, BlockSpec
from nas.errors import SpecError
from nas.plugins import load_plugins
from nas.registry import Origin
from nas.search.preflight import check_space
from nas.space import SearchSpace


def built_ins(*more: BlockSpec) -> BlockRegistry:
    registry, known = BlockRegistry(), load_plugins().blocks
    for block in known.values():
        registry.add(block, known.origin(block.name))
    for block in more:
        registry.add(block, Origin("a test", "0"))
    return registry


def refused(spec, *blocks: BlockSpec) -> str:
    with pytest.raises(SpecError) as told:
        check_space(SearchSpace(spec, built_ins(*blocks)))
    return str(told.value)


def test_a_space_of_sound_choices_passes(spec):
    check_space(SearchSpace(spec(stage={"block": ["conv", "mbconv"]}), built_ins()))


@pytest.mark.parametrize("stage, message", [
    ({"kernel": [3, 4]}, 'kernel: block \'conv\' refuses 4: kernel must be an odd int or "HxW" with both odd, got 4'),
    ({"kernel": 4}, "kernel: block 'conv' refuses 4: kernel must be an odd int"),
    ({"act": "slu"}, "act: block 'conv' refuses 'slu': act 'slu' is unknown (did you mean 'silu'?)"),
    ({"groups": [1, 3]}, "groups: block 'conv' refuses 3: groups 3 does not divide the 8 input channels"),
    ({"groups": 3}, "groups: block 'conv' refuses 3: groups 3 does not divide the 8 input channels"),
    ({"block": "depthwise", "channels": [8, 12]}, "channels: block 'depthwise' refuses 12: a depthwise convolution gives"),
    ({"block": "depthwise", "channels": 12}, "channels: block 'depthwise' refuses 12: a depthwise convolution gives"),
    ({"padding": "all"}, "padding: block 'conv' refuses 'all': padding 'all' is unknown"),
    ({"bias": [False, 1]}, "bias: block 'conv' refuses 1: bias must be true or false, got 1"),
    ({"conv": {"act": ["relu", "rleu"]}}, "conv.act: block 'conv' refuses 'rleu': act 'rleu' is unknown"),
])
def test_a_choice_that_a_block_refuses_is_named_with_key_value_and_reason(spec, stage, message):
    assert refused(spec(stage=stage)).startswith(f"tiny.toml: stages[0].{message}")


def test_of_two_choices_that_are_refused_the_first_is_blamed(spec):
    told = refused(spec(stage={"kernel": 4, "act": "slu"}))
    assert told.startswith("tiny.toml: stages[0].kernel: block 'conv' refuses 4: kernel must be an odd int")


def test_the_one_combination_that_is_accepted_is_found_among_very_many(spec):
    many = {"act": ["relu", "silu", "gelu", "mish"], "kernel": [3, 5, 7, 9], "dilation": [1, 2, 3], "bias": [False, True]}
    study = spec(stage={"channels": [*range(24, 48, 3)], "groups": 3, **many}, network={"stem": {"channels": [8, 12]}})
    check_space(SearchSpace(study, built_ins()))


def test_a_choice_that_is_fine_in_some_combination_is_fine(spec):
    # 12 channels need a stem of 12, groups of 3 likewise: of the drawn networks those are rejected that have 8
    study = spec(stage={"block": "conv", "groups": [1, 3], "channels": 12}, network={"stem": {"channels": [8, 12]}})
    check_space(SearchSpace(study, built_ins()))


def test_a_later_stage_is_tried_on_all_channels_that_can_come_before_it(spec):
    first = {"block": "conv", "channels": [12, 16]}
    study = spec(stages=[first, {"block": "conv", "channels": 12, "groups": 3}])
    check_space(SearchSpace(study, built_ins()))
    study = spec(stages=[first, {"block": "conv", "channels": 16, "groups": 3}])
    assert refused(study).startswith("tiny.toml: stages[1].groups: block 'conv' refuses 3: groups 3 does not divide")


def test_choices_that_go_together_are_tried_together(spec):
    tried = []

    def build(io, size, groups, bias):
        tried.append((size, groups, bias))
        return nn.Conv2d(io.in_channels, io.out_channels, size, io.stride, size // 2, groups=groups, bias=bias)

    block = BlockSpec("sized", 1, build, {"size": (3, 5, 7), "groups": (1, 2), "bias": (False, True)})
    check_space(SearchSpace(spec(stage={"block": ["sized", "conv"]}), built_ins(block)))
    # Three combinations hold every choice; of a stage the first block and another one are built.
    assert list(dict.fromkeys(tried))[:3] == [(3, 1, False), (5, 2, True), (7, 1, False)]
    assert len(tried) < 12


def test_what_a_block_raises_when_built_is_the_message(spec):
    def build(io, width):
        raise ValueError(f"no width of {width}")

    told = refused(spec(stage={"block": ["moody", "conv"]}), BlockSpec("moody", 1, build, {"width": (1, 2)}))
    assert told.startswith("tiny.toml: stages[0].block: block 'moody' cannot stand here: stages[0] (moody), block 0, stride 2: ")
    assert told.endswith("its build raises ValueError: no width of 1")


def test_a_block_that_would_end_the_process_is_a_refusal(spec):
    def build(io, kernel):
        raise SystemExit(0)

    told = refused(spec(stage={"block": "ends"}), BlockSpec("ends", 1, build, params={"kernel": (3,)}))
    assert told.endswith("its build raises SystemExit: 0")


def test_a_block_of_another_shape_than_it_should_be_is_told_with_both(spec):
    def build(io):
        return nn.Conv2d(io.in_channels, io.out_channels, 3, 1, 1)  # forgets its stride

    told = refused(spec(stage={"block": ["flat", "conv"]}), BlockSpec("flat", 1, build))
    assert told.startswith("tiny.toml: stages[0].stride: block 'flat' refuses 2: ")
    assert told.endswith("must turn a batch of 2 into shape (2, 8, 4, 4), got (2, 8, 8, 8)")


def test_a_choice_that_builds_another_shape_is_found_though_the_first_one_is_sound(spec):
    def build(io, size):
        return nn.Conv2d(io.in_channels, io.out_channels, size, io.stride, 1)

    told = refused(spec(stage={"block": ["sized", "conv"]}), BlockSpec("sized", 1, build, {"size": (3, 5)}))
    assert told.startswith("tiny.toml: stages[0].block: block 'sized' fails with its own choice size = 5: ")
    assert told.endswith("Name size in the stage to leave it out.")
    told = refused(spec(stage={"block": ["sized", "conv"], "size": [3, 5]}), BlockSpec("sized", 1, build, {"size": (3, 5)}))
    assert told.startswith("tiny.toml: stages[0].size: block 'sized' refuses 5: ")


def test_a_check_that_raises_is_a_refusal(spec):
    def check(io, params):
        raise KeyError("size")

    told = refused(spec(stage={"block": ["touchy", "conv"]}), BlockSpec("touchy", 1, nn.Identity, {"size": (3,)}, check))
    assert told == "tiny.toml: stages[0].block: block 'touchy' cannot stand here: its check raises KeyError: 'size'"


def test_an_input_too_small_for_the_strides_is_told_with_both(spec):
    stages = [{"block": "conv", "channels": 8, "stride": 2}] * 4
    assert refused(spec(stages=stages)) == (
        "tiny.toml: input.shape: the input is too small: its shorter side is 8, and the strides of stem and stages multiply "
        "to at least 16\nGive a larger input, or fewer stages of stride 2.")


def test_a_network_past_any_sane_size_is_counted_and_refused_before_anything_is_allocated(spec):
    told = refused(spec(stage={"channels": 1_000_000, "repeats": 1_000}))
    assert told.startswith("tiny.toml: stages[0].channels: block 'conv' refuses 1000000: one block of 9,000,002,000,000 ")
    assert told.endswith("is past the 10,000,000,000 that a network may have")


def test_a_network_whose_blocks_are_each_small_enough_is_counted_as_a_whole(spec):
    told = refused(spec(stage={"kernel": 3, "channels": 20_000, "repeats": 1_000}))
    assert "more than the 10,000,000,000 that are allowed" in told


def test_left_out_stages_that_change_channels_are_only_an_error_where_all_draws_are_one(spec):
    stages = [{"block": "conv", "channels": [8, 16]}, {"block": "conv", "repeats": [0, 1], "channels": [16, 24]}]
    check_space(SearchSpace(spec(stages=stages), built_ins()))


def test_checking_changes_no_random_state(spec):
    state = torch.random.get_rng_state()
    check_space(SearchSpace(spec(stage={"block": ["conv", "mbconv"]}), built_ins()))
    assert torch.equal(torch.random.get_rng_state(), state)
