"""What a block string of timm becomes, and what is told where it cannot be said."""

from __future__ import annotations

import pytest

import nas
from nas.zoo import architecture_of
from nas.zoo.timm_blocks import FAMILIES

STRINGS = "ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24 ir_r3_k5_s2_e3_c40_se0.25"


def stages_of(text: str) -> list[tuple[str, int, int, int, dict[str, object]]]:
    return [
        (stage.block, stage.repeats, stage.channels, stage.stride, dict(stage.params))
        for stage in architecture_of(text).stages
    ]


def test_a_text_of_block_strings_is_an_architecture_of_plugin_blocks():
    arch = nas.load(STRINGS)
    assert [(s.block, s.repeats, s.channels, s.stride) for s in arch.stages] == [
        ("mbconv", 1, 16, 1),
        ("mbconv", 2, 24, 2),
        ("mbconv", 3, 40, 2),
    ]
    assert [(s.params["kernel"], s.params["expand"], s.params["se"]) for s in arch.stages] == [(3, 1, 0), (3, 6, 0), (5, 3, 0.25)]


def test_a_squeeze_is_the_one_that_timm_rounds_to():
    """A fifth of 32 is 6.4 and of 24 is 4.8, which timm rounds to 6 and 5, and a block here cuts to 6 and 4."""
    assert [params["se"] for *_, params in stages_of("ir_r2_k3_s2_e6_c24_se0.2")] == [0.2, 0.21]


def test_a_list_and_a_list_of_lists_are_the_same_architecture():
    one, two, three = STRINGS.split()
    assert nas.load(STRINGS) == nas.load([one, two, three]) == nas.load([[one], [two], [three]])
    assert nas.load((one, f"{two} {three}")) == nas.load(STRINGS)


def test_commas_and_lines_part_strings_as_spaces_do():
    assert nas.load(STRINGS.replace(" ", ",\n")) == nas.load(STRINGS)


def test_each_kind_is_its_block():
    found = stages_of("cn_r2_k3_s1_c32_skip cn_r1_k1_s1_c32 dsa_r1_k5_s2_c64_nhs er_r1_k3_s2_e4_c48 ds_r1_k3_s1_c48")
    assert [(block, params.get("expand"), params["kernel"], params["act"]) for block, *_, params in found] == [
        ("fused_mbconv", 1, 3, None),
        ("conv", None, 1, None),
        ("depthwise_separable", None, 5, "hardswish"),
        ("fused_mbconv", 4, 3, None),
        ("mbconv", 1, 3, None),
    ]


def test_an_expansion_of_1_keeps_its_convolution_as_timm_s_does():
    [(block, *_, params)] = stages_of("ir_r2_k3_s1_e1_c32")
    assert block == "mbconv"
    assert params["expand"] == 1.01
    [conv] = [m for name, m in nas.build(nas.load("ir_r1_k3_s1_e1_c32")).named_modules() if name == "stages.0.0.expand.conv"]
    assert conv.weight.shape == (32, 32, 1, 1)


def test_a_first_word_names_the_family_and_what_lies_around_the_blocks():
    arch = nas.load("mobilenetv3: ds_r1_k3_s1_c16_nre ir_r1_k5_s2_e3_c40_se0.25_nre cn_r1_k1_s1_c960")
    assert (arch.act, arch.stem.channels, arch.head.channels, arch.head.hidden) == ("hardswish", 16, 0, 1280)
    assert arch.stages[1].params["attention"] == "hard_se"
    assert arch == nas.load(["mobilenetv3:", "ds_r1_k3_s1_c16_nre", "ir_r1_k5_s2_e3_c40_se0.25_nre", "cn_r1_k1_s1_c960"])


def test_a_family_may_stand_at_its_first_string_without_a_space():
    assert nas.load("mobilenetv3:ds_r1_k3_s1_c16_nre") == nas.load("mobilenetv3: ds_r1_k3_s1_c16_nre")
    with pytest.raises(nas.SpecError, match="unknown network 'torchvison:resnet18'"):
        nas.load("torchvison:resnet18")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_builds(family):
    assert nas.count(nas.load(f"{family}: ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24")).params > 0


