"""One worker a device, kept from job to job."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nas.worker import borrowed

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def pid(device: str) -> int:
    with borrowed(device) as worker:
        return int(worker.call("worker_jobs:echo", {})["pid"])


def test_a_device_keeps_its_worker_and_another_has_its_own() -> None:
    assert pid("cpu") == pid("cpu") != pid("cuda:7")


def test_what_only_a_fresh_process_notices_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pid("cpu")
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", "some_package")
    during = pid("cpu")
    monkeypatch.setenv("EDITOR", "ed")
    assert before != during == pid("cpu")


def test_threads_take_turns() -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with borrowed("cpu") as worker:
            inside += 1
            most = max(most, inside)
            worker.call("worker_jobs:phases", {})
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
