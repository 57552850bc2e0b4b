"""What an observer is told of a study, and how a person sees it."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from nas.search import bar
from nas.search.bar import clock, said, shown
from nas.search.evaluate import Evaluation
from nas.search.progress import Progress, Tally

DONE = Evaluation()


def test_a_tally_counts_the_front_and_keeps_the_best() -> None:
    tally = Tally({"accuracy": "maximize", "latency_ms": "minimize"})
    assert (tally.front, tally.best) == (0, {})
    tally.add({"accuracy": 0.5, "latency_ms": 2.0, "params": 3})
    tally.add({"accuracy": 0.7, "latency_ms": 4.0})
    assert (tally.front, tally.best) == (2, {"accuracy": 0.7, "latency_ms": 2.0})
    tally.add({"accuracy": 0.8, "latency_ms": 1.0})
    assert (tally.front, tally.best) == (1, {"accuracy": 0.8, "latency_ms": 1.0})


def test_equal_trials_stand_on_the_front_together() -> None:
    known = [{"macs": 5.0}, {"macs": 5.0}]
    assert Tally({"macs": "minimize"}, known).front == 2


def test_a_tally_begins_with_the_trials_of_earlier_runs() -> None:
    tally = Tally({"macs": "minimize"}, [{"macs": 5.0}])
    tally.add({"macs": 6.0})
    assert (tally.front, tally.best) == (1, {"macs": 5.0})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (750, "12:30"), (3599.7, "1:00:00"), (11045, "3:04:05")]
)
def test_time_is_told_as_people_read_it(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_line_tells_front_and_best_once_there_is_a_trial() -> None:
    assert said(Progress(0, 20)) == ""
    told = Progress(13, 20, front=3, best={"accuracy": 0.65432, "macs": 1234567.0})
    assert said(told) == "front 3  best: accuracy 0.6543  macs 1.235 M"


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_a_bar_the_moment_and_the_notices() -> None:
    console = terminal()
    with shown("tiny", console) as observer:
        observer(Progress(0, 4, notices=("no CUDA device: measured on the CPU", "\x1b]0;title\x07")))
        observer(Progress(1, 4, front=1, best={"macs": 5.0}, doing="trial 1: latency_ms"))
        assert "note: no CUDA device: measured on the CPU" in text_of(console)
        assert r"note: \x1b]0;title\x07" in text_of(console)
        assert "trial 1: latency_ms" in text_of(console)
        assert "1/4" in text_of(console)
        assert "front 1  best: macs 5" in text_of(console)
        assert "left" in text_of(console)


def test_no_thread_redraws_the_bar_while_a_network_is_timed() -> None:
    console = terminal()
    with shown("tiny", console) as observer:
        observer(Progress(1, 4, doing="trial 1: latency_ms"))
        before = text_of(console)
        time.sleep(0.3)
        assert text_of(console) == before


def test_a_log_gets_a_line_now_and_then_and_the_last_one_always(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=40)
    with shown("tiny", console) as observer:
        observer(Progress(0, 4, notices=("sampler is tpe from here on",)))
        for finished in (1, 2, 3, 4):
            now[0] += 6
            observer(Progress(finished, 4, doing="trial 1: latency_ms"))
            observer(Progress(finished, 4, front=1, best={"macs": 5.0}, last=DONE))
    assert text_of(console).splitlines() == [
        "note: sampler is tpe from here on",
        "tiny 1/4  front 1  best: macs 5  0:18 left",
        "tiny 3/4  front 1  best: macs 5  0:06 left",
        "tiny 4/4  front 1  best: macs 5",
    ]


def test_the_time_left_is_judged_by_this_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=40)
    with shown("tiny", console) as observer:
        observer(Progress(90, 100))
        now[0] = 30
        observer(Progress(91, 100, last=DONE))
    assert text_of(console) == "tiny 91/100  front 0  4:30 left\n"


def test_no_more_time_is_left_than_until_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=40)
    with shown("tiny", console) as observer:
        observer(Progress(0, 100, seconds_left=90.0))
        now[0] = 30
        observer(Progress(1, 100, last=DONE, seconds_left=60.0))
    assert text_of(console) == "tiny 1/100  front 0  1:00 left\n"


def test_a_log_tells_of_a_wait_for_the_device_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.patience.Patience.__init__.__defaults__", (0.0,))
    console = Console(file=io.StringIO(), width=40)
    with shown("tiny", console) as observer:
        observer(Progress(0, 100, doing="trial 0: latency_ms, waiting for the device"))
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join(10)
        observer(Progress(0, 100, doing="trial 0: latency_ms, timing"))
    assert text_of(console) == (
        "tiny trial 0: latency_ms, waiting for the device, which another process measures on\n"
    )