def test_input_and_classes_can_be_told():
    arch = architecture_of(STRINGS, input_shape=(1, 64, 96), classes=7)
    assert (arch.input_shape, arch.classes) == ((1, 64, 96), 7)
    assert nas.count(arch).params > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ir_r1_k3_s1_c16", r"'ir_r1_k3_s1_c16': e: missing; ir needs r k s e c"),
        ("ds_k3_s1_c16", "r: missing"),
        ("ir_r1_k3_s1_e6_c20", r"c20: timm rounds it to a multiple of 8; write c24"),
        ("ir_r1_k4_s1_e6_c24", "k4: kernels are odd"),
        ("ir_r1_k3.5_s1_e6_c24", r"k3\.5: kernels of several sizes"),
        ("ir_r1_k3_s3_e6_c24", "s3: a stride is 1 or 2"),
        ("ir_r0_k3_s1_e6_c24", "r0: must be a whole number from 1"),
        ("ir_r1_k3_s1_e0_c24", "e0: must be above 0"),
        ("ir_r1_k3_s1_e6_c24_se0.25x", r"se0.25x: not a number"),
        ("ir_r1_k3_s1_e6_c24_se0.001", r"se0.001: of 32 input channels it leaves a squeeze of 0"),
        ("ir_r1_k3_s1_e6_c24_k5", "k5: k is given twice"),
        ("ir_r1_k3_s1_e6_c24_noskip_skip", "skip: skip is given twice"),
        ("ir_r1_k3_s1_e6_c24_a3", "a3: an expansion by anything but a 1x1"),
        ("er_r1_k3_s1_e6_c24_p3", "p3: a projection by anything but a 1x1"),
        ("ir_r1_k3_s1_e6_c24_nge", "nge: unknown activation; there are nre"),
        ("ir_r1_k3_s1_e6_c24_zz3", "zz3: ir has no zz"),
        ("ir_r1_k3_s1_e6_c24_cc4", "cc4: conditionally parametrised"),
        ("ir_r1_k3_s1_e6_c24_", "_: not a token"),
        ("ir_r1_k3_s1_e6_c24_gs8", "gs8: the k x k convolution of this block is depthwise"),
        ("ir_r1_k3_s1_e6_c24_gs0", "gs0: the k x k convolution of this block is depthwise"),
        ("ds_r1_k3_s1_e2_c16", "e2: ds does not expand"),
        ("ds_r1_k3_s1_c16_d1", "d1: space to depth"),
        ("cn_r1_k3_s1_c16_se0.25", "se0.25: cn has no se"),
        ("cn_r1_k3_s1_c32_skip_gs8", "gs8: a convolution with a residual"),
        ("cn_r1_k3_s1_c24_gs7", "gs7: does not divide the 32 input"),
        ("cn_r1_k3_s1_c24_gs2", "gs2: cuts the 32 input channels into 16 groups, which do not divide the 24 that go out"),
        ("dsa_r1_k3_s1_c16_skip", "skip: dsa has no residual"),
        ("dsa_r1_k3_s1_c16_se0.25", "se0.25: depthwise_separable has no channel attention"),
        ("ds_r1_k3_s1_c16_se0.25_nre", "se0.25: squeeze-excite with relu and a sigmoid"),
        ("ds_r1_k3_s1_c32_noskip", "noskip: a block of stride 1 from 32 to 32"),
        ("ds_r2_k3_s1_c16_noskip", "noskip: a block of stride 1 from 16 to 16"),
        ("mqa_r1_k3_h8_s1_d48_c192", "mqa: multi-query attention, for which there is no block"),
        ("irr_r1_k3_s1_e6_c24", r"irr: unknown kind of block \(did you mean 'ir'\?\)"),
        ("ir_r2000_k3_s1_e6_c32", "'ir_r2000_k3_s1_e6_c32': mbconv: repeats"),
        ("ir_r1_k3_s1_e6_c9999999", "c9999999: must be a whole number from 1 to 1000000"),
        ("ir_r1_k3_s1_e999999_c32", "e999999: it is 31999968 wide inside"),
        (" ".join(["ir_r1_k3_s2_e6_c32"] * 5), "s2: the strides multiply to 64, and timm dilates past 32"),
        ("efficientnett: ds_r1_k3_s1_c16", r"unknown family .*did you mean 'efficientnet'"),
        ("mnasnet:", "no block string is given"),
    ],
)
def test_what_cannot_be_said_exactly_is_refused_with_its_token_and_why(text, said):
    with pytest.raises(nas.SpecError, match=said):
        nas.load(text)


def test_a_stride_that_timm_would_pass_over_is_refused():
    with pytest.raises(nas.SpecError, match="takes the stride of a stage's first string alone"):
        nas.load([["ir_r1_k3_s1_e6_c16", "ir_r1_k3_s2_e6_c24"]])


def test_two_families_are_refused():
    with pytest.raises(nas.SpecError, match="give one of them"):
        architecture_of("mnasnet: ds_r1_k3_s1_c16", family="mobilenetv2")


@pytest.mark.parametrize("blocks", [[3], [["ds_r1_k3_s1_c16", 3]], [None]])
def test_a_list_of_other_things_is_refused(blocks):
    with pytest.raises(nas.SpecError, match="block strings are a text, a list of texts"):
        nas.load(blocks)
