"""Which axes run over the places of the image, behind permutations and reshapes."""

from __future__ import annotations

import pytest
import torch

from nas.cost.axes import IMAGE, guess, normal_dims, permuted, reshaped


@pytest.mark.parametrize(
    "before, after, expected",
    [
        ((1, 8, 6, 6), (1, 8, 36), ("", "", "p")),
        ((1, 8, 6, 6), (1, 288), ("", "p")),
        ((1, 8, 6, 6), (8, 6, 6), ("", "h", "w")),
        ((1, 8, 6, 6), (1, 2, 4, 6, 6), ("", "", "", "h", "w")),
        ((1, 8, 1, 1), (1, 8), ("", "")),
        ((1, 8, 6, 6), (1, 8, 3, 2, 3, 2), ("", "", "h", "", "w", "")),
        ((1, 8, 6, 6), (1, 8, 6, 6, 1), ("", "", "h", "w", "")),
    ],
)
def test_an_image_is_reshaped(before, after, expected):
    assert reshaped(IMAGE, before, after) == expected


def test_flattened_places_are_rows_and_columns_again():
    assert reshaped(("", "p", ""), (1, 36, 8), (1, 6, 6, 8)) == ("", "h", "w", "")


def test_windows_are_put_together_again():
    assert reshaped(("h", "", "w", "", ""), (3, 2, 3, 2, 4), (1, 6, 6, 4)) == ("", "h", "w", "")


def test_shapes_that_do_not_match_leave_no_axis_of_the_image():
    assert reshaped(IMAGE, (1, 8, 6, 6), (5, 7)) == ("", "")


def test_a_permutation_is_read_off_the_function_itself():
    assert permuted(IMAGE, torch.Tensor.permute, 0, 2, 3, 1) == ("", "h", "w", "")
    assert permuted(IMAGE, torch.transpose, 1, 2) == ("", "h", "", "w")
    assert permuted(IMAGE, torch.movedim, source=3, destination=0) == ("w", "", "", "h")


def test_an_unknown_function_that_keeps_the_number_of_axes_keeps_the_axes():
    assert guess(3, [("", "p", "")]) == ("", "p", "")
    assert guess(4, [("", "p", "")]) == IMAGE
    assert guess(2, [IMAGE]) == ("", "")


def test_axis_numbers_are_counted_from_the_front():
    assert normal_dims((-1, -2), 4) == (3, 2)
    assert normal_dims(1, 4) == (1,)
    assert normal_dims(None, 3) == (0, 1, 2)
