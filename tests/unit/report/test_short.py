"""Short forms: what they keep, and that they do not lie."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.numbers import WIDE, plus_minus
from nas.report.short import short_architecture, short_input


@pytest.mark.parametrize(
    ("value", "half", "shown"),
    [
        (3.1234, 0.046, "3.12 ±0.05"),
        (0.9533, 0.0131, "0.95 ±0.01"),
        (0.9533, 0.096, "0.95 ±0.10"),  # two digits of the value at least
        (1234.5, 3.2, "1234 ±3"),
        (1234.5, 26.0, "1234 ±30"),
        (1e-4, 3e-6, "0.000100 ±0.000003"),
        (5e7, 1e6, "5e+07 ±1e+06"),
        (2.5, 0.0, "2.5"),
        (2.5, math.nan, "2.5"),
    ],
)
def test_a_value_is_shown_to_the_digit_in_which_it_is_uncertain(value: float, half: float, shown: str) -> None:
    assert plus_minus(value, value - half, value + half) == shown


def test_the_longer_half_of_an_interval_is_told() -> None:
    assert plus_minus(3.0, 2.9, 3.5) == "3.0 ±0.5"


def test_a_wide_interval_is_written_out_for_a_time_is_never_negative() -> None:
    assert plus_minus(0.4554, 0.31, 1.124) == "0.46 [0.31, 1.1]"
    assert plus_minus(1234.5, 1100.0, 2000.0) == "1234 [1100, 2000]"
    assert plus_minus(0.0, 0.0, 0.5) == "0 [0, 0.5]"


@given(st.floats(1e-3, 1e5), st.floats(0.01, WIDE - 1e-6))
def test_what_is_shown_is_near_to_what_was_measured(value: float, share: float) -> None:
    half = share * value
    shown, uncertainty = plus_minus(value, value - half, value + half).split(" ±")
    assert abs(float(shown) - value) <= half
    assert abs(float(uncertainty) - half) <= 0.5 * half + 1e-9


def test_an_architecture_is_told_stage_by_stage() -> None:
    stages = short_architecture(str(nas.load("efficientnet_v2_s"))).split(" | ")
    assert stages[0] == "fused_mbconv k3 e1 x2 c24"
    assert stages[3] == "mbconv k3 e4 se0.25 x6 c128 s2"
    assert len(stages) == 6


def test_a_text_that_is_no_architecture_is_cut_and_made_inert() -> None:
    assert short_architecture("torchvision:resnet18\x1b[31m") == "torchvision:resnet18[31m"
    assert len(short_architecture("x" * 500)) == 60


def test_an_input_is_told_by_channels_height_and_width() -> None:
    assert short_input(str(nas.load("efficientnet_v2_s"))) == "3x384x384"
    assert short_input("torchvision:resnet18") == ""
