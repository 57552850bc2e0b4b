"""The bench's course: what a worker may do, and what becomes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.bench import jobs
from nas.bench.networks import TRIED_AGAIN, begin, carry_out
from nas.bench.request import Request, make_request
from nas.bench.result import Bench
from nas.errors import MeasureError, SpecError
from nas.patience import WAITING
from nas.worker import Tell, Worker

SMALL, OTHER = (
    str(nas.Architecture((3, 16, 16), (nas.Stage("conv", 1, 1, channels, 2),), nas.Stem(channels=8), classes=5))
    for channels in (8, 16)
)
ROOFS = {"flop_per_s": 1e11, "bytes_per_s": 1e10, "matrix": 8, "copied_bytes": 64, "arithmetic": "float32", "threads": 1}
RUNTIME = """
import functools
import torch
import nas

def prepare(network, x, options):
    if len(x) > 2:
        raise torch.OutOfMemoryError("out of memory: it takes two images")
    return functools.partial(network, x)

@nas.hookimpl
def nas_runtimes():
    return [nas.RuntimeSpec("narrow", 1, prepare)]
"""


def told(batch: int, runtime: str = "eager") -> dict[str, Any]:
    return {"timing": {
        "runtime": runtime, "batch": batch, "median_ms": 2.0, "low_ms": 1.9, "high_ms": 2.1, "iqr_ms": 0.1,
        "reference_ratio": 1.0, "samples_ms": [2.0, 2.1], "fused": True, "stopped_by": "cap", "seconds": 0.1,
        "environment": "abc", "launch_bound": None, "warnings": [],
    }}


class Acted(Worker):
    """A worker whose networks do as told: each a list of reports, perhaps with an error at its end."""

    def __init__(self, *acts: list[Any], roofs: Any = ROOFS) -> None:
        super().__init__()
        self.acts, self.roofs, self.kills = iter(acts), roofs, 0

    def call(
        self, job: str, arguments: Mapping[str, object], *, heard: Callable[[Any], None] = print,
        entered: Callable[[str], None] = print, limit_s: float | None = None,
    ) -> Any:
        assert limit_s is None or limit_s > 0
        name = job.partition(":")[2]
        if name == "check":
            return jobs.check(arguments, Tell(lambda message: None))
        for act in [self.roofs] if name == "roofs" else next(self.acts):
            if isinstance(act, Exception):
                raise act
            if isinstance(act, str):
                entered(act)
            elif name == "measure":
                heard(act)
        return self.roofs

    def kill(self) -> None:
        self.kills += 1


def request(*networks: str, **options: Any) -> Request:
    return make_request(networks, device="cpu", batches=[1, 2, 4], threads=1, max_seconds=0.3, **options)


def carried_out(asked: Request, worker: Worker) -> Bench:
    bench = begin(asked, worker)
    assert list(carry_out(bench, asked, worker)) == bench.rows
    return bench


def test_a_worker_that_dies_costs_one_network_its_rest_and_the_others_nothing() -> None:
    death = MeasureError("while timing the worker was killed by SIGKILL", "worker_died")
    bench = carried_out(request(SMALL, OTHER), Acted([told(1), death], [told(1), told(2)]))
    first, second = bench.rows
    assert (first.outcome, first.message) == ("ok", f"worker_died: {death}")  # its latency was known before
    assert [timing.batch for timing in first.timings] == [1]
    assert (second.outcome, second.message) == ("ok", "")
    assert [timing.batch for timing in second.timings] == [1, 2]


def test_a_cost_is_kept_whatever_comes_after_it() -> None:
    cost = nas.count(SMALL)
    death = MeasureError("gone", "worker_died")
    told = {"cost": json.loads(json.dumps(dataclasses.asdict(cost)))}
    (row,) = carried_out(request(SMALL), Acted([told, death], [death])).rows
    assert (row.cost, row.outcome) == (cost, "worker_died")


def test_a_network_without_a_latency_has_the_outcome_of_what_happened_first() -> None:
    failed = {"failed": "eager, batch 1: its output holds NaN", "outcome": "nan"}
    (row,) = carried_out(request(SMALL), Acted([failed, MeasureError("gone", "worker_died")])).rows
    assert (row.outcome, row.timings) == ("nan", ())
    assert row.message == "eager, batch 1: its output holds NaN; gone"


def test_after_a_broken_device_the_next_network_gets_a_fresh_process() -> None:
    fault = MeasureError("illegal memory access", "device_error")
    worker = Acted([told(1), fault], [told(1)])
    bench = carried_out(request(SMALL, OTHER), worker)
    assert [row.outcome for row in bench.rows] == ["ok", "ok"]
    assert worker.kills == 1


@pytest.mark.parametrize("outcome", TRIED_AGAIN)
def test_what_may_be_no_fault_of_the_network_is_tried_again_in_a_fresh_process_and_told(outcome: str) -> None:
    doing: list[str] = []
    asked, worker = request(SMALL), Acted([MeasureError("gone", outcome)], [told(1), told(2)])
    bench = begin(asked, worker)
    (row,) = carry_out(bench, asked, worker, doing.append)
    assert (row.outcome, row.message) == ("ok", "")
    assert [timing.batch for timing in row.timings] == [1, 2]
    assert worker.kills >= 1
    label = nas.load(SMALL).arch_id
    assert bench.notices == [f"{label} was measured in a second try, the first ended with {outcome}: gone"]
    assert doing[-1] == f"{label}, tried again in a fresh process: gone"


def test_a_failure_that_the_worker_lived_to_tell_is_tried_again_too() -> None:
    hot = {"failed": "eager, batch 1: too hot", "outcome": "throttled"}
    (row,) = carried_out(request(SMALL), Acted([hot], [told(1)])).rows
    assert row.outcome == "ok"


def test_what_fails_twice_has_the_outcome_of_the_second_time() -> None:
    deaths = [[MeasureError(f"death {number}", "worker_died")] for number in (1, 2)]
    bench = carried_out(request(SMALL, OTHER), Acted(*deaths, [told(1)]))
    assert [(row.outcome, row.message) for row in bench.rows] == [("worker_died", "death 2"), ("ok", "")]
    assert bench.notices == []


def test_what_is_the_network_s_own_fault_is_not_tried_again() -> None:
    bench = carried_out(request(SMALL, OTHER), Acted([MeasureError("NaN", "nan")], [told(1)]))
    assert [row.outcome for row in bench.rows] == ["nan", "ok"]


def test_roofs_that_cannot_be_measured_are_a_notice() -> None:
    bench = carried_out(request(SMALL), Acted([told(1)], roofs=MeasureError("no memory", "oom")))
    assert bench.roofs is None
    assert bench.notices == ["no roofs, and so no shares of them: oom: no memory"]
    assert bench.rows[0].outcome == "ok"


def test_a_wait_for_the_device_is_told_as_long_as_it_lasts() -> None:
    heard: list[str] = []
    asked = request(SMALL)
    worker = Acted(["preparing", {"doing": "eager, batch 1"}, "preparing", WAITING, "timing", told(1), "timing"])
    list(carry_out(begin(asked, worker), asked, worker, heard.append))
    label = asked.subjects[0].label
    assert heard[1:] == [label, f"{label}, eager, batch 1", f"{label}, eager, batch 1, {WAITING}",
                         f"{label}, eager, batch 1"]


def test_what_is_done_is_told() -> None:
    doing: list[str] = []
    asked, worker = request(SMALL), Acted([{"doing": "eager, batch 1"}, told(1)])
    list(carry_out(begin(asked, worker), asked, worker, doing.append))
    label = nas.load(SMALL).arch_id
    assert doing == ["the roofs: a matrix product and a copy", label, f"{label}, eager, batch 1"]


def test_a_device_that_is_not_there_is_refused_before_anything_is_measured() -> None:
    asked = make_request([SMALL], device="cuda:97")
    with pytest.raises(SpecError, match="cuda:97"):
        begin(asked, Acted())


def test_the_largest_input_is_checked_with_the_smallest_batch() -> None:
    asked = make_request(["efficientnet_b7"], device="cpu", batches=[60_000])
    with pytest.raises(SpecError, match="batch = 60000"):
        begin(asked, Acted())


def test_the_cpu_runs_eagerly_along_its_own_batches() -> None:
    bench = begin(make_request([SMALL], device="cpu"), Acted())
    assert bench.conditions.runtimes == ("eager",)
    assert bench.conditions.batches == jobs.BATCHES["cpu"]
    assert bench.conditions.itemsize == 4


def measured(asked: Request, **changes: Any) -> list[Mapping[str, Any]]:
    """What the worker's job reports, in this process."""
    messages: list[Mapping[str, Any]] = []
    task = asked.arguments() | {"network": asked.subjects[0].text, "runtimes": ["eager"], "batches": [1, 2, 4], **changes}
    jobs.measure(task, Tell(messages.append))
    return [message["told"] for message in messages if "told" in message]


