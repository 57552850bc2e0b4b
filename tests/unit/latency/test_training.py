"""What a model learns from: every measurement that compares, of whatever study, each network once, of one machine."""

from __future__ import annotations

import dataclasses

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from nas.arch import Architecture, Head, Stage
from nas.canonical import canonicalise
from nas.cost.table import CostTable
from nas.errors import StoreError
from nas.latency.training import Conditions, Training
from nas.plugins import load_plugins
from nas.store.identity import measurement_key
from nas.store.rows import ColumnRow, Measurement, TrialEnd, TrialStart
from nas.store.store import Store

BLOCKS = load_plugins().blocks
HOW = Conditions(("latency_ms", 1, "digest"), {"batch": 1}, {"device": "cpu"}, None)

COLUMN = ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "of a test", "objective", True)


def arch(channels: int) -> Architecture:
    return canonicalise(Architecture((1, 8, 8), (Stage("conv", 1, 1, channels, 1, {}),), head=Head(0), classes=10), BLOCKS)


@pytest.fixture
def store(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with Store.open(f"sqlite:///{tmp_path}/nas.db") as opened:
        yield opened


@pytest.fixture
def keep(store):
    """Writes a study of one trial whose latency was measured."""

    def kept(study: str, channels: int, value: float, how: Conditions = HOW, machine: str = "here", outcome: str = "ok"):
        made, setting = arch(channels), {**how.options, **how.conditions}
        row = store.find_study(study) or store.create_study(
            study, ["minimize"], ["latency_ms"], spec={}, registry={}, columns=[COLUMN],
            objectives={"latency_ms": "minimize"})
        number = store.begin_trial(row, create_trial(state=TrialState.RUNNING),
                                   TrialStart(made.arch_id, made.text, 1, 1, 1, 1, "1x1"))
        digests = {"conv": BLOCKS.origin("conv").digest}
        key = measurement_key(made.arch_id, digests, how.metric, how.options, how.conditions, how.seed)
        measurement = store.add_measurement(Measurement(
            key, made.arch_id, how.metric[0], how.metric[1], "ms", outcome, value if outcome == "ok" else None,
            conditions=setting, setting=setting, environment={"machine": machine}))
        store.end_trial(row, number, TrialEnd(outcome), {"latency_ms": measurement})

    return kept


def found(store: Store) -> list[tuple[Architecture, float]]:
    return [(one.arch, one.value) for one in Training(store, HOW, BLOCKS, CostTable()).read()]


def test_measurements_of_all_studies_are_read_in_their_order(store, keep):
    keep("one", 8, 1.0)
    keep("other", 16, 2.0)
    assert found(store) == [(arch(8), 1.0), (arch(16), 2.0)]


def test_a_network_that_was_measured_twice_counts_once_by_its_first_value(store, keep):
    keep("one", 8, 1.0)
    keep("other", 8, 3.0)
    assert found(store) == [(arch(8), 1.0)]


@pytest.mark.parametrize("changes", [
    {"options": {"batch": 2}}, {"conditions": {"device": "cuda"}}, {"metric": ("latency_ms", 2, "digest")},
    {"metric": ("latency_ms", 1, "edited")}, {"metric": ("throughput", 1, "digest")}, {"seed": 1},
])
def test_what_was_measured_in_another_way_is_left_out(store, keep, changes):
    keep("one", 8, 1.0, dataclasses.replace(HOW, **changes))
    keep("one", 16, 2.0)
    assert found(store) == [(arch(16), 2.0)]


def test_failures_and_what_is_no_time_are_left_out(store, keep):
    keep("one", 8, 1.0, outcome="oom")
    keep("one", 16, 0.0)
    assert found(store) == []


def test_of_two_machines_the_one_that_measured_last_counts(store, keep):
    keep("one", 8, 1.0, machine="there")
    keep("one", 16, 2.0)
    assert found(store) == [(arch(16), 2.0)]


def test_what_is_measured_meanwhile_is_read_too(store, keep):
    keep("one", 8, 1.0)
    training = Training(store, HOW, BLOCKS, CostTable())
    assert len(training.read()) == 1
    keep("one", 16, 2.0)
    assert [one.value for one in training.read()] == [1.0, 2.0]


def test_a_table_of_costs_that_cannot_be_read_is_an_error_and_not_a_missing_network(store, keep):
    class Broken(CostTable):
        def get(self, key):  # noqa: ARG002
            raise StoreError("the disk is gone")

    keep("one", 8, 1.0)
    training = Training(store, HOW, BLOCKS, Broken())
    for _ in range(2):
        with pytest.raises(StoreError, match="the disk is gone"):
            training.read()
