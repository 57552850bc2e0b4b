"""Who waits long for a device says so, once."""

from __future__ import annotations

import threading

from nas.patience import Patience


def test_a_wait_that_lasts_is_told_with_what_waits() -> None:
    told, heard = [], threading.Event()

    def say(text: str) -> None:
        told.append(text)
        heard.set()

    Patience(say, after_s=0.0).hear("resnet18, waiting for the device")
    assert heard.wait(10)
    assert told == ["resnet18, waiting for the device, which another process measures on"]


def test_a_wait_that_ends_in_time_and_other_work_are_not_told() -> None:
    told: list[str] = []
    before = threading.active_count()
    patience = Patience(told.append, after_s=3600.0)
    patience.hear("resnet18, timing")
    assert threading.active_count() == before
    patience.hear("resnet18, waiting for the device")
    waiting = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    patience.hear("resnet18, timing")
    for thread in waiting:
        thread.join(10)
    assert waiting
    assert not any(thread.is_alive() for thread in waiting)
    assert not told
