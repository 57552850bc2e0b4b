"""Costs that processes and studies share through the database."""

from __future__ import annotations

import importlib.metadata
import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nas
from nas.cost.table import BlockCost, BlockKey
from nas.errors import StoreError
from nas.search import costs
from nas.search.costs import StoredCosts
from nas.store import Store

KEY = BlockKey("conv", 1, "0123456789ab", "kernel=3", 8, 16, 2, "batch_norm", "relu", 32, 32)
COST = BlockCost(10, 20, 20, 18, 21, 5, (3, 5), (2, 2), ("fft",), ("mean",))

counts = st.integers(0, 2**62)
sizes = st.one_of(st.integers(1, 10**6), st.fractions(Fraction(1, 64), 10**6, max_denominator=64).filter(
    lambda size: size.denominator > 1))
names = st.lists(st.text(max_size=8), max_size=2).map(tuple)
block_costs = st.builds(BlockCost, counts, counts, counts, counts, counts, counts, st.tuples(sizes, sizes),
                        st.tuples(sizes, sizes), names, names)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'nas.db'}"


def _kept(url: str, key: BlockKey = KEY, cost: BlockCost = COST) -> None:
    with Store.open(url) as store:
        table = StoredCosts(store)
        table.put(key, cost)
        table.flush()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(block_costs, st.integers(1, 10**9))
def test_a_cost_comes_back_equal_types_included(url: str, cost: BlockCost, channels: int) -> None:
    key = KEY._replace(out_channels=channels)
    with Store.open(url) as store:
        if (before := StoredCosts(store).get(key)) is not None:
            cost = before
        _kept(url, key, cost)
        found = StoredCosts(store).get(key)
    assert repr(found) == repr(cost)


def test_what_one_process_has_counted_another_one_finds_that_had_looked_before(url: str) -> None:
    with Store.open(url) as store:
        early = StoredCosts(store)
        assert early.get(KEY) is None
        _kept(url)
        assert early.get(KEY) == COST


def test_another_source_size_or_torch_counts_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _kept(url)
    with Store.open(url) as store:
        table = StoredCosts(store)
        assert table.get(KEY) == COST
        assert table.get(KEY._replace(digest="ba9876543210")) is None
        assert table.get(KEY._replace(height=31)) is None
        monkeypatch.setattr(importlib.metadata, "version", lambda library: f"9.9.9 of {library}")
        costs._counters.cache_clear()
        assert StoredCosts(store).get(KEY) is None
    costs._counters.cache_clear()


@pytest.mark.parametrize("row", ["[]", '[1,2,3,4,5,6,"1","1","1","1",7,[]]', '{"params": 1}', '[1,2,3,4,5,6,"1","1/0","1","1",[],[]]', "nothing"])
def test_a_row_that_is_no_cost_is_told_and_not_counted_over(url: str, row: str) -> None:
    _kept(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE nas_costs SET cost = ?", (row,))
    connection.close()
    with Store.open(url) as store, pytest.raises(StoreError, match="the database is damaged"):
        StoredCosts(store).get(KEY)


def test_a_second_study_of_the_database_counts_no_block_again(spec, url, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"objectives": {"params": "minimize", "macs": "minimize"}}
    nas.run(spec(**costs), 3, url, isolated=False)
    first = nas.read_report("tiny", url)

    def count_block(*_: object, **__: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr("nas.cost.module.count_block", count_block)
    nas.run(spec(**costs, study={"name": "second"}), 3, url, isolated=False)
    again = nas.read_report("second", url)
    assert list(again["macs"]) == list(first["macs"])


def test_a_damaged_table_ends_the_run_and_rejects_no_network(spec, url) -> None:
    costs = {"objectives": {"params": "minimize", "macs": "minimize"}}
    nas.run(spec(**costs), 2, url, isolated=False)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE nas_costs SET cost = '[1]'")
    connection.close()
    with pytest.raises(StoreError, match="the database is damaged"):
        nas.run(spec(**costs), 3, url, isolated=False)
