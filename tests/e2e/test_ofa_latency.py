"""Latency is predicted on a published table of another laboratory's GPUs, from 100 networks of 5,000."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).parents[3] / "shared/data/ofa5000_help_latency.csv"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not here: HayeonLee/HELP publishes it")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ofa_latency", Path(__file__).parents[1] / "benchmarks/ofa_latency.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ofa() -> ModuleType:
    return load()


@pytest.fixture(scope="module")
def table(ofa: ModuleType):
    return ofa.read(DATA, 500)


@pytest.mark.parametrize("column, spearman", [("v100_64", 0.99), ("v100_1", 0.88)])
def test_the_first_100_networks_rank_the_next_400_and_their_interval_holds_nine_tenths(ofa, table, column, spearman):
    found = ofa.judged(table, column, range(100))
    assert found.spearman >= spearman
    assert 0.85 <= found.held <= 0.95