def test_a_network_is_counted_and_then_timed_batch_by_batch() -> None:
    reports = measured(dataclasses.replace(request(SMALL), max_seconds=1.5))
    assert reports[0]["cost"]["macs"] == nas.count(SMALL).macs
    timings = [report["timing"] for report in reports if "timing" in report]
    assert [(timing["runtime"], timing["batch"]) for timing in timings] == [("eager", 1), ("eager", 2), ("eager", 4)]
    assert all(timing["low_ms"] <= timing["median_ms"] <= timing["high_ms"] for timing in timings)


def test_a_batch_without_time_ends_the_curve() -> None:
    reports = measured(dataclasses.replace(request(SMALL), max_seconds=1e-4))
    assert [report["timing"]["batch"] for report in reports if "timing" in report] == [1]
    assert [report["ended"] for report in reports if "ended" in report] == ["max_seconds is spent before batch 2"]


def test_a_batch_without_memory_ends_its_own_runtime_alone(tmp_path: Path) -> None:
    (tmp_path / "narrow.py").write_text(RUNTIME)
    asked = dataclasses.replace(request(SMALL, plugin_files=[tmp_path / "narrow.py"]), max_seconds=1.0)
    reports = measured(asked, runtimes=["eager", "narrow"])
    timings = [report["timing"] for report in reports if "timing" in report]
    assert [(timing["runtime"], timing["batch"]) for timing in timings] == [("eager", 1), ("narrow", 1), ("narrow", 2)]
    (failed,) = [report for report in reports if "failed" in report]
    assert failed["outcome"] == "oom"
    assert failed["failed"].startswith("narrow, batch 4: ")
