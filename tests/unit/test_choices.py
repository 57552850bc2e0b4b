"""A choice has one representative and one text; `Params` are equal exactly where their texts are."""

from __future__ import annotations

import math
from enum import IntEnum, StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.choices import MAX_WHOLE, Choice, Params, format_choice, normalise, parse_choice

WHOLE = st.integers(-MAX_WHOLE, MAX_WHOLE)
CHOICES = st.one_of(
    st.none(), st.booleans(), WHOLE, st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.sampled_from(["none", "true", "false", "None", "1x7", "se", "a,b", "a=b", "(", '"', "\\", "", " ", "3", "nan"]),
)


@given(CHOICES)
def test_a_choice_is_read_back_from_its_text(value: Choice) -> None:
    once = normalise(value)
    again = parse_choice(format_choice(once))
    assert (type(again), again) == (type(once), once)


@given(CHOICES)
def test_normalising_twice_is_normalising_once_and_keeps_the_value(value: Choice) -> None:
    once = normalise(value)
    assert once == value
    assert (type(normalise(once)), normalise(once)) == (type(once), once)


@given(CHOICES, CHOICES)
def test_two_choices_have_one_text_exactly_where_they_are_one_value(left: Choice, right: Choice) -> None:
    same = left == right and isinstance(left, bool) == isinstance(right, bool)
    assert (format_choice(normalise(left)) == format_choice(normalise(right))) == same


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), (True, "true"), (False, "false"), (3, "3"), (-3, "-3"), (4.0, "4"), (-0.0, "0"), (0.25, "0.25"),
        (1e-5, "1e-05"), ("se", "se"), ("1x7", '"1x7"'), ("none", '"none"'), ("true", '"true"'), ("3", '"3"'),
        ("", '""'), ("a b", '"a b"'), ('"', '"\\""'), ("é", '"\\u00e9"'),
    ],
)
def test_the_text_of_a_choice(value: Choice, text: str) -> None:
    assert format_choice(normalise(value)) == text


class Size(IntEnum):
    LARGE = 7


class Kind(StrEnum):
    ECA = "eca"


@pytest.mark.parametrize(
    ("value", "plain"), [(np.float64(0.25), 0.25), (np.float64(4), 4), (Size.LARGE, 7), (Kind.ECA, "eca"), (np.str_("se"), "se")]
)
def test_a_subclass_of_a_plain_type_becomes_the_plain_value(value: object, plain: Choice) -> None:
    assert (type(normalise(value)), normalise(value)) == (type(plain), plain)
    assert parse_choice(format_choice(normalise(value))) == plain


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(nas.SpecError, match="is not a finite number"):
        normalise(value)


@pytest.mark.parametrize("value", [[3, 5], (1, 7), {"a": 1}, b"se", 1j, object(), np.int64(3)])
def test_another_type_is_refused_and_named(value: object) -> None:
    with pytest.raises(nas.SpecError, match=f"not {type(value).__name__}"):
        normalise(value)


@pytest.mark.parametrize("value", [MAX_WHOLE + 1, -MAX_WHOLE - 1, 10**5000], ids=["above", "below", "far above"])
def test_a_whole_number_that_a_float_cannot_tell_from_its_neighbour_is_refused(value: int) -> None:
    with pytest.raises(nas.SpecError, match="is past 2\\*\\*53"):
        normalise(value)


@pytest.mark.parametrize(
    "text",
    ["", " 3", "3 ", "+3", "0x3", "3.", ".5", "1_000", "nan()", "1x7", "'se'", '"se', 'se"', '"a"b', '"\n"', "a b", "1e999",
     "9" * 33, "a=b", "[3]"],
)
def test_a_text_that_is_no_choice_is_refused(text: str) -> None:
    with pytest.raises(nas.SpecError):
        parse_choice(text)


def test_params_are_ordered_by_name_and_do_not_depend_on_the_order_given() -> None:
    assert list(Params({"kernel": 3, "act": None})) == ["act", "kernel"]
    assert Params({"kernel": 3, "act": None}) == Params({"act": None, "kernel": 3})
    assert str(Params({"kernel": 3, "act": None})) == "act=none,kernel=3"


def test_params_hold_one_representative_of_equal_values() -> None:
    assert Params({"expand": 4.0}) == Params({"expand": 4})
    assert hash(Params({"expand": 4.0})) == hash(Params({"expand": 4}))
    assert isinstance(Params({"expand": 4.0})["expand"], int)


@pytest.mark.parametrize(("left", "right"), [(True, 1), (False, 0), (3, "3"), (None, "none")])
def test_params_that_build_different_networks_are_not_equal(left: Choice, right: Choice) -> None:
    assert Params({"a": left}) != Params({"a": right})


def test_params_are_no_dict_and_cannot_be_written_to() -> None:
    params = Params({"kernel": 3})
    assert params != {"kernel": 3}
    with pytest.raises(TypeError):
        params["kernel"] = 5  # type: ignore[index]
    with pytest.raises(AttributeError):
        params.extra = 5  # type: ignore[attr-defined]


def test_params_are_a_mapping() -> None:
    params = Params({"kernel": 3, "act": "relu"})
    assert dict(params) == {"act": "relu", "kernel": 3}
    assert len(params) == 2
    assert "kernel" in params
    assert Params(params) == params
    assert dict(Params()) == {}


def test_params_refuse_a_value_that_is_no_choice() -> None:
    with pytest.raises(nas.SpecError, match="not list"):
        Params({"kernel": [3, 5]})
