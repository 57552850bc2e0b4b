"""The worker that is sent decides as `nas.latency` does, and needs nothing of it."""

from __future__ import annotations

import ast
import io
import itertools
import os
import random
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.latency import sampling, statistics
from nas.latency.lock import held
from nas.latency.options import LatencyOptions
from nas.latency.remote import worker
from nas.latency.remote.there import rules
from nas.latency.stopping import REFERENCE_WARM_UP, WARM_UP, StoppingRule, WarmUpRule, budget_of
from nas.latency.timing import HostTimer

if TYPE_CHECKING:
    from conftest import FakeClock

SOURCE = Path(worker.__file__)
SECONDS = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=120)


def noisy(seed: int, level: float, spread: float) -> Iterator[float]:
    rng = random.Random(seed)
    while True:
        yield level * rng.lognormvariate(0.0, spread)


@given(SECONDS, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_medians_and_their_intervals_are_those_of_the_room(samples: list[float], confidence: float) -> None:
    interval = statistics.median_interval(samples, confidence)
    assert worker.median(samples) == statistics.median(samples)
    assert worker.median_interval(samples, confidence) == (interval.low, interval.high)


@given(SECONDS, st.floats(0, 20), st.floats(0.001, 1.0), st.integers(1, 150), st.floats(0.01, 20))
def test_it_stops_when_the_room_would(
    samples: list[float], elapsed: float, target: float, most: int, left: float
) -> None:
    told = rules(LatencyOptions(target=target, max_samples=most))
    assert worker.verdict(samples, elapsed, left, told) == StoppingRule(target, left, most).verdict(samples, elapsed)


@given(st.floats(1e-6, 10), st.floats(1e-6, 10), st.floats(0.1, 100))
def test_budget_and_alternation_are_those_of_the_room(first: float, second: float, cap: float) -> None:
    told = rules(LatencyOptions(max_seconds=cap))
    assert worker.budget_s(first, told["budget"]) == budget_of("cpu", cap).seconds(first)
    assert worker.reference_every(first, second, told) == sampling.reference_every(first, second)


@pytest.mark.parametrize("level", [2e-5, 1e-3, 0.04, 1.5])
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.4])
@pytest.mark.parametrize("rule", [WARM_UP["cpu"], REFERENCE_WARM_UP])
def test_it_is_warm_when_the_room_would_be(clock: FakeClock, level: float, spread: float, rule: WarmUpRule) -> None:
    timer = HostTimer(clock.ns)
    ours = sampling.warm_up(clock.call(noisy(1, level, spread)), timer, rule, budget_of("cpu", 5.0), clock=clock.seconds)
    clock.now_ns = 0
    theirs = worker.warm_up(
        clock.call(noisy(1, level, spread)), timer, asdict(rule), asdict(budget_of("cpu", 5.0)), clock.seconds
    )
    assert theirs == asdict(ours)


@pytest.mark.parametrize("level", [2e-5, 1e-3, 0.04, 1.5])
@pytest.mark.parametrize("spread", [0.0, 0.004, 0.4])
def test_a_whole_measurement_is_that_of_the_room(clock: FakeClock, level: float, spread: float) -> None:
    options = LatencyOptions(max_seconds=5.0, max_samples=300)
    reference, budget = 3e-4, budget_of("cpu", 5.0)
    timer = HostTimer(clock.ns)
    first, second = clock.call(noisy(1, level, spread)), clock.call(noisy(2, reference, spread))
    of_reference = sampling.warm_up(second, timer, REFERENCE_WARM_UP, budget, clock=clock.seconds).level_s
    warm = sampling.warm_up(first, timer, WARM_UP["cpu"], budget, clock=clock.seconds)
    repeats = timer.repeats(warm.level_s)
    ours = sampling.sample(
        first, second, timer,
        StoppingRule(options.target, budget.seconds(warm.level_s) - warm.seconds, options.max_samples),
        repeats=repeats, every=sampling.reference_every(warm.level_s * repeats, 2 * of_reference),
        clock=clock.seconds, busy=clock.seconds,
    )
    clock.now_ns = 0
    theirs = worker.timed(
        clock.call(noisy(1, level, spread)), clock.call(noisy(2, reference, spread)), rules(options),
        timer, clock.seconds, clock.seconds,
    )
    assert theirs["warm"] == asdict(warm)
    assert theirs["repeats"] == repeats
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in theirs["samples"].items()}
    assert told == asdict(ours)


