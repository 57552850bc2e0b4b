"""Receptive fields, one axis at a time, against sums written out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from nas.cost.field import START, Axis, union


def seen(*windows: tuple[int, int]) -> Axis:
    """Behind windows of (kernel, stride), padded to keep the middle."""
    axis = Axis()
    for kernel, stride in windows:
        axis = axis.window(kernel, stride, kernel // 2)
    return axis


def test_the_input_sees_itself():
    assert Axis().extent == 1
    assert Axis().jump == 1


@pytest.mark.parametrize("kernel, layers", [(5, 2), (7, 3), (9, 4)])
def test_stacked_3x3_see_as_much_as_one_large_kernel(kernel, layers):
    assert seen(*[(3, 1)] * layers).extent == seen((kernel, 1)).extent == kernel


def test_a_stride_multiplies_what_later_layers_add():
    axis = seen((3, 2), (3, 2), (3, 1))
    assert axis.extent == 1 + 2 * 1 + 2 * 2 + 2 * 4
    assert axis.jump == 4


def test_dilation_spreads_a_kernel():
    assert Axis().window(3, 1, 4, dilation=4).extent == 1 + 2 * 4


def test_branches_of_one_middle_see_the_larger_field():
    small, large = seen((3, 1)), seen((7, 1))
    assert union([(small, small), (large, large)]) == (large, large)


def test_branches_that_look_to_different_sides_see_both():
    left, right = Axis().shifted(-2), Axis().shifted(3)
    vertical, _ = union([(left, Axis()), (right, Axis())])
    assert (vertical.low, vertical.high, vertical.extent) == (-2, 3, 6)


def test_no_branches_see_nothing():
    assert union([]) is None


def test_windows_over_an_axis_that_was_pooled_away_add_nothing():
    pooled = seen((3, 2)).pooled()
    assert pooled.window(7, 2, 3) == pooled
    assert pooled.extent == 3


def test_a_branch_that_was_pooled_does_not_hide_the_places_of_the_other():
    place, pooled = seen((3, 2)), seen((3, 2)).pooled()
    vertical, _ = union([(pooled, pooled), (place, place)])
    assert not vertical.whole
    assert vertical.window(3, 1, 1).extent == 3 + 2 * 2


@pytest.mark.parametrize("kernel, stride, padding, expected", [(2, 2, 0, 1), (4, 2, 1, 2), (3, 1, 1, 3), (3, 2, 1, 2)])
def test_a_transposed_convolution_sees_as_many_pixels_as_meet_in_one_of_its_output(kernel, stride, padding, expected):
    axis = Axis().transposed(kernel, stride, padding)
    assert axis.extent == expected
    assert axis.jump == Fraction(1, stride)


def test_upsampling_halves_the_jump_and_bilinear_sees_two_pixels():
    axis = seen((3, 2))
    assert axis.resized(8, 16, taps=1) == axis._replace(jump=1)
    assert axis.resized(8, 16, taps=2).extent == 3 + 2
    assert axis.resized(8, 8, taps=2) == axis


def test_what_follows_upsampling_adds_fractions_of_a_pixel():
    axis = Axis().resized(8, 16, taps=1).window(3, 1, 1)
    assert axis.extent == 1 + 2 * Fraction(1, 2)


def test_the_start_is_one_pixel_along_both_axes():
    assert [axis.extent for axis in START] == [1, 1]
