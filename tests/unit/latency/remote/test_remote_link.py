"""The pipe to another machine: what it carries, and what each way of failing is called. Against a real sshd."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nas.errors import MeasureError
from nas.latency.remote import link as room
from nas.latency.remote.host import PYTHON_VARIABLE
from nas.latency.remote.link import Link, link_to
from nas.latency.remote.there import There
from nas.plugins import load_plugins
from nas.runtimes import RuntimeOptions

if TYPE_CHECKING:
    from conftest import Server

NOISY_SHELL = '#!/bin/sh\necho Welcome to this machine\nexec {} "$@"\n'
TALKS_FOR_EVER = "#!/bin/sh\nexec {} -c \"while True: print('no worker')\"\n"
BABBLES = "#!/bin/sh\nprintf 'nas-worker 3.9\\nnonsense\\n'; exec cat > /dev/null\n"
ANSWERS_ANOTHER = "#!/bin/sh\nprintf 'nas-worker 3.9\\n{{\"id\":7,\"answer\":1}}\\n'; exec cat > /dev/null\n"
WITHOUT_LIBRARIES = '#!/bin/sh\nexec {} -I -S "$@"\n'
OLD = "#!/bin/sh\nexec {} -c \"import sys; sys.version_info = (3, 8, 2); exec(sys.argv.pop())\" \"$2\"\n"
DIES = "#!/bin/sh\necho it is broken >&2\nexit 3\n"
SLEEPS = "#!/bin/sh\nexec sleep 600\n"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until_gone(pid: int) -> bool:
    for _ in range(200):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def refused(link: Link, outcome: str) -> str:
    with pytest.raises(MeasureError) as caught:
        link.ask("look", device="cpu")
    assert caught.value.outcome == outcome
    assert link.pid is None
    return str(caught.value)


def test_one_connection_serves_one_question_after_the_other(link: Link) -> None:
    first = link.ask("look", device="cpu")
    assert link.ask("look", device="cpu")["state"]["process"] == first["state"]["process"]
    facts = link.ask("describe", device="cpu")
    assert facts["cpus"] >= 1
    assert link.ask("libraries", library="onnxruntime", device="cpu").keys() == {"onnxruntime", "numpy"}


def test_a_failure_is_an_answer_and_the_worker_lives_on(link: Link) -> None:
    process = link.ask("look", device="cpu")["state"]["process"]
    with pytest.raises(MeasureError, match="on loopback: .*there is no network to be timed") as caught:
        link.ask("time")
    assert caught.value.outcome == "invalid"
    assert link.ask("look", device="cpu")["state"]["process"] == process


def test_a_graph_that_is_none_is_invalid(link: Link) -> None:
    with pytest.raises(MeasureError) as caught:
        link.ask("candidate", b"\0" * 12, b"no graph", library="onnxruntime", device="cpu", threads=1,
                 settings={"tf32": False}, shape=[1, 3, 1, 1], stride=[3, 1, 1, 1], dtype="float32")
    assert caught.value.outcome == "invalid"


def test_what_a_login_shell_prints_is_passed_over(server: Server, link: Link) -> None:
    server.write_python(NOISY_SHELL)
    assert link.ask("look", device="cpu")["state"]["process"]


def test_what_is_no_message_is_the_machines_fault(server: Server, link: Link) -> None:
    server.write_python(BABBLES)
    assert "\"look\" was answered by b'nonsense'" in refused(link, "device_error")


def test_what_is_said_of_another_question_is_no_answer(server: Server, link: Link) -> None:
    server.write_python(ANSWERS_ANOTHER)
    assert "\"look\" was answered by what was said of another question" in refused(link, "worker_died")


def test_a_port_on_which_nobody_listens(server: Server, link: Link) -> None:
    server.write_config(port=1)
    assert "ssh loopback failed: ssh: connect to host 127.0.0.1 port 1" in refused(link, "worker_died")


def test_a_key_that_is_not_accepted(server: Server, link: Link) -> None:
    server.write_config(key="stranger_key")
    told = refused(link, "worker_died")
    assert "Permission denied" in told
    assert "ssh-copy-id loopback" in told


def test_a_machine_whose_key_is_not_known(server: Server, link: Link) -> None:
    server.write_config(known_hosts="empty_hosts")
    told = refused(link, "worker_died")
    assert "Host key verification failed" in told
    assert "log in once by hand" in told


def test_a_python_that_is_not_there(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, "/nowhere/python3")
    told = refused(link, "device_error")
    assert "there is no /nowhere/python3" in told
    assert PYTHON_VARIABLE in told


def test_a_python_that_is_too_old(server: Server, link: Link) -> None:
    server.write_python(OLD)
    assert "is older than 3.9" in refused(link, "device_error")


@pytest.mark.parametrize(("runtime", "library"), [
    ("onnxruntime", "onnxruntime"), ("eager", "torch"),
])
def test_a_python_without_the_library(server: Server, runtime: str, library: str) -> None:
    server.write_python(WITHOUT_LIBRARIES)
    there = link_to("loopback")
    there.close()
    with pytest.raises(MeasureError, match=f"No module named '({library}|numpy)'") as caught:
        There.on("ssh:loopback").take_reference(load_plugins().runtimes[runtime], RuntimeOptions("ssh:loopback"))
    assert caught.value.outcome == "device_error"
    assert f"pip install {library} there" in str(caught.value)
    assert PYTHON_VARIABLE in str(caught.value)
    there.close()


def test_a_python_that_ends_at_once_is_quoted(server: Server, link: Link) -> None:
    server.write_python(DIES)
    told = refused(link, "worker_died")
    assert "ended with 3" in told
    assert "it is broken" in told


def test_what_is_no_worker_is_not_listened_to_for_ever(server: Server, link: Link) -> None:
    server.write_python(TALKS_FOR_EVER)
    assert "what answers is no worker" in refused(link, "device_error")


def test_a_machine_that_says_nothing_is_a_timeout(
    server: Server, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.write_python(SLEEPS)
    monkeypatch.setattr(room, "START_LIMIT_S", 2.0)
    assert "nothing was heard in time" in refused(link, "timeout")


def test_a_machine_without_ssh(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "command_of", lambda *_: ["no-ssh-here"])
    assert "there is no ssh on this machine" in refused(link, "device_error")


def test_a_worker_that_is_killed_has_died_and_the_next_question_starts_another(link: Link) -> None:
    process = link.ask("look", device="cpu")["state"]["process"]
    link.memory["environment"] = "of the first"
    os.kill(process, signal.SIGKILL)
    told = refused(link, "worker_died")
    assert 'while it did "look"' in told
    assert link.memory == {}
    assert link.ask("look", device="cpu")["state"]["process"] != process


def test_waiting_for_the_cores_is_told_and_has_no_limit(link: Link, server: Server) -> None:
    other = Link("loopback")
    other.ask("hold", device="cpu")
    entered: list[str] = []

    def let_go(phase: str) -> None:
        entered.append(phase)
        threading.Timer(0.5, other.close).start()

    link.ask("hold", device="cpu", limit_s=20.0, entered=let_go)
    assert entered == ["waiting for the device"]
    link.ask("release")


def test_closing_ends_the_worker(link: Link) -> None:
    process = link.ask("look", device="cpu")["state"]["process"]
    link.close()
    assert until_gone(process)


def told_by_one_that_is_killed(code: str, name: str = "") -> int:
    """The living process, of that name, that a process tells before it is killed."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        process = int(ours.stdout.readline())
        assert is_alive(process)
        assert not name or Path(f"/proc/{process}/comm").read_text() == f"{name}\n"
        ours.kill()
    return process


