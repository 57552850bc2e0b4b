"""What a metric plugin may hand over, what is refused, and what a metric is told of a candidate."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

import nas
from nas.metrics import as_estimate, broken_contract, is_finite
from nas.outcomes import FIXED_COLUMNS

ARCH = nas.Architecture((1, 8, 8), (nas.Stage("conv", 1, 1, 8, 1),), classes=10)


def spec(**changed: object) -> nas.MetricSpec:
    values: dict[str, object] = {
        "name": "depth", "unit": "blocks", "direction": "minimize", "version": 1, "compute": len
    }
    return nas.MetricSpec(**{**values, **changed})  # type: ignore[arg-type]


def context(**changed: object) -> nas.MetricContext:
    values: dict[str, object] = {
        "arch": ARCH, "input_shape": ARCH.input_shape, "options": {}, "seed": 3, "device": "cpu",
        "build_network": nn.Identity,
    }
    return nas.MetricContext(**{**values, **changed})  # type: ignore[arg-type]


def test_the_fields_begin_with_those_of_the_contract_in_their_order() -> None:
    names = [field.name for field in fields(nas.MetricSpec)]
    assert names[:6] == ["name", "unit", "direction", "version", "compute", "cost"]


def test_five_values_are_a_whole_metric() -> None:
    metric = nas.MetricSpec("depth", "blocks", "minimize", 1, len)
    setting = nas.Setting({}, ((1, 8, 8),), 10)
    assert broken_contract(metric) is None
    assert (metric.cost, metric.options, metric.seeded) == ("expensive", None, True)
    assert metric.check(setting) is None
    assert metric.conditions(setting) == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Depth"}, "metric name 'Depth' must be lower case letters, digits and underscores"),
        ({"name": 3}, "metric name 3 must be"),
        ({"version": 0}, "metric 'depth': version 0 must be a whole number from 1"),
        ({"version": True}, "version True must be"),
        ({"direction": "down"}, "metric 'depth': direction 'down' must be 'minimize' or 'maximize'"),
        ({"cost": "dear"}, "metric 'depth': cost 'dear' must be 'free', 'cheap' or 'expensive'"),
        ({"unit": None}, "metric 'depth': unit None must be a text"),
        ({"compute": 1.0}, "metric 'depth': compute must be callable, got 1.0"),
        ({"check": None}, "check must be callable, got None"),
        ({"conditions": {}}, "conditions must be callable, got {}"),
        ({"options": ["epochs"]}, "metric 'depth': options must be a mapping of names to default values, or None, got list"),
        ({"options": {3: 4}}, "metric 'depth': option name 3 must be lower case letters, digits and underscores"),
        ({"options": {"metric": "x"}}, "metric 'depth': option 'metric' is a key of every column; choose another name"),
    ],
)
def test_what_breaks_the_contract_is_named(changed: dict[str, object], said: str) -> None:
    assert said in str(broken_contract(spec(**changed)))


@pytest.mark.parametrize("name", FIXED_COLUMNS)
def test_a_fixed_column_s_name_is_taken(name: str) -> None:
    assert broken_contract(spec(name=name)) == (
        f"metric name '{name}' is a fixed column of every report; choose another name"
    )


@pytest.mark.parametrize("given", [None, "depth", len, {"name": "depth"}])
def test_what_is_no_metric_spec_is_named_by_its_type(given: object) -> None:
    assert broken_contract(given) == f"nas_metrics must give MetricSpec values, got {type(given).__name__}"


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), torch.tensor(2), torch.tensor([2.0])])
def test_a_number_of_any_kind_becomes_an_estimate_of_a_float(value: object) -> None:
    assert as_estimate(value, "depth") == nas.Estimate(2.0)
    assert type(as_estimate(value, "depth").value) is float


def test_an_estimate_keeps_all_that_it_says() -> None:
    given = nas.Estimate(2, 1.5, 2.5, (1, 2, 3), 0.3, {"fused": True}, {"cpu": "x"}, "warm")
    assert as_estimate(given, "depth") == given
    assert type(as_estimate(given, "depth").value) is float


def test_numbers_of_any_kind_in_an_estimate_become_floats() -> None:
    given = nas.Estimate(torch.tensor(2), np.float32(1.5), torch.tensor(2.5), np.array([1, 2, 3]), np.float32(0.25))  # type: ignore[arg-type]
    found = as_estimate(given, "depth")
    assert (found.value, found.low, found.high, found.samples, found.iqr) == (2.0, 1.5, 2.5, (1.0, 2.0, 3.0), 0.25)
    assert {type(number) for number in (found.value, found.low, found.high, *found.samples, found.iqr)} == {float}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"low": "one"}, "low of its Estimate must be a number, got str"),
        ({"high": [3]}, "high of its Estimate must be a number, got list"),
        ({"samples": [[1, 2], [3, 4]]}, "samples of its Estimate must be numbers"),
        ({"samples": 3}, "samples of its Estimate must be numbers"),
        ({"conditions": None}, "conditions of its Estimate cannot be a NoneType"),
        ({"environment": "here"}, "environment of its Estimate cannot be a str"),
        ({"message": None}, "message of its Estimate cannot be a NoneType"),
    ],
)
def test_an_estimate_of_other_things_is_refused_by_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(TypeError, match=f"metric 'depth': {said}"):
        as_estimate(nas.Estimate(1.0, **wrong), "depth")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, "two", [1, 2], {}, nas.Estimate(None)])  # type: ignore[arg-type]
def test_what_is_no_number_is_refused_with_the_metric_and_the_type(value: object) -> None:
    with pytest.raises(TypeError, match=f"metric 'depth' must return a number or an Estimate, got {type(value).__name__}"):
        as_estimate(value, "depth")


@pytest.mark.parametrize(
    ("value", "finite"), [(0.0, True), (-1e300, True), (None, False), (math.nan, False), (math.inf, False), (-math.inf, False)]
)
def test_a_value_is_finite_where_it_is_there_and_a_number(value: float | None, finite: bool) -> None:
    assert is_finite(value) is finite


def test_the_network_is_built_once_and_only_when_asked_for() -> None:
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(nn.Identity())
        return built[-1]

    asked = context(build_network=build)
    assert built == []
    assert asked.network is asked.network
    assert len(built) == 1


def test_the_cost_is_what_the_search_counted() -> None:
    cost = nas.count(ARCH)
    assert context(known_cost=cost).cost is cost


def test_a_context_without_a_cost_says_so() -> None:
    with pytest.raises(nas.MeasureError, match="known_cost"):
        _ = context().cost


def test_a_metric_that_learns_reports_its_curve_and_asks_whether_to_stop() -> None:
    learning = context(stop_rule=lambda curve: curve[-1][1] < 0.5)
    learning.report(1, 0.9)
    assert learning.should_stop() is False
    learning.report(2, 0.4)
    assert learning.should_stop() is True
    assert learning.curve == [(1, 0.9), (2, 0.4)]


def test_without_a_rule_nothing_stops_and_curves_are_not_shared() -> None:
    one, other = context(), context()
    one.report(1, 0.9)
    assert one.should_stop() is False
    assert other.curve == []
