"""One candidate: what is computed, in which order, what is kept of it, and how each end is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import nas
from nas.outcomes import ITS_OWN_FAULT, NOT_ITS_FAULT
from nas.search.evaluate import Evaluation, evaluate
from nas.search.prepare import Prepared
from nas.search.propose import Candidate, Proposer
from nas.store import Store

FIRST = {"stage0.repeats": 1, "stage0.channels": 8, "stage0.kernel": 3}
OTHER = FIRST | {"stage0.channels": 16}


@pytest.fixture
def evaluated(make: Callable[..., Prepared], store: Store) -> Callable[..., Evaluation]:
    """What came of a choice in the study with these sections."""

    def of(values: dict[str, Any] = FIRST, **sections: Any) -> Evaluation:
        ready = make(**sections)
        candidate = Proposer(ready.spec, ready.space, ready.columns).look(values)
        assert isinstance(candidate, Candidate)
        return evaluate(candidate, spec=ready.spec, columns=ready.columns, plugins=ready.plugins, store=store,
                        asking=ready.asking)

    return of


@pytest.fixture
def kept(store: Store) -> Callable[[int], Any]:
    """A row of nas_measurements."""
    from sqlalchemy import select

    from nas.store import tables

    def of(identity: int) -> Any:
        with store._database.read() as connection:
            rows = connection.execute(select(tables.measurements).where(tables.measurements.c.id == identity))
            return rows.mappings().one()

    return of


def rows(store: Store) -> int:
    from sqlalchemy import func, select

    from nas.store import tables

    with store._database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.measurements)).scalar_one())


def tags(calls: list[tuple[str, str]]) -> list[str]:
    return [tag for tag, _ in calls]


def test_the_costs_are_known_and_every_column_has_value_and_measurement(evaluated, kept):
    done = evaluated(columns={"slow": {"answers": 0.5}})
    assert set(done.values) == {"params", "macs", "flops", "activations", "width", "slow"}
    assert (done.values["width"], done.values["slow"]) == (8, 0.5)
    assert (done.outcome, done.message, done.feasible) == ("ok", "", True)
    assert set(done.measurements) == {"width", "slow"}
    row = kept(done.measurements["slow"])
    assert (row["value"], row["unit"], row["outcome"], row["metric_version"]) == (0.5, "points", "ok", 1)


def test_costs_alone_need_no_measurement(evaluated, store):
    done = evaluated(objectives={"params": "minimize"})
    assert (done.outcome, done.measurements, done.feasible) == ("ok", {}, True)
    assert rows(store) == 0


def test_cheap_columns_come_before_expensive_ones_whatever_the_files_order(evaluated, calls):
    evaluated(objectives={"slow": "maximize", "quick": "maximize"},
              columns={"slow": {"tag": "slow"}, "quick": {"tag": "quick"}})
    assert tags(calls) == ["quick", "slow"]


def test_columns_of_one_price_keep_the_files_order(evaluated, calls):
    evaluated(objectives={"b": "maximize", "a": "maximize"},
              columns={name: {"metric": "slow", "tag": name} for name in ("a", "b")})
    assert tags(calls) == ["b", "a"]


def test_a_broken_measured_constraint_spares_the_columns_after_it(evaluated, calls):
    done = evaluated(objectives={"slow": "maximize"}, constraints={"quick": ">= 5"},
                     columns={"slow": {"tag": "slow"}, "quick": {"tag": "quick", "answers": 4.5}})
    assert tags(calls) == ["quick"]
    assert (done.outcome, done.feasible) == ("infeasible", False)
    assert done.message == "breaks quick >= 5 by 0.5: it is 4.5"
    assert "slow" not in done.values
    assert done.values["quick"] == 4.5


def test_a_constraint_broken_by_the_last_column_is_a_complete_and_infeasible_result(evaluated):
    done = evaluated(objectives={"slow": "maximize"}, constraints={"slow": [">= 5", "<= 9"]})
    assert (done.outcome, done.feasible, done.message) == ("ok", False, "breaks slow >= 5 by 4: it is 1")
    assert done.values["slow"] == 1.0


def test_a_bound_is_inclusive(evaluated):
    done = evaluated(objectives={"slow": "maximize"}, constraints={"slow": [">= 1", "<= 1"]})
    assert (done.outcome, done.feasible) == ("ok", True)


@pytest.mark.parametrize("raises, outcome, message", [
    ("value:no idea", "metric_error", "slow: ValueError: no idea"),
    ("memory:", "oom", "slow: MemoryError: "),
    ("runtime:CUDA out of memory. Tried to allocate 2 GiB", "oom", "slow: RuntimeError: CUDA out of memory"),
    ("runtime:[enforce fail] DefaultCPUAllocator: can't allocate memory", "oom", "slow: RuntimeError: [enforce fail]"),
    ("runtime:CUDA error: an illegal memory access was encountered", "device_error", "slow: RuntimeError: CUDA error"),
    ("block:too narrow", "invalid", "slow: too narrow"),
    *((f"measure:{outcome}", outcome, "slow: told so") for outcome in (*ITS_OWN_FAULT, *NOT_ITS_FAULT, "stopped")),
    ("measure:ok", "metric_error", "slow: told so"),
    ("measure:gremlins", "metric_error", "slow: told so"),
])
def test_what_a_metric_raises_is_an_outcome_and_a_message(evaluated, kept, raises, outcome, message):
    done = evaluated(columns={"slow": {"raises": raises}})
    assert (done.outcome, done.feasible) == (outcome, False)
    assert done.message.startswith(message)
    assert "slow" not in done.values
    assert done.values["width"] == 8  # what was reached before is kept
    assert (kept(done.measurements["slow"])["outcome"], kept(done.measurements["slow"])["value"]) == (outcome, None)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_is_no_number_to_compare_is_the_outcome_nan(evaluated, value):
    done = evaluated(columns={"slow": {"answers": value}})
    assert (done.outcome, done.message) == ("nan", f"slow: the value is {value}")
    assert "slow" not in done.values


def test_a_metric_that_returns_no_number_is_told_so(evaluated):
    done = evaluated(columns={"slow": {"answers": "a text"}})
    assert done.outcome == "metric_error"
    assert done.message == "slow: TypeError: metric 'slow' must return a number or an Estimate, got str"


@pytest.mark.parametrize("conditions, said", [
    ({"layer": object()}, "cannot be stored: a object is not text, number, list or mapping"),
    ({"reference_ratio": "unknown"}, "could not convert string to float"),
])
def test_an_estimate_that_cannot_be_kept_is_the_metrics_error(make, proposer, store, conditions, said):
    ready = make(objectives={"slow": "maximize"})
    column, = ready.columns
    answer = lambda context: nas.Estimate(1.0, conditions=conditions)  # noqa: E731
    columns = (replace(column, metric=replace(column.metric, compute=answer)),)
    done = evaluate(proposer(ready).look(FIRST), spec=ready.spec, columns=columns, plugins=ready.plugins, store=store,
                        asking=ready.asking)
    assert done.outcome == "metric_error"
    assert done.message.startswith("slow: TypeError: metric 'slow': conditions or environment of its Estimate: ")
    assert said in done.message


def test_what_is_measured_under_another_condition_than_its_key_says_is_not_kept_as_good(make, proposer, store):
    ready = make(objectives={"slow": "maximize"})
    column, = ready.columns
    answer = lambda context: nas.Estimate(1.0, conditions={"data": "new", "rows": [1, 2], "more": 3})  # noqa: E731
    metric = replace(column.metric, compute=answer)

    def outcome(**conditions: object) -> Evaluation:
        columns = (replace(column, metric=metric, conditions=conditions),)
        candidate = proposer(ready).look(FIRST)
        return evaluate(candidate, spec=ready.spec, columns=columns, plugins=ready.plugins, store=store,
                        asking=ready.asking)

    assert outcome(data="new", rows=(1, 2), other=4).outcome == "ok"
    done = outcome(data="old")
    assert done.outcome == "contaminated"
    assert done.message == "slow: data was 'old' when the run began, and is 'new' now: run the study again"


def test_a_metric_that_leaves_the_program_is_a_failure_like_any_other(evaluated):
    done = evaluated(columns={"slow": {"raises": "exit:0"}})
    assert (done.outcome, done.message) == ("metric_error", "slow: SystemExit: 0")


@pytest.mark.parametrize("outcome", ITS_OWN_FAULT)
def test_the_candidates_own_fault_is_tried_once_more(evaluated, calls, store, outcome):
    done = evaluated(objectives={"slow": "maximize"}, columns={"slow": {"raises": f"measure:{outcome}"}})
    assert len(calls) == 2
    assert rows(store) == 2
    assert done.outcome == outcome


def test_what_works_at_the_second_attempt_is_ok(evaluated, calls, store):
    done = evaluated(objectives={"slow": "maximize"}, columns={"slow": {"raises": "value:hiccup", "times": 1}})
    assert (done.outcome, done.message, done.values["slow"]) == ("ok", "", 1.0)
    assert (len(calls), rows(store)) == (2, 2)  # the hiccup is on record


@pytest.mark.parametrize("outcome", ["worker_died", "throttled", "contaminated"])
def test_what_is_not_its_fault_is_tried_once_more_too(evaluated, calls, outcome):
    slow = {"raises": f"measure:{outcome}"}
    done = evaluated(objectives={"slow": "maximize"}, columns={"slow": slow})
    assert (len(calls), done.outcome) == (2, outcome)
    done = evaluated(OTHER, objectives={"slow": "maximize"}, columns={"slow": {**slow, "times": 1}})
    assert (len(calls), done.outcome) == (4, "ok")


@pytest.mark.parametrize("outcome", ["stopped", "interrupted"])
def test_what_was_stopped_is_not_tried_again(evaluated, calls, outcome):
    done = evaluated(objectives={"slow": "maximize"}, columns={"slow": {"raises": f"measure:{outcome}"}})
    assert (len(calls), done.outcome) == (1, outcome)


def test_after_a_failure_nothing_costlier_is_computed(evaluated, calls):
    done = evaluated(objectives={"slow": "maximize"},
                     columns={"slow": {"tag": "slow"}, "quick": {"tag": "quick", "raises": "value:no"}})
    assert tags(calls) == ["quick", "quick"]
    assert set(done.measurements) == {"quick"}


def test_ctrl_c_goes_through(evaluated, store):
    with pytest.raises(KeyboardInterrupt):
        evaluated(columns={"slow": {"raises": "ctrl_c:"}}, objectives={"slow": "maximize"})
    assert rows(store) == 0


def test_an_estimate_keeps_its_interval_samples_conditions_and_environment(evaluated, store, kept):
    done = evaluated(objectives={"spread": "minimize"})
    row = kept(done.measurements["spread"])
    assert {key: row[key] for key in ("value", "low", "high", "iqr", "n", "message")} == {
        "value": 2.0, "low": 1.5, "high": 2.5, "iqr": 0.5, "n": 3, "message": "quiet"}
    assert row["conditions"] == {"fused": True}
    assert row["environment"] is not None
    assert store.samples(done.measurements["spread"]) == {"": [1.5, 2.0, 2.5]}
    assert done.values["spread"] == 2.0


def test_a_measurement_is_reused_under_the_same_conditions(evaluated, calls):
    first, second = evaluated(), evaluated()
    assert len(calls) == 1
    assert first.measurements == second.measurements
    assert first.values == second.values


def test_a_measurement_is_reused_by_another_column_and_another_study(evaluated, calls):
    first = evaluated(objectives={"slow": "maximize"})
    second = evaluated(study={"name": "other"}, objectives={"again": "maximize"}, columns={"again": {"metric": "slow"}})
    assert len(calls) == 1
    assert first.measurements["slow"] == second.measurements["again"]


@pytest.mark.parametrize("change", [
    {"study": {"seed": 1}}, {"columns": {"slow": {"answers": 2.0}}}, {"values": OTHER},
], ids=["another seed", "other options", "another network"])
def test_a_measurement_is_not_reused_where_anything_differs(evaluated, calls, change):
    evaluated(objectives={"slow": "maximize"})
    evaluated(**{"objectives": {"slow": "maximize"}, **change})
    assert len(calls) == 2


def test_a_metric_that_the_seed_does_not_change_is_reused_under_another_seed(evaluated, calls):
    evaluated()
    evaluated(study={"seed": 1})
    assert tags(calls) == ["width"]


def test_a_block_whose_source_changed_is_measured_anew(make, proposer, store, calls, monkeypatch):
    ready = make()
    candidate = proposer(ready).look(FIRST)
    for digest in ("000000000000", "111111111111"):
        origin = replace(ready.plugins.blocks.origin("conv"), digest=digest)
        monkeypatch.setitem(ready.plugins.blocks._origins, "conv", origin)
        evaluate(candidate, spec=ready.spec, columns=ready.columns, plugins=ready.plugins, store=store,
                        asking=ready.asking)
    assert len(calls) == 2


def test_a_failure_is_never_reused(evaluated, calls):
    sections: dict[str, Any] = {"objectives": {"slow": "maximize"}, "columns": {"slow": {"raises": "value:no", "times": 2}}}
    assert evaluated(**sections).outcome == "metric_error"
    assert evaluated(**sections).outcome == "ok"
    assert len(calls) == 3


def test_a_free_metric_is_kept_as_a_measurement_like_any_other(evaluated, kept):
    done = evaluated(objectives={"wide": "maximize"})
    assert done.values["wide"] == 8
    assert kept(done.measurements["wide"])["value"] == 8
    assert evaluated(objectives={"wide": "maximize"}).measurements == done.measurements


def test_the_interval_of_a_free_metric_is_kept(evaluated, kept):
    done = evaluated(objectives={"wide": "maximize"}, columns={"wide": {"answers": "interval"}})
    row = kept(done.measurements["wide"])
    assert (row["value"], row["low"], row["high"], row["message"]) == (8, 7, 9, "by a table")


def test_each_metric_gets_a_fresh_network_of_the_studys_seed(make, proposer, store, monkeypatch):
    ready = make(study={"seed": 7}, objectives={"width": "maximize", "slow": "maximize"})
    seen = []

    def look(context):
        seen.append((context.seed, context.input_shape, next(context.network.parameters()).detach().clone()))
        next(context.network.parameters()).data.zero_()
        return 1.0

    columns = tuple(replace(column, metric=replace(column.metric, compute=look)) for column in ready.columns)
    evaluate(proposer(ready).look(FIRST), spec=ready.spec, columns=columns, plugins=ready.plugins, store=store,
                        asking=ready.asking)
    (one, other) = seen
    assert one[:2] == other[:2] == (7, (1, 8, 8))
    assert one[2].equal(other[2])
    assert one[2].abs().sum() > 0
