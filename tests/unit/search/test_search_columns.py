"""Columns: which there are, what a study may ask of them, and what a stored measurement must share."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nas.errors import SpecError
from nas.metrics import MetricSpec
from nas.outcomes import COST_COLUMNS, FIXED_COLUMNS
from nas.search.columns import broken, resolve_columns
from nas.spec import Bound
from nas.store.rows import ColumnRow


def resolved(ready, **metric):
    """The columns of a prepared study, with the metric `slow` changed."""
    registry = ready.plugins.metrics
    before = registry._specs["slow"]
    registry._specs["slow"] = replace(before, **metric)
    try:
        return resolve_columns(ready.spec, ready.space, ready.plugins, ready.asking)
    finally:
        registry._specs["slow"] = before


def test_a_column_is_computed_where_it_is_objective_constraint_or_has_a_table(make):
    ready = make(objectives={"width": "maximize"}, constraints={"params": "<= 9e3"}, columns={"slow": {}})
    assert {column.name: column.role for column in ready.columns} == {
        "params": "constraint", "width": "objective", "slow": "column"}


def test_an_objective_that_is_bounded_too_is_an_objective(make):
    (column,) = make(objectives={"slow": "maximize"}, constraints={"slow": ">= 1"}, columns={"slow": {}}).columns
    assert column.role == "objective"


def test_costs_come_first_then_free_then_cheap_then_expensive(make):
    names = dict.fromkeys(["slow", "quick", "wide"], "maximize") | {"macs": "minimize"}
    assert [column.name for column in make(objectives=names).columns] == ["macs", "wide", "quick", "slow"]


def test_a_cost_has_no_metric_and_its_unit_is_the_fixed_one(make):
    (column,) = make(objectives={"macs": "minimize"}).columns
    assert (column.metric, column.free, column.unit, column.direction) == (None, True, COST_COLUMNS["macs"], "minimize")
    with pytest.raises(ValueError, match="macs is no measurement"):
        column.key("a" * 12, {}, 0)


def test_only_costs_and_free_metrics_are_free(make):
    columns = make(objectives={"wide": "maximize", "quick": "maximize", "slow": "maximize"}).columns
    assert [column.free for column in columns] == [True, False, False]


def test_a_table_may_give_a_metric_another_name(make):
    (column,) = make(objectives={"server": "maximize"}, columns={"server": {"metric": "slow", "answers": 3.0}}).columns
    assert (column.name, column.metric.name, column.options["answers"]) == ("server", "slow", 3.0)


def test_options_stand_over_the_metrics_defaults(make):
    (column,) = make(objectives={"slow": "maximize"}, columns={"slow": {"answers": 3.0}}).columns
    assert column.options == {"answers": 3.0, "raises": "", "times": 99, "tag": ""}


def test_a_metric_without_declared_options_takes_any(make):
    (column,) = make(objectives={"spread": "minimize"}, columns={"spread": {"whatever": [1, 2]}}).columns
    assert column.options == {"whatever": [1, 2]}


@pytest.mark.parametrize("sections, message", [
    ({"objectives": {"widht": "maximize"}}, r"objectives\.widht: unknown column 'widht' \(did you mean 'width'\?\); there are params, macs"),
    ({"constraints": {"latncy_ms": "<= 1"}}, r"constraints\.latncy_ms: unknown column 'latncy_ms' \(did you mean 'latency_ms'"),
    ({"columns": {"mine": {}}}, r"columns\.mine: unknown column 'mine'"),
    ({"columns": {"mine": {"metric": "slwo"}}}, r"columns\.mine: unknown column 'slwo' \(did you mean 'slow'"),
    ({"objectives": {"slow": "minimize"}}, r'objectives\.slow: slow is better the other way round: write "maximize"'),
    ({"objectives": {"a": "minimize"}, "columns": {"a": {"metric": "slow"}}}, r'objectives\.a: slow is better the other way'),
    ({"columns": {"slow": {"answer": 1}}}, r"columns\.slow\.answer: metric 'slow' has no option 'answer' \(did you mean 'answers'\?\); it has answers, raises, times, tag"),
    ({"columns": {"width": {"x": 1}}}, r"columns\.width\.x: metric 'width' has no option 'x'; it has none"),
])
def test_what_a_column_cannot_be_names_file_key_value_and_remedy(make, sections, message):
    with pytest.raises(SpecError, match=r"^tiny\.toml: " + message):
        make(**sections)


def test_a_name_near_one_of_the_files_own_columns_is_told(make):
    with pytest.raises(SpecError, match="did you mean 'server_points'"):
        make(objectives={"server_point": "maximize"}, columns={"server_points": {"metric": "slow"}})


def test_a_setting_that_the_metric_refuses_is_told_in_its_words(make):
    ready = make(objectives={"slow": "maximize"})
    with pytest.raises(SpecError, match=r"^tiny\.toml: objectives\.slow: no such folder$"):
        resolved(ready, check=lambda _: "no such folder")


def test_a_table_is_the_place_where_there_is_one(make):
    ready = make(objectives={"slow": "maximize"}, columns={"slow": {}})
    with pytest.raises(SpecError, match=r"^tiny\.toml: columns\.slow: no such folder$"):
        resolved(ready, check=lambda _: "no such folder")


@pytest.mark.parametrize("hook", ["check", "conditions"])
def test_what_a_metrics_hook_raises_is_told_with_the_metrics_name(make, hook):
    def broken_hook(setting):
        raise KeyError("epochs")

    with pytest.raises(SpecError, match=r"objectives\.slow: metric 'slow' refuses this setting: KeyError: 'epochs'"):
        resolved(make(objectives={"slow": "maximize"}), **{hook: broken_hook})


def test_conditions_that_are_no_plain_values_are_refused_before_the_study(make):
    with pytest.raises(SpecError, match=r"metric 'slow' refuses this setting: TypeError: .*not JSON serializable"):
        resolved(make(objectives={"slow": "maximize"}), conditions=lambda _: {"device": object()})


def test_a_metric_is_told_every_input_shape_the_classes_and_its_options(make):
    seen = []
    ready = make(objectives={"slow": "maximize"}, input={"shape": [1, 8, 8], "resolution": [8, 16], "classes": 3})
    resolved(ready, check=seen.append)
    assert seen[0].input_shapes == ((1, 8, 8), (1, 16, 16))
    assert seen[0].classes == 3
    assert seen[0].options["answers"] == 1.0
    assert "eager" in seen[0].runtimes


KEY = {"arch_id": "a" * 12, "block_digests": {"conv": "1"}, "seed": 0}


def test_a_key_is_32_hex_digits_and_the_same_each_time(make):
    (column,) = make(objectives={"slow": "maximize"}).columns
    assert re.fullmatch(r"[0-9a-f]{32}", column.key(**KEY))
    assert column.key(**KEY) == column.key(**KEY)


@pytest.mark.parametrize("change", [{"arch_id": "b" * 12}, {"block_digests": {"conv": "2"}}, {"seed": 1}], ids=str)
def test_another_network_block_source_or_seed_is_another_key(make, change):
    (column,) = make(objectives={"slow": "maximize"}).columns
    assert column.key(**KEY) != column.key(**{**KEY, **change})


@pytest.mark.parametrize("change", [{"options": {"answers": 2}}, {"conditions": {"device": "cuda"}}, {"digest": "0"}], ids=str)
def test_other_options_conditions_or_metric_source_are_another_key(make, change):
    (column,) = make(objectives={"slow": "maximize"}).columns
    assert column.key(**KEY) != replace(column, **change).key(**KEY)


def test_another_version_of_the_metric_is_another_key(make):
    (column,) = make(objectives={"slow": "maximize"}).columns
    newer = replace(column, metric=replace(column.metric, version=2))
    assert column.key(**KEY) != newer.key(**KEY)


def test_name_and_role_of_a_column_are_no_part_of_the_key(make):
    (column,) = make(objectives={"slow": "maximize"}).columns
    assert column.key(**KEY) == replace(column, name="other", role="column", unit="s").key(**KEY)


def test_the_order_of_blocks_is_no_part_of_the_key(make):
    (column,) = make(objectives={"slow": "maximize"}).columns
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    assert column.key("a", one, 0) == column.key("a", other, 0)


def test_the_seed_is_no_part_of_the_key_of_a_metric_that_it_does_not_change(make):
    (column,) = make(objectives={"width": "maximize"}).columns
    assert column.key("a", {}, 0) == column.key("a", {}, 1)


def test_the_store_gets_a_row_a_column(make, plugin):
    macs, slow = make(objectives={"slow": "maximize", "macs": "minimize"}).columns
    assert macs.row() == ColumnRow("macs", "macs", "MACs", "minimize", "cost", "objective", True, {})
    assert slow.row() == ColumnRow("slow", "slow", "points", "maximize", str(plugin), "objective", True, dict(slow.options))
    (_, extra) = make(objectives={"macs": "minimize"}, columns={"slow": {}}).columns
    assert (extra.row().role, extra.row().required) == ("column", False)


def test_broken_names_the_bounds_that_known_values_break():
    bounds = (Bound(column="params", operator="<=", bound=10), Bound(column="slow", operator=">=", bound=1))
    assert broken(bounds, {"params": 10, "slow": 1}) == []
    assert broken(bounds, {"params": 10.5}) == [bounds[0]]
    assert broken(bounds, {"slow": 0.5, "params": 11}) == [*bounds]
    assert broken(bounds, {}) == []


def test_no_metric_is_named_like_a_fixed_column(make):
    assert not set(FIXED_COLUMNS) & set(make().plugins.metrics)
    assert all(isinstance(metric, MetricSpec) for metric in make().plugins.metrics.values())
