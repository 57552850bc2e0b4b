"""One timing a device on a host: whoever times holds its locks, and the kernel gives them back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nas.errors import MeasureError
from nas.latency import lock
from nas.latency.device import resolve_device
from nas.latency.environment import describe, lock_names
from nas.latency.lock import check_locks, held
from nas.outcomes import NOT_ITS_FAULT


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test alone."""
    monkeypatch.setattr(lock, "_common", lambda: tmp_path)
    return tmp_path


def never() -> None:
    raise AssertionError("it had to wait")


def test_a_free_device_is_held_at_once_and_given_back() -> None:
    for _ in range(2):
        with held(["GPU-1"], never):
            pass


def test_who_comes_second_is_told_once_and_waits_until_the_first_is_done() -> None:
    order: list[str] = []
    inside, waiting = threading.Event(), threading.Event()

    def second() -> None:
        inside.wait()
        with held(["cpu-0", "cpu-1"], lambda: (order.append("waiting"), waiting.set())):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with held(["cpu-1", "cpu-0"], never):
        inside.set()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["waiting", "first", "second"]


def test_other_devices_and_other_cores_do_not_wait() -> None:
    with held(["cpu-0", "cpu-1"], never), held(["cpu-2"], never), held(["GPU-1"], never):
        pass


def test_an_error_inside_gives_it_back() -> None:
    with pytest.raises(ZeroDivisionError), held(["GPU-1"], never):
        raise ZeroDivisionError
    with held(["GPU-1"], never):
        pass


def test_a_holder_that_is_killed_gives_it_back(folder: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom nas.latency import lock\n"
        f"lock._common = lambda: Path({str(folder)!r})\n"
        "with lock.held(['GPU-1'], print):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told: list[str] = []
        thread = threading.Thread(target=lambda: held(["GPU-1"], lambda: told.append("waiting")).__enter__())
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        holder.kill()
        thread.join(30)
        assert not thread.is_alive()
        assert told == ["waiting"]


def test_on_a_cpu_the_device_is_each_core_that_this_process_may_use() -> None:
    environment = describe(resolve_device("cpu"))
    assert lock_names(environment) == [f"cpu-{core}" for core in sorted(os.sched_getaffinity(0))]
    assert lock_names({"gpu_uuid": "abc", "state": {"affinity": [0]}}) == ["abc"]


def test_the_folder_is_this_user_s_alone(folder: Path) -> None:
    with held(["GPU-1"], never):
        (found,) = folder.iterdir()
    assert (found.stat().st_mode & 0o777, found.stat().st_uid) == (0o700, os.getuid())


@pytest.mark.parametrize("how", ["open to others", "a link", "a file"])
def test_a_folder_that_others_could_have_made_is_refused(how: str, folder: Path) -> None:
    mine = folder / f"nas-locks-{os.getuid()}"
    if how == "open to others":
        mine.mkdir()
        mine.chmod(0o777)
    elif how == "a link":
        (folder / "elsewhere").mkdir(mode=0o700)
        mine.symlink_to(folder / "elsewhere")
    else:
        mine.write_text("")
    with pytest.raises(MeasureError, match="nas-locks") as caught, held(["GPU-1"], never):
        pass
    assert caught.value.outcome in NOT_ITS_FAULT


@pytest.mark.parametrize("how", ["a directory", "a link to nowhere", "a folder that is a file"])
def test_a_lock_that_cannot_be_opened_is_told_with_its_path_and_is_no_candidates_fault(how: str, folder: Path) -> None:
    mine = folder / f"nas-locks-{os.getuid()}"
    path = mine / "cpu-0.lock"
    if how == "a folder that is a file":
        mine.write_text("")
        path = mine
    else:
        mine.mkdir(mode=0o700)
        path.mkdir() if how == "a directory" else path.symlink_to(folder / "nowhere" / "at all")
    with pytest.raises(MeasureError, match=f"^{path}: .*(remove|see that)") as caught, held(["cpu-0"], never):
        pass
    assert caught.value.outcome in NOT_ITS_FAULT
    with pytest.raises(MeasureError, match=f"^{path}: "):
        check_locks(["cpu-0"])


def test_a_folder_that_cannot_be_made_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_common", lambda: folder / "nowhere")
    with pytest.raises(MeasureError, match="nas-locks.*see that this folder can be made") as caught:
        check_locks(["cpu-0"])
    assert caught.value.outcome in NOT_ITS_FAULT


def test_checking_the_locks_waits_for_nobody_and_leaves_them_free() -> None:
    with held(["GPU-1"], never):
        check_locks(["GPU-1", "GPU-2"])
    with held(["GPU-1", "GPU-2"], never):
        pass
