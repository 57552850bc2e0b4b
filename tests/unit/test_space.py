"""The space that a study file spans: what is suggested, which network a choice is, and which choice a network."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import nas
from nas.blocks import BlockRegistry, BlockSpec
from nas.errors import BlockError, NasError, PluginError, SpecError
from nas.plugins import load_plugins
from nas.registry import Origin
from nas.space import SearchSpace
from nas.spec import load_spec, parse_spec
from nas.zoo import load

BLOCKS = load_plugins().blocks
STUDIES = Path(__file__).parents[2] / "studies"


def with_blocks(*more: BlockSpec) -> BlockRegistry:
    registry = BlockRegistry()
    for block in BLOCKS.values():
        registry.add(block, BLOCKS.origin(block.name))
    for block in more:
        registry.add(block, Origin("a test", "0"))
    return registry


def space(*stages: dict[str, Any], blocks: BlockRegistry = BLOCKS, **sections: Any) -> SearchSpace:
    data = {
        "study": {"name": "s"}, "input": {"shape": [3, 32, 32], "classes": 10}, "objectives": {"params": "minimize"},
        "network": {"stem": {"channels": 8, "stride": 1}, "head": {"channels": 32}}, "stages": list(stages), **sections,
    }
    return SearchSpace(parse_spec(data, "s.toml"), blocks)


def stage(**keys: Any) -> dict[str, Any]:
    return {"block": "conv", "channels": 8, "kernel": 3, **keys}


def names(made: SearchSpace) -> list[str]:
    return [dimension.name for dimension in made.dimensions]


# --- dimensions


def test_a_list_is_searched_and_a_single_choice_is_fixed():
    made = space(stage(kernel=[3, 5], channels=[8]))
    assert [(dimension.name, dimension.choices) for dimension in made.dimensions] == [("stage0.kernel", (3, 5))]


def test_every_key_can_be_a_dimension_in_the_order_of_the_file():
    made = space(
        stage(block=["conv", "pointwise"], repeats=[1, 2], channels=[8, 16], stride=[1, 2], kernel=[3, 5]),
        input={"shape": [3, 32, 32], "resolution": [32, 64]},
        network={"act": ["silu", "relu"], "drop_path": [0.1, 0.2],
                 "stem": {"channels": [8, 16], "kernel": [3, 5], "stride": [1, 2], "pool": [False, True], "act": ["relu", "mish"]},
                 "head": {"channels": [0, 32], "hidden": [0, 16], "dropout": [0, 0.2], "act": ["relu", "mish"]}})
    assert names(made) == [
        "resolution", "act", "drop_path", "stem.channels", "stem.kernel", "stem.stride", "stem.pool",
        "head.channels", "head.hidden", "head.dropout", "stem.act", "head.act",
        "stage0.block", "stage0.repeats", "stage0.channels", "stage0.stride", "stage0.kernel",
    ]


def test_a_parameter_that_the_stage_names_is_shared_by_the_blocks_that_have_it():
    made = space(stage(block=["conv", "mbconv", "pointwise"], kernel=[3, 5], mbconv={"expand": 2}))
    assert names(made) == ["stage0.block", "stage0.kernel"]
    for block in ("conv", "mbconv"):
        arch = made.decode({"stage0.block": block, "stage0.kernel": 5})
        assert arch.stages[0].params["kernel"] == 5
    assert "kernel" not in made.decode({"stage0.block": "pointwise", "stage0.kernel": 5}).stages[0].params


def test_a_parameter_that_it_does_not_name_is_each_blocks_own_with_the_blocks_choices():
    made = space({"block": ["conv", "mbconv"], "channels": 8})
    assert {dimension.name: dimension.choices for dimension in made.dimensions} == {
        "stage0.block": ("conv", "mbconv"), "stage0.conv.kernel": (3, 5),
        "stage0.mbconv.kernel": (3, 5), "stage0.mbconv.expand": (4, 1, 6),
    }


def test_a_parameter_in_a_blocks_table_is_that_blocks_own_whatever_the_stage_names():
    made = space(stage(block=["conv", "mbconv"], kernel=[3, 5], mbconv={"kernel": [5, 7, 9], "expand": 1}))
    assert {dimension.name: dimension.choices for dimension in made.dimensions} == {
        "stage0.block": ("conv", "mbconv"), "stage0.kernel": (3, 5), "stage0.mbconv.kernel": (5, 7, 9)}
    values = {"stage0.kernel": 3, "stage0.mbconv.kernel": 9}
    assert made.decode(values | {"stage0.block": "conv"}).stages[0].params["kernel"] == 3
    assert made.decode(values | {"stage0.block": "mbconv"}).stages[0].params["kernel"] == 9


def test_stages_are_numbered_from_0_and_have_dimensions_of_their_own():
    assert names(space(stage(kernel=[3, 5]), stage(), stage(kernel=[3, 5]))) == ["stage0.kernel", "stage2.kernel"]


def test_a_plugins_choices_are_normalised():
    block = BlockSpec("mine", 1, nn.Identity, {"width": (2.0, 0.5)})
    made = space(stage(block=["mine", "conv"]), blocks=with_blocks(block))
    choices = {dimension.name: dimension.choices for dimension in made.dimensions}["stage0.mine.width"]
    assert list(map(repr, choices)) == ["2", "0.5"]
    values = {"stage0.block": "mine", "stage0.mine.width": 2}
    assert made.encode(made.decode(values)) == values


def test_a_plugin_that_lists_a_choice_twice_breaks_the_contract():
    for choices, told in (((3, 5, 3.0), "3.0 is listed twice"), ((1, True), "True is listed twice")):
        with pytest.raises(PluginError, match=told):
            with_blocks(BlockSpec("mine", 1, nn.Identity, {"width": choices}))


# --- size, everything, input shapes


def test_size_is_the_product_of_the_choices():
    assert space(stage()).size == 1
    assert space(stage(kernel=[3, 5], repeats=[1, 2, 3]), stage(channels=[8, 16])).size == 12


def test_everything_is_every_choice_once():
    made = space(stage(kernel=[3, 5], repeats=[1, 2, 3]))
    everything = [tuple(values.items()) for values in made.everything()]
    assert len(everything) == len(set(everything)) == made.size == 6
    assert everything[0] == (("stage0.repeats", 1), ("stage0.kernel", 3))
    assert list(space(stage()).everything()) == [{}]


def test_input_shapes_are_the_one_or_a_square_for_each_resolution():
    assert space(stage(), input={"shape": [1, 16, 40]}).input_shapes == ((1, 16, 40),)
    resolutions = space(stage(), input={"shape": [3, 32, 32], "resolution": [48, 64]})
    assert resolutions.input_shapes == ((3, 48, 48), (3, 64, 64))
    assert {resolutions.decode(values).input_shape for values in resolutions.everything()} == set(resolutions.input_shapes)


# --- decode


def test_decode_takes_the_only_choice_where_there_is_one():
    arch = space(stage(act="relu"), network={"act": "gelu", "norm": {"eps": 1e-5}, "drop_path": 0.1,
                                             "stem": {"channels": 8, "act": "mish"}, "head": {"hidden": 7}}).decode({})
    assert (arch.act, arch.norm.eps, arch.drop_path, arch.classes) == ("gelu", 1e-5, 0.1, 10)
    assert (arch.stem.channels, arch.stem.act) == (8, "mish")
    assert (arch.head.hidden, arch.head.act) == (7, "gelu")
    assert arch.stages[0].params["act"] == "relu"


def test_stem_and_head_follow_the_networks_activation_unless_they_have_their_own():
    made = space(stage(), network={"act": ["silu", "relu"], "stem": {"act": "mish"}})
    arch = made.decode({"act": "relu"})
    assert (arch.act, arch.stem.act, arch.head.act) == ("relu", "mish", "relu")


def test_two_choices_of_one_network_decode_to_one_architecture():
    made = space(stage(act=[None, "silu"]))
    assert len({made.decode(values).arch_id for values in made.everything()}) == 1


def test_what_a_block_does_not_have_is_no_part_of_its_architecture():
    made = space(stage(block=["conv", "pointwise"], kernel=[3, 5]))
    pointwise = [made.decode({"stage0.block": "pointwise", "stage0.kernel": kernel}) for kernel in (3, 5)]
    assert pointwise[0] == pointwise[1]


def test_decode_is_canonical():
    assert nas.load(space(stage()).decode({}).text) == space(stage()).decode({})


def test_repeats_0_leaves_the_stage_out():
    made = space(stage(), stage(repeats=[0, 1]), stage(channels=16))
    assert [s.channels for s in made.decode({"stage1.repeats": 0}).stages] == [8, 16]
    assert [s.channels for s in made.decode({"stage1.repeats": 1}).stages] == [8, 8, 16]


def test_repeats_0_is_no_network_where_the_choice_would_change_channels_or_stride():
    made = space(stage(repeats=[0, 1], channels=[8, 16], stride=[1, 2]))
    values = {"stage0.repeats": 0, "stage0.channels": 8, "stage0.stride": 1}
    assert made.decode(values).stages == ()
    with pytest.raises(SpecError, match=r"^stages\[0\]: repeats = 0 leaves it out, but it changes 8 channels to 16 at stride 1$"):
        made.decode(values | {"stage0.channels": 16})
    with pytest.raises(SpecError, match="to 8 at stride 2"):
        made.decode(values | {"stage0.stride": 2})


def test_what_no_block_accepts_is_told_with_its_stage():
    made = space(stage(block="depthwise", channels=[8, 12]))
    with pytest.raises(BlockError, match=r"^stages\[0\] \(depthwise\): a depthwise convolution gives a multiple of its 8"):
        made.decode({"stage0.channels": 12})


def test_identities_are_left_out():
    made = space(stage(), stage(block=["identity", "conv"]))
    assert len(made.decode({"stage1.block": "identity"}).stages) == 1


# --- what a file cannot mean

OF_CONV = "they have act, bias, dilation, groups, kernel, padding, padding_mode"


@pytest.mark.parametrize("stages, message", [
    ([stage(block="cnv")], "stages[0].block: unknown block 'cnv' (did you mean 'conv'?)"),
    ([stage(), stage(block=["conv", "mbcnv"])], "stages[1].block: unknown block 'mbcnv' (did you mean 'mbconv'?)"),
    ([stage(kernl=3)], f"stages[0].kernl: none of the blocks conv has a parameter 'kernl' (did you mean 'kernel'?); {OF_CONV}"),
    ([stage(chanels=3)],
     f"stages[0].chanels: none of the blocks conv has a parameter 'chanels' (did you mean 'channels'?); {OF_CONV}"),
    ([{"block": ["pointwise", "identity"], "channels": 8, "expand": 2}],
     "stages[0].expand: none of the blocks pointwise, identity has a parameter 'expand'; they have act"),
    ([stage(mbconv={"kernel": 3})], ("stages[0].mbconv: a table of the parameters of block 'mbconv', which is not among "
                                     "this stage's blocks conv (did you mean 'conv'?)")),
    ([stage(conv={"kernl": 3})], ("stages[0].conv.kernl: block 'conv' has no parameter 'kernl' (did you mean 'kernel'?); "
                                  "it has kernel, act, dilation, bias, padding, padding_mode, groups")),
    ([stage(repeats=[0, 1], stride=2)],
     "stages[0].repeats: 0 leaves the stage out, which its stride of 2 forbids; write stride = 1, or repeats from 1"),
    ([stage(repeats=[0, 1], channels=[16, 24])],
     "stages[0].repeats: 0 leaves the stage out, but it would change the channels from 8 to 16 or 24"),
    ([stage(channels=[12, 16]), stage(repeats=[0, 1])],
     "stages[1].repeats: 0 leaves the stage out, but it would change the channels from 12 or 16 to 8"),
])
def test_a_mistake_names_file_key_value_and_remedy(stages, message):
    with pytest.raises(SpecError) as told:
        space(*stages)
    assert str(told.value) == f"s.toml: {message}"


def test_the_channels_before_a_stage_are_all_that_can_be_there():
    made = space(stage(channels=[8, 16]), stage(channels=16, repeats=[0, 1]), stage(channels=32),
                 network={"stem": {"channels": [4, 8]}})
    assert made.channels_before(0) == {4, 8}
    assert made.channels_before(1) == {8, 16}
    assert made.channels_before(2) >= {16}


# --- encode


def test_a_network_of_another_space_names_the_first_thing_that_differs():
    made = space(stage(kernel=[3, 5]))
    other = space(stage(kernel=7)).decode({})
    with pytest.raises(SpecError, match=r"^not in this space: stage0\.kernel is 7, the study has 3, 5$"):
        made.encode(other)


@pytest.mark.parametrize("changes, message", [
    ({"network": {"stem": {"channels": 16, "stride": 1}}}, "stem.channels is 16, the study has 8"),
    ({"network": {"act": "relu"}}, "act is relu, the study has silu"),
    ({"network": {"drop_path": 0.3}}, "drop_path is 0.3, the study has 0.2"),
    ({"input": {"shape": [3, 64, 64], "classes": 10}}, r"it has input\(3x64x64\), the study input\(3x32x32\)"),
    ({"input": {"shape": [3, 32, 32], "classes": 9}}, r"it has classes\(9\), the study classes\(10\)"),
    ({"network": {"norm": {"eps": 1e-5}, "stem": {"channels": 8, "stride": 1}, "head": {"channels": 32}}}, "norm_eps=1e-05"),
])
def test_what_is_no_stage_is_compared_too(changes, message):
    with pytest.raises(SpecError, match=f"^not in this space: .*{message}"):
        space(stage()).encode(space(stage(), **changes).decode({}))


def test_more_stages_than_the_study_and_fewer_are_told():
    one, two = space(stage()), space(stage(), stage())
    with pytest.raises(SpecError, match="it has 1 stages more than the study"):
        one.encode(two.decode({}))
    with pytest.raises(SpecError, match=r"the study's stages\[1\] has no counterpart in it"):
        two.encode(one.decode({}))


def test_a_left_out_stage_is_found_again():
    made = space(stage(), stage(repeats=[0, 1, 2], kernel=[3, 5]), stage(kernel=5))
    arch = made.decode({"stage1.repeats": 0, "stage1.kernel": 5})
    assert len(arch.stages) == 2
    assert made.encode(arch)["stage1.repeats"] == 0


def test_an_idle_stage_is_found_again():
    made = space(stage(), stage(block=["conv", "identity"], repeats=[1, 2]), stage(channels=16))
    arch = made.decode({"stage1.block": "identity", "stage1.repeats": 1})
    assert made.decode(made.encode(arch)) == arch


def test_a_parameter_without_effect_may_be_any_choice():
    made = space(stage(block="mbconv", expand=2, se=[0, 0.25], attention=["eca", "scse"]))  # "se" is not among them
    arch = made.decode({"stage0.se": 0, "stage0.attention": "scse"})
    assert made.decode(made.encode(arch)) == arch


def test_repeats_that_have_no_effect_may_be_any_choice():
    made = space(stage(block=["identity", "conv"], channels=16, repeats=[2, 3]))
    arch = made.decode({"stage0.block": "identity", "stage0.repeats": 3})
    assert arch.stages[0].repeats == 1  # the first one changes the channels, the others do nothing
    assert made.decode(made.encode(arch)) == arch


def test_a_parameter_without_effect_may_stand_at_a_value_that_is_no_choice():
    made = space(stage(block="mbconv", expand=2, se=[0, 0.25, 0.5], attention=["se", "eca"]))
    arch = made.decode({"stage0.se": 0.5, "stage0.attention": "eca"})  # eca has no ratio: any but 0 is one network
    assert made.encode(arch) == {"stage0.se": 0.25, "stage0.attention": "eca"}


def test_the_published_efficientnet_v2_s_lies_in_its_study_at_224():
    made = SearchSpace(load_spec(STUDIES / "efficientnet_v2.toml"), BLOCKS)
    text = load("efficientnet_v2_s").text.replace("3x384x384", "3x224x224")
    arch = nas.load(text)
    values = made.encode(arch)
    assert made.decode(values) == arch
    assert set(values) == set(names(made))
    assert [values[f"stage{n}.repeats"] for n in range(6)] == [2, 4, 4, 6, 9, 15]
    with pytest.raises(SpecError, match=r"it has input\(3x384x384\)"):
        made.encode(load("efficientnet_v2_s"))


SPACES = {
    "shared": lambda: space(
        stage(block=["conv", "mbconv", "depthwise_separable"], kernel=[3, 5, "1x7"], repeats=[1, 2], channels=[8, 16]),
        stage(block=["mbconv", "fused_mbconv"], kernel=[3, 5], expand=[1, 2.0], stride=[1, 2], channels=16)),
    "own": lambda: space(
        {"block": ["conv", "mbconv"], "channels": [8, 12], "mbconv": {"kernel": [5, 7], "se": [0, 0.25], "expand": [0.5, 2],
                                                                      "attention": ["se", "eca"]}},
        stage(kernel=[3, 5], conv={"act": [None, "relu", "silu"], "bias": [False, True]})),
    "left out": lambda: space(
        stage(repeats=[0, 1, 2], channels=[8, 16], stride=[1, 2]), stage(repeats=[0, 1], channels=[8, 16], kernel=[3, 5]),
        stage(repeats=[0, 2], channels=[8, 16], kernel=[1, 3], dilation=[1, 2])),
    "idle": lambda: space(
        stage(block=["identity", "conv"], repeats=[1, 3], channels=[8, 16]),
        stage(block=["conv", "identity"], channels=[8, 16], stride=[1, 2]), stage(block=["identity", "mbconv"], expand=[1, 2])),
    "network": lambda: space(
        stage(channels=[8, 16]), input={"shape": [3, 32, 32], "resolution": [32, 48], "classes": 3},
        network={"act": ["silu", "relu"], "drop_path": [0, 0.2],
                 "stem": {"channels": [8, 16], "kernel": [3, "3x5"], "stride": [1, 2], "pool": [False, True]},
                 "head": {"channels": [0, 32], "hidden": [0, 16], "dropout": [0, 0.1], "act": ["gelu", "relu"]}}),
}
MADE = {name: make() for name, make in SPACES.items()}


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_every_network_of_a_space_is_found_again_by_its_choice(name, seed):
    made = MADE[name]
    try:
        arch = made.decode(made.draw(random.Random(seed)))
    except NasError:
        assume(False)
    values = made.encode(arch)
    assert made.decode(values) == arch
    assert list(values) == names(made)
    assert all(values[dimension.name] in dimension.choices for dimension in made.dimensions)
    assert made.encode(nas.load(arch.text)) == values


@pytest.mark.parametrize("name", SPACES)
def test_most_draws_are_networks(name):
    made, rng, sound = MADE[name], random.Random(0), 0
    for _ in range(100):
        try:
            made.decode(made.draw(rng))
            sound += 1
        except NasError:
            continue
    assert sound > 10


# --- draw and neighbour


def test_a_draw_is_a_choice_of_every_dimension_and_the_same_for_the_same_seed():
    made = MADE["shared"]
    one, other = (made.draw(random.Random(7)) for _ in range(2))
    assert one == other
    assert list(one) == names(made)
    assert len({tuple(made.draw(random.Random(seed)).items()) for seed in range(50)}) > 40


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(list(SPACES)))
def test_a_neighbour_differs_in_at_least_one_dimension_and_stays_in_the_space(seed, name):
    made, rng = MADE[name], random.Random(seed)
    values = made.draw(rng)
    near = made.neighbour(values, rng)
    assert near != values
    assert list(near) == list(values)
    assert all(near[dimension.name] in dimension.choices for dimension in made.dimensions)


def test_neighbours_mostly_differ_in_one_or_two_dimensions():
    made, rng = MADE["own"], random.Random(0)
    values = made.draw(rng)
    changed = [sum(near[key] != values[key] for key in values) for near in (made.neighbour(values, rng) for _ in range(200))]
    assert 1 <= sum(changed) / len(changed) < 3


def test_a_neighbour_of_equal_but_not_identical_values_differs_too():
    """Values that come from a database are other objects than the choices."""
    made = space(stage(channels=[1000, 2000]), network={"stem": {"channels": 8}})
    assert all(made.neighbour({"stage0.channels": int("1000")}, random.Random(seed)) == {"stage0.channels": 2000}
               for seed in range(20))


def test_a_space_of_one_network_has_no_other_neighbour():
    assert space(stage()).neighbour({}, random.Random(0)) == {}
    assert space(stage()).draw(random.Random(0)) == {}
