"""Measurements: found by their key whatever study they were made for, with every raw sample."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import StoreError
from nas.plain import dump, plain
from nas.store.rows import Measurement, StudyRow
from nas.store.samples import MAX_SAMPLES, pack, unpack
from nas.store.store import Store

Make = Callable[..., Measurement]


def test_a_measurement_is_read_back_whole(store: Store) -> None:
    samples = [float(np.float32(2.5 + 0.01 * place)) for place in range(40)]
    made = Measurement(
        key="k" * 64, arch_id="a" * 12, metric="latency_ms", metric_version=3, unit="ms", outcome="ok", value=2.7,
        low=2.6, high=2.8, iqr=0.1, n=40, message="the clock was low",
        conditions={"device": "cpu", "fused": True, "threads": 2, "state": {"before": {"load": [0.5, 0.25]}},
                    "reference_samples_ms": samples, "reference_ratio": 1.25},
        reference_ratio=1.25, environment={"cpu": "x", "cpus": 2}, seconds=0.5, samples=samples, seed=2**40,
    )
    measurement_id = store.add_measurement(made)
    assert store.find_measurement("k" * 64) == (measurement_id, made)
    assert store.samples(measurement_id) == {"": samples, "reference_samples_ms": samples}


def test_what_a_column_s_measurements_share_is_kept_once_and_read_with_each(store: Store, make_measurement: Make) -> None:
    setting = {"device": "cpu", "batch": 1, "fuse": True}
    for batch in (1, 4):  # the metric found another batch than was asked for
        conditions = {**setting, "batch": batch, "fused": False}
        store.add_measurement(make_measurement(key=f"batch {batch}", conditions=conditions, setting=setting))
        found = store.find_measurement(f"batch {batch}")
        assert found
        assert found[1].conditions == conditions
        assert found[1].setting == setting
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT count(*) FROM nas_settings").fetchone() == (1,)
        own = [json.loads(text) for (text,) in connection.execute("SELECT conditions FROM nas_measurements")]
    assert own == [{"fused": False}, {"batch": 4, "fused": False}]


def test_a_failed_measurement_is_kept_and_not_found(store: Store, make_measurement: Make) -> None:
    store.add_measurement(make_measurement(value=None, outcome="oom", message="1 GiB too much"))
    assert store.find_measurement("key") is None
    first = store.add_measurement(make_measurement(value=1.0))
    store.add_measurement(make_measurement(value=2.0))
    found = store.find_measurement("key")
    assert found
    assert (found[0], found[1].value) == (first, 1.0)


def test_without_a_count_the_samples_are_counted(store: Store, make_measurement: Make) -> None:
    for samples, n in (([1.0, 2.0], 2), ([], None)):
        store.add_measurement(make_measurement(str(n), samples=samples))
        found = store.find_measurement(str(n))
        assert found
        assert found[1].n == n


def test_an_environment_is_kept_once_whatever_the_order_of_its_keys(
    store: Store, study: StudyRow, make_measurement: Make, run_trial: Callable[..., int]
) -> None:
    environments = [{"cpu": "x", "cpus": 2}, {"cpus": 2, "cpu": "x"}, {"cpu": "y", "cpus": 2}, None]
    for key, environment in enumerate(environments):
        measurement = store.add_measurement(make_measurement(str(key), environment=environment))
        run_trial(store, study, measurements={"latency_ms": measurement})
    kept = store.environment_rows(study)
    assert sorted(kept.values(), key=str) == [{"cpu": "x", "cpus": 2}, {"cpu": "y", "cpus": 2}]
    fingerprints = [row["environment"] for row in store.measurement_rows(study)]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert fingerprints[3] is None


def test_conditions_that_are_no_plain_values_are_refused_and_nothing_is_kept(
    store: Store, make_measurement: Make
) -> None:
    with pytest.raises(StoreError, match="cannot be stored: a object"):
        store.add_measurement(make_measurement(conditions={"thing": object()}, environment={"cpu": "x"}))
    assert store.find_measurement("key") is None
    with store.optuna.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM nas_environments").scalar() == 0


def test_plain_values_are_strict_json() -> None:
    value = {"a": (1, 2.5), 3: np.float32(0.5), "set": {2, 1}, "nan": math.nan, "inf": -math.inf, "b": np.int64(7)}
    assert plain(value) == {"a": [1, 2.5], "3": 0.5, "set": [1, 2], "nan": "nan", "inf": "-inf", "b": 7}
    assert dump({"text": "ü\ud800"}) == '{"text":"\\u00fc\\ud800"}'


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=50))
def test_samples_survive_to_float32(values: list[float]) -> None:
    assert unpack(pack(values), len(values)) == values


def test_samples_are_small() -> None:
    values = np.random.default_rng(0).normal(2.5, 0.01, 1000).tolist()
    assert len(pack(values)) < 0.8 * 4 * len(values)


@pytest.mark.parametrize(
    ("data", "n"),
    [(b"", 1), (b"junk", 1), (pack([1.0]), 2), (pack([1.0, 2.0]), 1), (pack([1.0]), -1), (b"", MAX_SAMPLES + 1)],
)
def test_damaged_samples_are_a_store_error(data: bytes, n: int) -> None:
    with pytest.raises(StoreError, match="damaged"):
        unpack(data, n)


def test_a_blob_that_inflates_to_more_than_it_promises_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(50_000_000), level=9)
    with pytest.raises(StoreError, match="damaged"):
        unpack(bomb, 10)


@given(st.binary(max_size=200), st.integers(-5, 60))
def test_any_blob_is_samples_or_a_store_error(data: bytes, n: int) -> None:
    with contextlib.suppress(StoreError):
        assert len(unpack(data, n)) == n
