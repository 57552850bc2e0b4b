"""What `check` refuses: each with a sentence that names the value and the way out, never with an exception."""

from __future__ import annotations

import pytest

WINDOWED = ["conv", "depthwise", "depthwise_separable", "mbconv", "fused_mbconv"]
RESIDUAL = ["mbconv", "fused_mbconv"]
ACTIVE = [*WINDOWED, "pointwise"]
FULL_WIDTH = "\uff13x\uff15"  # digits of another alphabet
ODD = [
    None, True, False, 0, -1, 2, 3, 0.5, -0.5, 2.5, 1e-300, 1e308, float("nan"), float("inf"), -float("inf"),
    10**400, -(10**400), 10**5000, 10**5000 + 1,
    "", "se", "same", "3", "1x7", "2x3", "0x1", "x" * 10_000, "\n", FULL_WIDTH,
]  # fmt: skip


def refusal(blocks, name, io, **params):
    return blocks[name].check(io, {**blocks[name].defaults, **params})


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("kernel", [4, 0, -3, 3.5, True, None, "3x4", "3", "3x", "ax3", "03x5", FULL_WIDTH, 10_001])
def test_kernels_are_odd(name, kernel, blocks, place):
    said = refusal(blocks, name, place(), kernel=kernel)
    assert said is not None
    assert "kernel" in said
    assert repr(kernel) in said


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("act", ["rellu", "", 3, True])
def test_activations_are_known(name, act, blocks, place):
    said = refusal(blocks, name, place(), act=act)
    assert f"act {act!r} is unknown" in said
    assert "silu" in said


def test_nearest_activation_is_told(blocks, place):
    assert "did you mean 'relu'?" in refusal(blocks, "conv", place(), act="rellu")


@pytest.mark.parametrize(
    ("channels", "value", "said"),
    [
        ((8, 8), 3, "groups 3 does not divide the 8 input channels"),
        ((8, 12), 8, "groups 8 does not divide the 12 output channels"),
        ((8, 8), 0, "groups must be a whole number from 1"),
        ((8, 8), 2.5, "got 2.5"),
        ((8, 8), True, "got True"),
        ((8, 8), "2", "got '2'"),
    ],
)
def test_groups_divide_both_channels(channels, value, said, blocks, place):
    for name in ("conv", "depthwise"):
        assert said in refusal(blocks, name, place(*channels), groups=value)


def test_conv_needs_groups(blocks, place):
    assert "groups must be a whole number" in refusal(blocks, "conv", place(), groups=None)


@pytest.mark.parametrize("out", [4, 12])
def test_depthwise_gives_multiples_of_its_channels_only(out, blocks, place):
    said = refusal(blocks, "depthwise", place(8, out))
    assert f"8 input channels, not {out}" in said
    assert "depthwise_separable" in said


@pytest.mark.parametrize("name", ["conv", "depthwise"])
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"padding": 0}, 'padding 0 changes the map\'s size at kernel 3 and dilation 1; take 1 or "same"'),
        ({"padding": 1, "dilation": 2}, 'take 2 or "same"'),
        ({"padding": 1, "kernel": "1x7"}, 'take "same"'),
        ({"padding": "valid"}, "padding 'valid' is unknown"),
        ({"padding": True}, "padding True is unknown"),
        ({"padding": 1.5}, "padding 1.5 is unknown"),
        ({"padding_mode": "reflekt"}, "did you mean 'reflect'?"),
        ({"padding_mode": None}, "padding_mode None is unknown"),
        ({"dilation": 0}, "dilation must be a whole number from 1"),
        ({"dilation": "2"}, "got '2'"),
        ({"bias": 1}, "bias must be true or false, got 1"),
        ({"bias": None}, "bias must be true or false, got None"),
    ],
)
def test_window_parameters(name, params, said, blocks, place):
    assert said in refusal(blocks, name, place(), **params)


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"expand": 0}, "expand must be a number above 0"),
        ({"expand": -1}, "got -1"),
        ({"expand": True}, "got True"),
        ({"expand": "4"}, "got '4'"),
        ({"expand": 0.01}, "expand 0.01 of 8 input channels leaves a hidden width of 0"),
        ({"expand": 500_000}, "at most 1000000"),
        ({"se": 0.1}, "se 0.1 of 8 input channels leaves a squeeze of 0 channels; take at least 0.13, or 0"),
        ({"se": -0.25}, "got -0.25"),
        ({"se": True}, "got True"),
        ({"se": "0.25"}, "got '0.25'"),
        ({"se": 500_000}, "at most 1000000"),
        ({"attention": "hardse"}, "attention 'hardse' is unknown (did you mean 'hard_se'?)"),
        ({"attention": None, "se": 0.25}, "it is one of se, hard_se, ese, eca, scse"),
    ],
)
def test_residual_block_parameters(name, params, said, blocks, place):
    assert said in refusal(blocks, name, place(), **params)


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize("channels", [1, 3, 7, 49, 8, 100])
def test_the_squeeze_ratio_that_a_refusal_names_is_accepted(name, channels, blocks, place):
    said = refusal(blocks, name, place(channels, channels), se=0.5 / channels)
    named = float(said.split("take at least ")[1].split(",")[0])
    assert refusal(blocks, name, place(channels, channels), se=named) is None


@pytest.mark.parametrize("name", RESIDUAL)
@pytest.mark.parametrize("kind", ["ese", "eca"])
def test_kinds_without_a_squeeze_take_any_ratio(name, kind, blocks, place):
    assert refusal(blocks, name, place(), se=0.01, attention=kind) is None


@pytest.mark.parametrize("name", [*ACTIVE, "identity"])
def test_check_answers_every_choice_with_none_or_a_short_sentence(name, blocks, place):
    for io in (place(8, 8), place(1, 3, 2), place(1_000_000, 1_000_000)):
        for parameter in blocks[name].params:
            for value in ODD:
                said = blocks[name].check(io, {**blocks[name].defaults, parameter: value})
                assert said is None or 20 < len(said) < 300


@pytest.mark.parametrize("name", [*ACTIVE, "identity"])
def test_every_default_is_accepted_from_a_single_channel_on(name, blocks, place):
    for io in (place(1, 1), place(1, 2, 2), place(3, 3), place(24, 48, 2)):
        spec = blocks[name]
        for parameter, choices in spec.params.items():
            for choice in choices:
                assert spec.check(io, {**spec.defaults, parameter: choice}) is None