def test_the_worker_ends_with_the_process_that_asked_though_it_is_killed(server: Server) -> None:
    code = (
        "import time; from nas.latency.remote.link import Link; link = Link('loopback');"
        "print(link.ask('look', device='cpu')['state']['process'], flush=True); time.sleep(600)"
    )
    process = told_by_one_that_is_killed(code)
    try:
        assert until_gone(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_ssh_here_ends_with_the_process_that_asked_though_nobody_there_reads(server: Server) -> None:
    server.write_python(SLEEPS)
    asks = (
        "import threading, time\nfrom nas.latency.remote.link import Link\nlink = Link('loopback')\n"
        "def tell():\n"
        "    while link.pid is None: time.sleep(0.01)\n"
        "    time.sleep(1.0)\n"
        "    print(link.pid, flush=True)\n"
        "threading.Thread(target=tell, daemon=True).start()\n"
        "link.ask('look', device='cpu')\n"
    )
    assert until_gone(told_by_one_that_is_killed(asks, "ssh"))


def test_links_are_kept_by_host_and_by_the_variables_that_steer_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = link_to("loopback")
    assert link_to("loopback") is first
    assert link_to("elsewhere") is not first
    monkeypatch.setenv(PYTHON_VARIABLE, "python3.9")
    assert link_to("loopback") is not first
