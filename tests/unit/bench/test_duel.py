"""`nas.duel`: how it goes from process to process, what it answers, and what it refuses."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas
import nas.bench.duel
from nas.bench.duel import settle
from nas.bench.limits import Limits
from nas.errors import BlockError, MeasureError, NasError, SpecError
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins
from nas.zoo import canonical_with

SMALL = nas.Architecture(
    input_shape=(3, 32, 32), stages=(nas.Stage("conv", 1, 1, 8, 2),), stem=nas.Stem(channels=8), classes=4
)
LARGER = nas.Architecture(
    input_shape=(3, 32, 32), stages=(nas.Stage("conv", 1, 3, 8, 2),), stem=nas.Stem(channels=8), classes=4
)


def answer(log_ratio: float, **changed: Any) -> dict[str, Any]:
    """What a process says in which b takes exp(log_ratio) times as long as a."""
    return {
        "a_s": [0.010, 0.020, 0.010],
        "b_s": [0.010 * math.exp(log_ratio), 0.020 * math.exp(log_ratio), 0.011 * math.exp(log_ratio)],
        "precise": True,
        "warm": [True, True],
        "foreign_cpus": 0.1,
        "environment": {"host": "here", "torch": "2", "state": {"before": {}, "after": {}, "foreign_cpus": 0.1}},
        "warnings": [[], []],
        "doubts": [],
        "conditions": {"device": "cpu", "threads": 1, "fused": [True, True]},
        **changed,
    }


class Processes:
    """Takes the place of real processes; `asked` is what each was told to do."""

    def __init__(self) -> None:
        self.answers: Iterable[Any] = iter(())
        self.asked: list[Mapping[str, Any]] = []

    def __call__(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(asked)
        told = next(iter(self.answers))
        if isinstance(told, Exception):
            raise told
        return answer(told) if isinstance(told, float) else told


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    ours = Processes()
    monkeypatch.setattr(nas.bench.duel, "_in_fresh_process", ours)
    return ours


def small(**changed: Any) -> nas.Duel:
    return nas.duel(SMALL, LARGER, **{"device": "cpu", "threads": 1, **changed})


def test_a_block_that_does_not_build_is_told_before_any_process_is_started(processes: Processes, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("""
import nas

def build(io):
    raise ValueError("no such width")

@nas.hookimpl
def nas_blocks():
    return [nas.BlockSpec("broken", version=1, build=build, params={})]
