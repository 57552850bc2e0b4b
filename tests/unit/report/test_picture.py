"""The front as a picture: valid, inert, complete."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.drawing import labels
from nas.report.picture import HEIGHT, WIDTH, nice_ticks, picture
from nas.report.report import Report

SVG = "{http://www.w3.org/2000/svg}"
FRONT_RADIUS, OTHER_RADIUS = "5", "3.5"


def circles(report: Report, radius: str) -> list[ET.Element]:
    found = ET.fromstring(picture(report)).iter(f"{SVG}circle")
    return [circle for circle in found if circle.get("r") == radius]


def words(report: Report) -> str:
    return " ".join(ET.fromstring(picture(report)).itertext())


def test_every_successful_trial_is_a_point_and_those_of_the_front_stand_out(report: Report) -> None:
    assert len(circles(report, FRONT_RADIUS)) == 2
    assert len(circles(report, OTHER_RADIUS)) == 2


def test_points_of_the_front_tell_their_trial_and_values(report: Report) -> None:
    told = {circle.findtext(f"{SVG}title") for circle in circles(report, FRONT_RADIUS)}
    assert told == {"trial 0: latency_ms 1.25, accuracy 0.8101", "trial 1: latency_ms 3.123, accuracy 0.9533"}


def test_axes_name_objective_unit_and_direction(report: Report) -> None:
    assert "accuracy (fraction), higher is better" in words(report)
    assert "latency_ms (ms), lower is better" in words(report)


def test_all_points_lie_inside(report: Report) -> None:
    for circle in [*circles(report, FRONT_RADIUS), *circles(report, OTHER_RADIUS)]:
        assert 0 < float(circle.get("cx", "nan")) < WIDTH
        assert 0 < float(circle.get("cy", "nan")) < HEIGHT


def test_better_values_lie_further_up_where_more_is_better(report: Report) -> None:
    study = dataclasses.replace(report.study, objectives={"latency_ms": "minimize", "accuracy": "maximize"})
    first, second = circles(dataclasses.replace(report, study=study), FRONT_RADIUS)
    assert float(first.get("cx", "nan")) < float(second.get("cx", "nan"))  # slower to the right
    assert float(first.get("cy", "nan")) > float(second.get("cy", "nan"))  # more accurate further up


def test_one_objective_is_drawn_over_the_trials(report: Report) -> None:
    study = dataclasses.replace(report.study, objectives={"accuracy": "maximize"})
    found = words(dataclasses.replace(report, study=study))
    assert "accuracy (fraction), higher is better" in found
    assert " trial " in found


def test_a_front_of_three_objectives_is_called_one(report: Report) -> None:
    objectives = {**report.study.objectives, "params": "minimize"}
    study = dataclasses.replace(report.study, objectives=objectives)
    assert "front of all 3 objectives" in words(dataclasses.replace(report, study=study))


def test_a_study_without_successful_trials_says_so(empty_report: Report) -> None:
    assert "no trial was successful" in words(empty_report)


def test_an_infinite_value_is_left_out(report: Report) -> None:
    frame = report.frame.copy()
    frame.loc[2, "latency_ms"] = math.inf
    assert len(circles(dataclasses.replace(report, frame=frame), OTHER_RADIUS)) == 1


def test_text_of_others_is_inert(report: Report) -> None:
    study = dataclasses.replace(report.study, name="</text><script>\x1b&" + "x" * 200)
    root = ET.fromstring(picture(dataclasses.replace(report, study=study)))
    assert not list(root.iter(f"{SVG}script"))
    assert "</text><script>" in "".join(root.itertext())


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.booleans())
def test_ticks_enclose_the_values_in_few_even_steps(one: float, other: float, whole: bool) -> None:
    low, high = sorted((one, other))
    ticks = nice_ticks(low, high, whole)
    steps = [after - before for before, after in pairwise(ticks)]
    slack = 1e-9 * max(abs(low), abs(high))
    assert ticks[0] <= low + slack
    assert high - slack <= ticks[-1]
    assert 1 <= len(steps) <= 8
    assert min(steps) > 0
    assert min(steps) == pytest.approx(max(steps), rel=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.1, 5.9, [3, 3.5, 4, 4.5, 5, 5.5, 6]),
        (7.0, 7.0, [6, 8]),
        (0.0, 0.0, [0.0, 0.2]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_counted_things_have_whole_ticks() -> None:
    assert nice_ticks(0, 1, whole=True) == [0, 1]


def test_a_label_lies_at_no_other_point_and_is_left_out_where_there_is_no_room() -> None:
    points = [(100.0, 100.0), (112.0, 100.0), (300.0, 300.0), (301.0, 301.0), (300.0, 301.0)]
    placed = dict(labels(["25", "17", "1", "2", "3"], points))
    assert placed["25"][0] < 100
    assert placed["17"][0] > 112
    assert not {"1", "2", "3"} & placed.keys()
