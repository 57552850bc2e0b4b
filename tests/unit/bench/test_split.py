"""A network's time in parts: the parts are the network, and what they take adds up to a pass."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.bench.split import TOLERANCE, Split, cut, middle_half, parts_of
from nas.bench.split import split as job
from nas.bench.stages import in_words
from nas.worker import Tell

TEXT = str(nas.Architecture(
    (3, 16, 16), (nas.Stage("conv", 1, 2, 8, 2), nas.Stage("mbconv", 1, 1, 16, 1)), nas.Stem(channels=8), classes=5
))


def test_the_parts_are_stem_stages_and_head_and_run_as_the_network_does() -> None:
    network = nas.build(TEXT, seed=0).eval()
    marks: list[int] = []
    x = torch.randn(2, 3, 16, 16)
    parts = parts_of(network)
    with torch.inference_mode():
        answer = cut(parts, x, lambda: marks.append(len(marks)))
        assert torch.equal(answer, network(x))
    assert len(parts) == 4
    assert marks == [0, 1, 2, 3, 4]  # before the first part, and after each: nothing of a pass lies outside
    held = {id(weight) for part in parts for weight in part.parameters()}
    assert held == {id(weight) for weight in network.parameters()}


@given(st.lists(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=3), min_size=1, max_size=40))
def test_parts_add_up_to_the_mean_of_the_passes_that_count(passes: list[list[float]]) -> None:
    totals = sorted(map(sum, passes))
    quarter = len(totals) // 4
    kept = totals[quarter: len(totals) - quarter]
    assert sum(middle_half(passes)) == pytest.approx(sum(kept) / len(kept))


def test_passes_that_were_held_up_do_not_count() -> None:
    passes = [[1.0, 2.0]] * 6 + [[50.0, 2.0], [1.0, 90.0]]
    assert middle_half(passes) == (1.0, 2.0)


def test_parts_that_are_held_up_in_turns_still_add_up_to_a_pass() -> None:
    passes = [[1.0, 1.0, 5.0], [5.0, 1.0, 1.0], [1.0, 5.0, 1.0]] * 10  # each median is 1, each pass takes 7
    assert sum(middle_half(passes)) == pytest.approx(7.0)


def test_no_passes_have_no_middle() -> None:
    with pytest.raises(ValueError, match="no passes"):
        middle_half([])


@pytest.mark.parametrize(("whole", "fits"), [(10.0, True), (10.0 / (1 - TOLERANCE) - 0.01, True), (12.0, False), (8.0, False)])
def test_a_sum_is_held_against_the_whole(whole: float, fits: bool) -> None:
    found = Split((4.0, 6.0), whole, 20, "cpu")
    assert found.adds_up is fits
    assert ("differ by more than 10%" in in_words(found)) is not fits
    assert f"add up to 10 ms, {10 / whole:.1%} of the whole" in in_words(found)


def test_the_job_times_each_part_and_the_whole() -> None:
    said: list[object] = []
    options = {"device": "cpu", "max_seconds": 0.2, "threads": 1}
    task = {"network": TEXT, "options": options, "plugin_files": (), "entry_points": True}
    told = job(task, Tell(said.append))
    assert isinstance(told, dict)
    assert set(told) == {field.name for field in dataclasses.fields(Split)}
    assert len(told["parts_ms"]) == 4
    assert min(told["parts_ms"]) > 0
    assert told["whole_ms"] > 0
    assert "batch norms folded" in told["conditions"]
    assert {"phase": "timing the parts", "limit_s": pytest.approx(60.4)} in said


def test_a_device_that_cannot_do_it_is_refused_in_words() -> None:
    task = {"network": TEXT, "options": {"device": "cuda:97"}, "plugin_files": (), "entry_points": True}
    told = job(task, Tell(lambda said: None))
    assert isinstance(told, dict)
    assert "cuda:97" in told["refused"]