def test_its_clock_times_calls_as_the_room_does() -> None:
    log: list[int] = []
    assert worker.host_timer(lambda: log.append(1), 7) > 0
    assert len(log) == 7


def test_it_is_written_for_python_3_9_and_imports_nothing_but_its_library_and_what_runs_networks() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported - set(sys.stdlib_module_names) == {"onnxruntime", "numpy", "torch", "tensorrt"}
    outer = {name for node in tree.body if isinstance(node, ast.Import) for name in [each.name for each in node.names]}
    assert not outer & {"onnxruntime", "numpy", "torch", "tensorrt"}  # so that their absence is an answer


def test_facts_of_the_machine_are_those_of_the_room() -> None:
    from nas.latency import processor

    assert worker.cpu_model() == processor.model()
    assert worker.available_cpus() == sorted(processor.available_cpus())
    assert worker.physical_cores() == processor.physical_cores()
    assert worker.governor() == processor.governor()
    moment, machine, process = worker.cpu_time()
    now = processor.CpuTime.now()
    assert moment is not None
    assert process is not None
    assert abs(now.moment_s - moment) < 60
    assert (machine is None) == (now.machine_s is None)
    assert 0 < process <= now.process_s


def test_its_locks_are_those_of_the_room() -> None:
    name = f"test-{os.getpid()}-remote"
    with held([name], lambda: None):
        path = f"/tmp/nas-locks-{os.getuid()}/{name}.lock"
        assert worker._try_lock(path) is None
    waited = itertools.count()
    mine = worker.lock([name], lambda: next(waited) and None)
    assert next(waited) == 0
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert worker._try_lock(path) is None
    worker.unlock(mine)
    assert mine == []
    other = worker._try_lock(path)
    assert other is not None
    os.close(other)
    Path(path).unlink()


def test_a_lock_that_cannot_be_opened_there_is_the_machines_fault() -> None:
    name = f"test-{os.getpid()}-folder"
    with held([f"test-{os.getpid()}-remote"], lambda: None):
        path = Path(f"/tmp/nas-locks-{os.getuid()}/{name}.lock")
    path.mkdir()
    try:
        with pytest.raises(worker.LockError, match=rf"{name}\.lock: .*Is a directory; remove what is there"):
            worker.lock([name], lambda: None)
    finally:
        path.rmdir()


@pytest.mark.parametrize(("error", "word"), [
    (MemoryError("no"), "oom"),
    (RuntimeError("std::bad_alloc"), "oom"),
    (RuntimeError("Failed to allocate memory for requested buffer"), "oom"),
    (ModuleNotFoundError("No module named 'onnxruntime'"), "device_error"),
    (OSError("/tmp/nas-locks-0: not of this user"), "device_error"),
    (ValueError("unsupported"), "invalid"),
    (worker.UnfitError("no GPU"), "device_error"),
    (worker.LockError("a directory"), "contaminated"),
    (RuntimeError("CUDA error: an illegal memory access was encountered"), "device_error"),
    (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
])
def test_what_goes_wrong_has_a_word_of_the_report(error: Exception, word: str) -> None:
    assert worker.outcome_of(error) == word


def test_a_copy_that_a_network_makes_of_the_process_does_not_answer() -> None:
    inbox, outbox = io.BytesIO(b'{"id":5,"do":"once","bytes":[]}\n'), io.BytesIO()
    one = worker.Worker(inbox, outbox)
    one.do_once = lambda _request: None  # type: ignore[method-assign]
    one.serve()
    assert outbox.getvalue() == b'{"id":5,"answer":null}\n'
    if (copy := os.fork()) == 0:
        one.say({"answer": 1})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) == 1


def test_a_call_that_a_device_goes_on_with_is_waited_for_before_and_after(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setattr(worker.time, "perf_counter_ns", clock.ns)
    timer = worker.synchronised_timer(clock.call(itertools.cycle([5.0, 0.2])))
    assert timer(clock.call(0.1)) == pytest.approx(0.3), "0.1 to launch it, 0.2 until it is done"
    assert timer(clock.call(0.1), repeats=3) == pytest.approx(0.3)
