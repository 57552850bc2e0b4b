"""studies/nas_bench_macro.toml with its plugin file: exactly the published space, and its published accuracies."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nas
from nas.canonical import canonicalise
from nas.cost.count import count_architecture
from nas.cost.table import CostTable
from nas.plugins import load_plugins
from nas.space import SearchSpace
from nas.spec import load_spec

STUDIES = Path(__file__).parents[2] / "studies"
STUDY = STUDIES / "nas_bench_macro.toml"
TABLE = Path(__file__).parents[3] / "shared/data/nas-bench-macro_cifar10.json"
KEYS = ["".join(digits) for digits in product("012", repeat=8)]
PLUGINS = load_plugins([STUDIES / "nas_bench_macro.py"])
BLOCKS = PLUGINS.blocks


def loaded_plugin() -> ModuleType:
    import sys

    return sys.modules[PLUGINS.metrics["macro_accuracy"].compute.__module__]


PLUGIN = loaded_plugin()


def last(digits: str) -> str:
    """Of one width: the first layer, then those that do something, then identities."""
    return digits[0] + digits[1:].replace("0", "").ljust(len(digits) - 1, "0")


def equivalent(key: str) -> str:
    return last(key[:2]) + last(key[2:5]) + last(key[5:])


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, Any]]:
    if not TABLE.exists():
        pytest.skip(f"the published table is not here: {TABLE}")
    found: dict[str, dict[str, Any]] = json.loads(TABLE.read_text())
    return found


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    """A table of the published form in the current directory, in which each key has a value of its own."""
    monkeypatch.chdir(tmp_path)
    rows = {key: {"mean_acc": 40 + place / 200, "test_acc": [40, 41, 42]} for place, key in enumerate(KEYS)}
    (tmp_path / "nas-bench-macro_cifar10.json").write_text(json.dumps(rows))
    yield rows


def test_every_key_is_a_network_and_every_network_its_key_up_to_equivalence() -> None:
    networks = {key: canonicalise(PLUGIN.architecture(key), BLOCKS) for key in KEYS}
    assert len(networks) == 6_561
    for key, network in networks.items():
        assert PLUGIN.key_of(network) == PLUGIN.key_of(PLUGIN.architecture(key)) == equivalent(key)
    assert len({network.arch_id for network in networks.values()}) == len({*map(equivalent, KEYS)}) == 3_969


def test_the_study_spans_exactly_the_space() -> None:
    space = SearchSpace(load_spec(STUDY), BLOCKS)
    assert space.size == 6_561
    decoded = {space.decode(values) for values in space.everything()}
    assert decoded == {canonicalise(PLUGIN.architecture(key), BLOCKS) for key in {*map(equivalent, KEYS)}}


def test_networks_of_the_study_have_the_published_parameters_and_macs(table: Mapping[str, Mapping[str, Any]]) -> None:
    costs = CostTable()
    for key in KEYS[::50]:
        cost = count_architecture(canonicalise(PLUGIN.architecture(key), BLOCKS), BLOCKS, costs)
        assert (key, cost.params, cost.macs) == (key, table[key]["params"], table[key]["flops"])


def test_twenty_trials_have_the_published_accuracies(
    table: Mapping[str, Mapping[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in (STUDY, STUDIES / "nas_bench_macro.py"):
        shutil.copy(file, tmp_path)
    study = tmp_path / STUDY.name
    study.write_text(study.read_text().replace('table = "nas-bench-macro_cifar10.json"', f'table = "{TABLE}"'))
    storage = f"sqlite:///{tmp_path}/nas.db"
    nas.run(study, trials=20, storage=storage)
    frame = nas.read_report("nas_bench_macro", storage=storage)
    assert list(frame["outcome"]) == ["ok"] * 20
    for text, accuracy, params, macs in zip(
        frame["arch"], frame["macro_accuracy"], frame["params"], frame["macs"], strict=True
    ):
        published = table[PLUGIN.key_of(nas.Architecture.parse(text))]
        assert (accuracy, params, macs) == (published["mean_acc"], published["params"], published["flops"])


def test_the_study_runs_as_it_is_beside_a_table_in_the_current_directory(
    made_up: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path}/nas.db"
    nas.run(STUDY, trials=2, storage=storage)
    frame = nas.read_report("nas_bench_macro", storage=storage)
    keys = [PLUGIN.key_of(nas.Architecture.parse(text)) for text in frame["arch"]]
    assert list(frame["macro_accuracy"]) == [made_up[key]["mean_acc"] for key in keys]


def test_without_the_table_the_study_does_not_start_and_says_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nas.SpecError) as told:
        nas.run(STUDY, storage=f"sqlite:///{tmp_path}/nas.db")
    assert "columns.macro_accuracy: table = 'nas-bench-macro_cifar10.json': there is no such file." in str(told.value)
    assert "https://github.com/xiusu/NAS-Bench-Macro" in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    ["[", "[" * 200_000, "[]", '{"00000000": {}}', '{"00000000": {"mean_acc": "?", "test_acc": []}}'],
    ids=["half", "deep", "list", "empty row", "no number"],
)
def test_a_file_that_is_another_table_is_refused(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nas-bench-macro_cifar10.json").write_text(content)
    with pytest.raises(nas.SpecError, match="is not the table of NAS-Bench-Macro"):
        nas.run(STUDY, storage=f"sqlite:///{tmp_path}/nas.db")
    assert not (tmp_path / "nas.db").exists()


@pytest.mark.parametrize(
    "row", [{"mean_acc": math.nan}, {"mean_acc": math.inf}, {"mean_acc": "93"}, {"test_acc": []}, {"test_acc": "93"}]
)
def test_a_table_with_an_accuracy_that_is_no_number_is_refused_and_the_network_named(
    row: dict[str, Any], made_up: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "nas-bench-macro_cifar10.json"
    file.write_text(json.dumps({**made_up, "22222222": {**made_up["22222222"], **row}}))
    with pytest.raises(nas.SpecError, match="22222222: its accuracies are not finite numbers"):
        nas.run(STUDY, trials=1, storage=f"sqlite:///{tmp_path}/nas.db")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(("table", "said"), [(3, "must be a path, in quotes"), (".", "cannot be read: Is a directory")])
def test_a_path_that_is_none_is_refused(table: object, said: str) -> None:
    told = PLUGIN.check(nas.Setting({"table": table}, ((3, 32, 32),), 10))
    assert told is not None
    assert said in told


def with_stages(*stages: nas.Stage) -> nas.Architecture:
    return replace(PLUGIN.architecture("0" * 8), stages=stages)


OUTSIDE = {
    "another head": replace(PLUGIN.architecture("11111111"), head=nas.Head(channels=640, dropout=0, act="relu")),
    "another input": replace(PLUGIN.architecture("11111111"), input_shape=(3, 64, 64)),
    "another block": with_stages(nas.Stage("conv", 1, 1, 64, 2), *PLUGIN.architecture("1" * 8).stages[1:]),
    "another width": with_stages(*PLUGIN.architecture("1" * 8).stages[:-1], nas.Stage("mb3_k3", 1, 1, 512, 1)),
    "a layer too many": with_stages(*PLUGIN.architecture("1" * 8).stages, nas.Stage("mb3_k3", 1, 1, 256, 1)),
    "a width left out": with_stages(*PLUGIN.architecture("1" * 8).stages[2:]),
    "widths in another order": with_stages(*PLUGIN.architecture("1" * 8).stages[::-1]),
    "no first stride": with_stages(nas.Stage("mb3_k3", 1, 1, 64, 1), *PLUGIN.architecture("1" * 8).stages[1:]),
    "a second stride": with_stages(*PLUGIN.architecture("1" * 8).stages[:-1], nas.Stage("mb3_k3", 1, 1, 256, 2)),
}


@pytest.mark.parametrize("arch", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_network_outside_of_the_space_is_invalid(arch: nas.Architecture) -> None:
    with pytest.raises(nas.MeasureError, match="no network of NAS-Bench-Macro") as told:
        PLUGIN.key_of(arch)
    assert told.value.outcome == "invalid"


def test_repeated_layers_of_one_stage_are_layers() -> None:
    folded = with_stages(
        nas.Stage("mb6_k5", 1, 2, 64, 2), nas.Stage("mb6_k5", 1, 3, 128, 2), nas.Stage("mb3_k3", 1, 3, 256, 2)
    )
    assert PLUGIN.key_of(folded) == "22222111"
