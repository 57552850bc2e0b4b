"""NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543): every network of its published table, written as stages of plugin
blocks, has the parameters and the MACs of the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import nas
from nas.canonical import canonicalise
from nas.cost.count import count_architecture
from nas.cost.table import CostTable
from nas.plugins import load_plugins

TABLE = Path(__file__).parents[3] / "shared/data/nas-bench-macro_cifar10.json"
LAYERS = ((64, 2), (128, 3), (256, 3))
CHOICES: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "0": ("identity", {}),
    "1": ("mbconv", {"kernel": 3, "expand": 3}),
    "2": ("mbconv", {"kernel": 5, "expand": 6}),
}


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, float]]:
    if not TABLE.exists():
        pytest.skip(f"the published table is not here: {TABLE}")
    found: dict[str, dict[str, float]] = json.loads(TABLE.read_text())
    return found


def architecture(key: str) -> nas.Architecture:
    """The network of a key: a digit a layer."""
    stages, digits = [], iter(key)
    for channels, layers in LAYERS:
        for index in range(layers):
            block, params = CHOICES[next(digits)]
            stages.append(nas.Stage(block, 1, 1, channels, 1 if index else 2, params))
    return nas.Architecture(
        input_shape=(3, 32, 32),
        stages=tuple(stages),
        stem=nas.Stem(channels=32, stride=1, act="relu"),
        head=nas.Head(channels=1280, dropout=0, act="relu"),
        classes=10,
        act="relu",
        norm=nas.Norm(eps=1e-5, momentum=0.1),
        drop_path=0,
    )


def test_every_network_has_the_published_parameters_and_macs(table: dict[str, dict[str, float]]) -> None:
    blocks, costs = load_plugins().blocks, CostTable()
    for key, published in table.items():
        cost = count_architecture(canonicalise(architecture(key), blocks), blocks, costs)
        assert (key, cost.params, cost.macs) == (key, published["params"], published["flops"])


def test_layers_that_do_nothing_make_no_other_network(table: dict[str, dict[str, float]]) -> None:
    blocks = load_plugins().blocks
    assert len(table) == 6_561
    assert len({canonicalise(architecture(key), blocks).arch_id for key in table}) == 3_969


def test_a_network_of_the_table_is_what_is_built(table: dict[str, dict[str, float]]) -> None:
    for key in ("00000000", "22212220", "12012012"):
        network = nas.build(architecture(key))
        assert sum(weight.numel() for weight in network.parameters()) == table[key]["params"]
