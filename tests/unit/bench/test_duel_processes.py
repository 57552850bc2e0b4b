"""Real processes, few and short; how long the networks take is nobody's business here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.bench.pair import paired, task
from nas.errors import MeasureError
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins
from nas.worker import Tell
from nas.zoo import canonical_with

SMALL, LARGER = (
    nas.Architecture((3, 32, 32), (nas.Stage("conv", 1, repeats, 8, 2),), stem=nas.Stem(channels=8), classes=4)
    for repeats in (1, 3)
)

BLOCK = """
import nas
from torch import nn

def build(io):
    import os
    {act}
    return nn.Conv2d(io.in_channels, io.out_channels, 1, stride=io.stride)

@nas.hookimpl
def nas_blocks():
    return [nas.BlockSpec("mine", version=1, build=build, params={{}})]
"""


def mine(tmp_path: Path, act: str) -> tuple[Path, nas.Architecture]:
    file = tmp_path / "mine.py"
    file.write_text(BLOCK.format(act=act))
    return file, nas.Architecture((3, 16, 16), (nas.Stage("mine", 1, 1, 8, 1),), classes=4)


def test_a_duel_of_one_short_process_is_undecided_and_keeps_every_sample() -> None:
    told: list[str] = []
    duel = nas.duel(SMALL, LARGER, "cpu", threads=1, max_seconds=0.1, max_samples=30, budget_s=0.001, tell=told.append)
    assert (duel.verdict, duel.stopped_by) == ("undecided", "seconds")
    [process] = duel.processes
    assert 2 <= len(process.a_ms) == len(process.b_ms) == duel.pairs <= 30
    assert min(*process.a_ms, *process.b_ms) > 0
    assert duel.ratio == pytest.approx(process.ratio)
    assert duel.conditions["threads"] == 1
    assert duel.conditions["fused"] == [True, True]
    [state] = duel.environment["state"]  # type: ignore[misc]
    assert state["before"]["process"] == state["after"]["process"] != os.getpid()
    assert told[0].startswith("no verdict is possible before 9 processes")
    assert told[1:] == ["process 1 of at most 24"]


def test_a_network_that_kills_its_process_is_tried_twice_and_ends_the_duel_alone(tmp_path: Path) -> None:
    file, arch = mine(tmp_path, f"os.getpid() == {os.getpid()} or os._exit(3)")
    told: list[str] = []
    with pytest.raises(MeasureError, match="exited with 3") as raised:
        nas.duel(arch, SMALL, "cpu", plugins=[file], tell=told.append)
    assert raised.value.outcome == "worker_died"
    assert len(told) == 2
    assert "tried again" in told[1]


def asked(options: LatencyOptions, **changed: Any) -> dict[str, object]:
    plugins = load_plugins(changed.pop("files", ()))
    networks = [str(canonical_with(arch, plugins)) for arch in changed.pop("networks", (SMALL, LARGER))]
    return {**task(plugins, networks, options, 0, 1, True, 0.05), **changed}


def test_the_job_announces_each_phase_and_prepares_the_second_network_first_where_told_so() -> None:
    said: list[Any] = []
    options = LatencyOptions("cpu", threads=1, max_seconds=0.05)
    answer = paired(asked(options), Tell(said.append))
    phases = [message["phase"] for message in said]
    networks = [str(canonical_with(arch, load_plugins())) for arch in (LARGER, SMALL)]
    wanted = ["loading plugins", *(f"preparing {text[:60]}" for text in networks), "timing"]
    assert [phase for phase in phases if phase != "waiting for the device"] == wanted
    assert answer["warnings"] == [(), ()]


def test_a_setting_that_this_machine_cannot_do_is_an_answer() -> None:
    answer = paired(asked(LatencyOptions("cpu", threads=4096)), Tell(lambda message: None))
    assert "threads = 4096" in str(answer["refused"])


def test_a_plugin_that_was_edited_since_ends_the_duel(tmp_path: Path) -> None:
    file, arch = mine(tmp_path, "pass")
    told = asked(LatencyOptions("cpu", threads=1, max_seconds=0.05), files=[file], networks=(arch, arch))
    file.write_text(BLOCK.format(act="pass") + "\n# edited\n")
    with pytest.raises(MeasureError, match="source of block 'mine' was changed") as raised:
        paired(told, Tell(lambda message: None))
    assert raised.value.outcome == "contaminated"
