"""A tiny study whose candidates cost next to nothing: metrics that are one line each, in a local plugin."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.search.prepare import Prepared, prepare
from nas.search.propose import Proposer
from nas.spec import StudySpec, parse_spec
from nas.store import Store

PLUGIN = '''
"""Metrics of a test. What they do is told by the options of their column; `calls` counts them by column."""
import nas

calls = []

def act(context):
    """Answers, raises or waits, as the column's options say, the first `times` times."""
    calls.append((context.options["tag"], context.arch.arch_id))
    seen = sum(call == calls[-1] for call in calls)
    raises = context.options["raises"]
    if raises and seen <= context.options["times"]:
        kind, _, text = raises.partition(":")
        if kind == "measure":
            raise nas.MeasureError("told so", text)
        raise {"value": ValueError, "memory": MemoryError, "runtime": RuntimeError, "block": nas.BlockError,
               "ctrl_c": KeyboardInterrupt, "exit": SystemExit}[kind](text)
    if context.options["answers"] == "a text":
        return "a text"
    return float(context.options["answers"])

def interval(context):
    return nas.Estimate(2.0, low=1.5, high=2.5, samples=(1.5, 2.0, 2.5), iqr=0.5, conditions={"fused": True},
                        environment={"machine": "of a test"}, message="quiet")

def width(context):
    calls.append(("width", context.arch.arch_id))
    return sum(stage.channels * stage.repeats for stage in context.arch.stages)

def free(context):
    answers = context.options["answers"]
    if answers == "network":
        context.network
    if answers == "raises":
        raise ValueError("no figure")
    if answers == "interval":
        return nas.Estimate(8.0, low=7.0, high=9.0, message="by a table")
    return float("nan") if answers == "nan" else context.arch.stages[0].channels

OPTIONS = {"answers": 1.0, "raises": "", "times": 99, "tag": ""}

@nas.hookimpl
def nas_metrics():
    return [
        nas.MetricSpec("quick", "points", "maximize", 1, act, cost="cheap", options=OPTIONS),
        nas.MetricSpec("slow", "points", "maximize", 1, act, options=OPTIONS),
        nas.MetricSpec("spread", "ms", "minimize", 1, interval),
        nas.MetricSpec("width", "channels", "maximize", 1, width, cost="cheap", options={}, seeded=False),
        nas.MetricSpec("wide", "channels", "maximize", 1, free, cost="free", options={"answers": ""}),
    ]
'''

STUDY: dict[str, Any] = {
    "study": {"name": "tiny", "trials": 4, "sampler": "random", "seed": 0},
    "input": {"shape": [1, 8, 8], "classes": 10},
    "network": {"stem": {"channels": 8, "stride": 1}, "head": {"channels": 16, "dropout": 0}, "drop_path": 0},
    "stages": [{"block": "conv", "repeats": [1, 2], "channels": [8, 12, 16], "stride": 2, "kernel": [3, 5]}],
    "objectives": {"width": "maximize", "macs": "minimize"},
}
"""12 networks of 1,000 to 11,000 parameters."""


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugin") / "metrics_of_a_test.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


@pytest.fixture
def calls(make: Callable[..., Prepared]) -> list[tuple[str, str]]:
    """What the plugin's metrics were asked in this test: (tag of the column, arch_id)."""
    found: list[tuple[str, str]] = make().plugins.metrics["quick"].compute.__globals__["calls"]
    found.clear()
    return found


@pytest.fixture
def spec() -> Callable[..., StudySpec]:
    """The study with other sections; `study` and `stage` change single keys of theirs."""

    def changed(study: dict[str, Any] | None = None, stage: dict[str, Any] | None = None, **sections: Any) -> StudySpec:
        data = {**STUDY, "study": {**STUDY["study"], **(study or {})}, **sections}
        if stage is not None:
            data["stages"] = [{**STUDY["stages"][0], **stage}]
        return parse_spec(data, "tiny.toml")

    return changed


@pytest.fixture
def make(spec: Callable[..., StudySpec], plugin: Path) -> Callable[..., Prepared]:
    """The study, prepared with the plugin."""
    return lambda **changes: prepare(spec(**changes), [plugin], isolated=False)


@pytest.fixture
def proposer() -> Callable[[Prepared], Proposer]:
    return lambda ready: Proposer(ready.spec, ready.space, ready.columns)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set up once: most of the time of a new database goes into Optuna's tables."""
    path = tmp_path_factory.mktemp("empty") / "nas.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def storage(tmp_path: Path, empty_database: Path) -> str:
    """The URL of a database without a study."""
    shutil.copy(empty_database, tmp_path / "nas.db")
    return f"sqlite:///{tmp_path / 'nas.db'}"


@pytest.fixture
def store(storage: str) -> Iterator[Store]:
    with Store.open(storage) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Optuna logs each trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(before)
