"""How one sample is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import torch

import nas
from nas.latency.timing import MIN_SAMPLE_S, CudaTimer, HostTimer, PassTimer, passes_of, timer_of

if TYPE_CHECKING:
    from conftest import FakeClock


def test_the_host_timer_answers_seconds_a_call(clock: FakeClock) -> None:
    timer = HostTimer(clock.ns)
    assert timer(clock.call(0.25)) == pytest.approx(0.25)
    assert timer(clock.call([0.1, 0.2, 0.3]), repeats=3) == pytest.approx(0.2)


def test_a_fast_call_is_repeated_until_the_sample_is_long_enough_for_the_clock() -> None:
    timer = HostTimer()
    assert timer.repeats(10 * MIN_SAMPLE_S) == 1
    assert timer.repeats(MIN_SAMPLE_S / 10) == 10
    assert timer.repeats(MIN_SAMPLE_S / 2.5) == 3
    assert timer.repeats(0.0) >= 1000


def test_devices_get_the_timer_of_their_kind() -> None:
    assert isinstance(timer_of("cpu"), HostTimer)


def test_what_a_cuda_device_was_told_beforehand_stands_alone_between_two_events(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    class Event:
        made = 0

        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            Event.made += 1
            self.name = f"event {Event.made}"

        def record(self) -> None:
            log.append(f"record {self.name}")

        def synchronize(self) -> None:
            log.append(f"wait for {self.name}")

        def elapsed_time(self, end: Event) -> float:
            log.append(f"{self.name} to {end.name}")
            return 2.5  # milliseconds

    @contextmanager
    def device(name: str) -> Iterator[None]:
        assert name == "cuda:1"
        yield

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("idle"))
    timer = timer_of("cuda:1")
    assert isinstance(timer, CudaTimer)
    assert timer.repeats(1e-6) == 1
    call = nas.DeviceCall(lambda: log.append("call"))
    assert timer(call) == pytest.approx(0.0025)
    assert log == ["idle", "record event 1", "call", "record event 2", "wait for event 2", "event 1 to event 2"]
    assert timer(call, repeats=2) == pytest.approx(0.0025)
    assert log.count("idle") == 3
    log.clear()
    flushing = CudaTimer("cuda:1", flush=lambda: log.append("flush"))
    flushing(call)
    assert log[:4] == ["flush", "idle", "record event 3", "call"], "flushing is no part of what is timed"


def test_what_the_host_launches_takes_until_a_cuda_device_has_finished_on_the_hosts_clock(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    waits = itertools.cycle([5.0, 0.2])  # seconds, for what was there before and for the call

    @contextmanager
    def device(_name: str) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "Event", lambda enable_timing: None)
    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "synchronize", clock.call(waits))
    launching = clock.call(0.1)
    timer = CudaTimer("cuda:0", clock_ns=clock.ns)
    assert timer(launching) == pytest.approx(0.3), "0.1 to launch it, 0.2 until it is done"
    assert timer(launching, repeats=3) == pytest.approx(0.3)


def test_a_call_of_several_passes_is_timed_by_the_pass(clock: FakeClock) -> None:
    timer = PassTimer(HostTimer(clock.ns))
    four = nas.DeviceCall(clock.call(0.2), passes=4)
    assert (passes_of(four), passes_of(clock.call(0.2))) == (4, 1)
    assert timer(four) == pytest.approx(0.05)
    assert timer(four, repeats=3) == pytest.approx(0.05)
    assert timer(clock.call(0.2)) == pytest.approx(0.2)
    assert timer.repeats(MIN_SAMPLE_S / 10) == 10