""")
    with pytest.raises(BlockError, match="no such width"):
        nas.duel(replace(SMALL, stages=(nas.Stage("broken", 1, 1, 8, 1),)), SMALL, "cpu", plugins=[file])
    assert processes.asked == []


def test_a_difference_that_every_process_sees_is_called_at_the_first_look(processes: Processes) -> None:
    processes.answers = itertools.repeat(0.05)
    duel = small()
    assert (duel.verdict, duel.stopped_by) == ("slower", "verdict")
    assert duel.ratio == duel.low == duel.high == pytest.approx(math.exp(0.05))
    assert len(duel.processes) == len(processes.asked) == 9
    assert duel.pairs == 27
    assert (duel.a_ms, duel.b_ms) == (pytest.approx(10.0), pytest.approx(11.0 * math.exp(0.05)))
    assert str(duel) == (f"{duel.b} is slower than {duel.a}: it takes 5.1 % longer, ratio 1.051 [1.051, 1.051] at 97 %, "
                         "9 processes, 27 pairs")


def test_a_faster_network_takes_so_much_less_time(processes: Processes) -> None:
    processes.answers = itertools.repeat(math.log(0.5))
    duel = small()
    assert duel.verdict == "faster"
    assert duel.said() == f"{duel.b} is faster than {duel.a}: {duel.a} takes 2.0 times as long"


def test_networks_that_no_process_tells_apart_are_no_difference(processes: Processes) -> None:
    processes.answers = itertools.cycle([0.004, -0.005])
    duel = small()
    assert (duel.verdict, duel.stopped_by) == ("no_difference", "verdict")
    assert 1 / 1.02 < duel.low < 1 < duel.high < 1.02
    assert "no difference beyond 2 %" in str(duel)


def test_the_margin_decides_what_is_no_difference(processes: Processes) -> None:
    processes.answers = itertools.cycle([0.004, -0.005])
    assert small(margin=0.002, max_processes=12).verdict == "undecided"


def test_undecided_is_an_answer_when_the_processes_are_used_up(processes: Processes) -> None:
    processes.answers = itertools.cycle([0.2, -0.21])
    duel = small(max_processes=10)
    assert (duel.verdict, duel.stopped_by, len(duel.processes)) == ("undecided", "processes", 10)
    assert duel.low < 1 < duel.high


@pytest.mark.parametrize(("budget_s", "expected"), [(0.5, 1), (3.0, 3), (5.5, 5)])
def test_no_process_begins_that_would_end_after_the_budget(processes: Processes, budget_s: float, expected: int) -> None:
    processes.answers = itertools.repeat(0.05)
    duel = settle(
        SMALL, LARGER, LatencyOptions("cpu", threads=1), load_plugins(), Limits(budget_s=budget_s),
        clock=lambda: float(len(processes.asked)),
    )
    assert (duel.verdict, duel.stopped_by, len(duel.processes)) == ("undecided", "seconds", expected)
    assert (duel.low, duel.high) == (0.0, math.inf)
    assert "too few processes for an interval" in str(duel)


def test_each_network_is_first_in_one_of_every_two_processes_and_the_order_follows_the_seed(processes: Processes) -> None:
    def roles(seed: int) -> list[bool]:
        processes.asked.clear()
        processes.answers = itertools.cycle([0.2, -0.21])
        duel = small(seed=seed)
        found = [bool(asked["b_first"]) for asked in processes.asked]
        assert [process.first for process in duel.processes] == ["b" if b_first else "a" for b_first in found]
        assert len({asked["order"] for asked in processes.asked}) == len(found)
        return found

    first, again, other = roles(1), roles(1), roles(2)
    assert all(one != two for one, two in zip(first[::2], first[1::2], strict=True))
    assert first == again != other
    assert sum(first) == len(first) / 2


def test_what_is_asked_of_a_process_is_plain_and_names_both_networks(processes: Processes) -> None:
    processes.answers = itertools.repeat(0.05)
    small(batch=3)
    asked = json.loads(json.dumps(processes.asked[0]))
    plugins = load_plugins()
    assert asked["networks"] == [str(canonical_with(arch, plugins)) for arch in (SMALL, LARGER)]
    assert asked["options"]["batch"] == 3
    assert set(asked["sources"]) == {"runtime 'eager'", "block 'conv'"}


@pytest.mark.parametrize("outcome", ["worker_died", "timeout", "oom"])
def test_a_process_that_fails_is_tried_once_more(processes: Processes, outcome: str) -> None:
    told: list[str] = []
    processes.answers = iter([MeasureError("gone", outcome), *itertools.repeat(0.05, 9)])
    assert small(tell=told.append).verdict == "slower"
    assert "process 1 failed and is tried again: gone" in told


def test_one_that_fails_twice_ends_the_duel_with_its_outcome(processes: Processes) -> None:
    processes.answers = iter([MeasureError("gone", "worker_died"), MeasureError("gone again", "worker_died")])
    with pytest.raises(MeasureError, match="gone again") as raised:
        small()
    assert raised.value.outcome == "worker_died"


def test_what_only_the_process_could_refuse_is_a_mistake_of_the_caller(processes: Processes) -> None:
    processes.answers = iter([{"refused": "dtype = 'bfloat16': this card lacks it"}])
    with pytest.raises(SpecError, match="this card lacks it"):
        small()


def test_progress_tells_the_process_and_the_ratio_so_far(processes: Processes) -> None:
    told: list[str] = []
    processes.answers = itertools.cycle([0.2, -0.21])
    small(max_processes=10, tell=told.append)
    assert told[0] == "process 1 of at most 10"
    assert told[1] == "process 2 of at most 10, ratio so far 1.221"
    assert told[9].startswith("process 10 of at most 10, ratio so far ")
    assert "[" in told[9]


def test_names_are_kept_and_texts_are_known_by_their_id(processes: Processes) -> None:
    processes.answers = itertools.repeat(0.05)
    duel = nas.duel("mobilenet_v2", str(SMALL), "cpu", threads=1)
    assert duel.a == "mobilenet_v2"
    assert duel.b == canonical_with(SMALL, load_plugins()).arch_id
    assert "mobilenet_v2 takes 3x224x224" in duel.warnings[0]


def test_warnings_name_the_network_and_how_many_processes(processes: Processes) -> None:
    doubtful = answer(0.05, doubts=["others were busy"], warm=[True, False], warnings=[["unfolded"], []])
    changed = answer(0.05, environment={"host": "here", "torch": "3", "state": {}})
    processes.answers = itertools.chain([doubtful, doubtful, doubtful, changed], itertools.repeat(0.05))
    duel = small()
    assert duel.warnings == (
        "the machine changed between the processes: torch was '2', '3'",
        f"{duel.a}: unfolded",
        f"{duel.b} had not settled after its warm-up in 3 of 9 processes",
        "in 3 of 9 processes: others were busy",
    )


@pytest.mark.parametrize(
    ("networks", "options", "error", "said"),
    [
        (("mobilenet_v9", SMALL), {}, SpecError, "unknown network 'mobilenet_v9' (did you mean"),
        ((SMALL, "torchvision:resnet5"), {}, SpecError, "resnet50"),
        ((SMALL, nas.Architecture((3, 32, 32), (nas.Stage("nothing", 1, 1, 8, 1),))), {}, BlockError, "nothing"),
        ((SMALL, replace(SMALL, stages=(nas.Stage("conv", 1, 1, 6, 2, {"groups": 4}),))), {}, BlockError, "groups"),
        ((SMALL, SMALL), {"device": "cuda:99"}, SpecError, "device = 'cuda:99'"),
        ((SMALL, SMALL), {"device": "tpu"}, SpecError, "device = 'tpu': unknown"),
        ((SMALL, SMALL), {"batch": 0}, SpecError, "batch = 0: give a whole number from 1"),
        ((SMALL, SMALL), {"runtime": "egaer"}, SpecError, "did you mean 'eager'"),
        ((SMALL, SMALL), {"runtime": "cuda_graph", "device": "cpu"}, SpecError, "runtime = 'cuda_graph'"),
        ((SMALL, SMALL), {"threads": 4096}, SpecError, "threads = 4096"),
        ((SMALL, SMALL), {"margin": 0}, SpecError, "margin = 0: give a number above 0"),
        ((SMALL, SMALL), {"budget_s": -1}, SpecError, "budget_s = -1"),
        ((SMALL, SMALL), {"budget_s": math.nan}, SpecError, "budget_s = nan"),
        ((SMALL, SMALL), {"max_processes": 3}, SpecError, "max_processes = 3: give a whole number from 7"),
        ((SMALL, SMALL), {"max_processes": 8.0}, SpecError, "max_processes = 8.0"),
        ((SMALL, nn.Conv2d(3, 8, 3)), {}, SpecError, "Conv2d: a duel builds its networks in fresh processes"),
    ],
)
def test_a_mistake_is_told_before_any_process_is_started(
    processes: Processes, networks: Any, options: dict[str, Any], error: type[NasError], said: str
) -> None:
    with pytest.raises(error) as raised:
        nas.duel(*networks, **{"device": "cpu", **options})
    assert said in str(raised.value)
    assert processes.asked == []


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0", "cuda:99"])
def test_where_there_is_a_gpu_the_processes_alone_ask_it(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    def touched(*_args: object) -> str:
        raise AssertionError("a CUDA context in the process that asked for the duel")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("get_device_name", "get_device_properties", "current_device", "init"):
        monkeypatch.setattr(torch.cuda, name, touched)
    processes.answers = itertools.repeat(0.05)
    assert small(device=device).verdict == "slower"
    assert {asked["options"]["device"] for asked in processes.asked} == {device}


def test_another_machine_is_refused_where_there_is_a_gpu_too(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SpecError, match="this is done on the machine that it is called on"):
        small(device="ssh:pi")
    assert processes.asked == []
