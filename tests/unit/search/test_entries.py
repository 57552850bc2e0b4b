"""Which feature maps can arrive at a stage, and what is asked of a block there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.plugins import load_plugins
from nas.search.entries import Entry, entries
from nas.search.trying import MAX_TRIED, Tries, choices_of, combinations
from nas.space import SearchSpace
from nas.spec import StudySpec

Space = Callable[..., SearchSpace]


@pytest.fixture
def space(spec: Callable[..., StudySpec]) -> Space:
    return lambda **changes: SearchSpace(spec(**changes), load_plugins().blocks)


def sizes(found: set[Entry]) -> set[tuple[int, int, int]]:
    return {(entry.channels, entry.height, entry.width) for entry in found}


def test_the_stem_s_output_arrives_at_the_first_stage(space: Space) -> None:
    stem: dict[str, Any] = {"channels": [8, 16], "stride": [1, 2], "pool": False}
    assert sizes(entries(space(network={"stem": stem}))[0]) == {(8, 8, 8), (16, 8, 8), (8, 4, 4), (16, 4, 4)}


def test_a_stage_that_may_be_left_out_lets_its_input_through(space: Space) -> None:
    found = entries(space(stage={"repeats": [0, 1], "channels": [8, 12], "stride": [1, 2]}))
    assert sizes(found[1]) == {(8, 8, 8), (12, 8, 8), (8, 4, 4), (12, 4, 4)}


def test_what_the_input_is_too_small_for_does_not_arrive(space: Space) -> None:
    stages = [{"block": "conv", "channels": 8, "stride": [1, 2]}] * 4
    reached = entries(space(stages=stages))
    assert {entry.stride for entry in reached[-1]} == {1, 2, 4, 8}
    assert {entry.stride for entry in entries(space(stages=stages), fitting=False)[-1]} == {1, 2, 4, 8, 16}


def test_a_choice_can_be_looked_at_alone(space: Space) -> None:
    stages = [{"block": "conv", "channels": 8, "stride": [1, 2]}] * 2
    found = entries(space(stages=stages), {"stages[0].stride": 2})
    assert {entry.stride for entry in found[1]} == {2}
    assert {entry.stride for entry in found[2]} == {2, 4}


def test_few_combinations_are_all_tried_many_are_drawn_the_same_ones_each_time() -> None:
    assert len(list(combinations({"a": (1, 2), "b": (3, 4, 5)}))) == 6
    many = {name: tuple(range(10)) for name in "abcdef"}
    assert list(combinations(many)) == list(combinations(many))
    assert len(list(combinations(many))) == MAX_TRIED


def test_a_block_is_asked_at_every_repeat_of_its_stage(space: Space) -> None:
    known = space(stage={"block": "conv", "channels": 12, "repeats": [1, 2]})
    conv, entry = known.blocks["conv"], Entry(8, 8, 8, 8, 1, 1)
    values = {key: options[0] for key, options in choices_of(known, 0, conv).items()}
    tries = Tries(known)
    assert tries.at(0, conv, entry, {**values, "groups": 4, "repeats": 2}) is None
    refusal = tries.at(0, conv, entry, {**values, "groups": 8, "repeats": 1})
    assert refusal is not None
    assert not refusal.built
    assert "does not divide the 12 output channels" in refusal.why
