"""One worker: it answers, and nothing that is done in it reaches its owner but an outcome and a message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.errors import MeasureError
from nas.worker import Worker
from nas.worker.messages import IDLE_S

HERE = Path(__file__).parent


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.syspath_prepend(HERE)
    ours = Worker()
    yield ours
    ours.kill()


def ends(found: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Whether it comes true; the kernel takes its time to reap."""
    until = time.monotonic() + within_s
    while not found() and time.monotonic() < until:
        time.sleep(0.02)
    return found()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_one_that_is_started_early_has_loaded_what_every_job_needs_and_is_the_one_that_is_asked(worker: Worker) -> None:
    assert worker.call("worker_jobs:loaded", {"module": "torch"}) == [worker.pid, False]
    worker.kill()
    worker.start()
    started = worker.pid
    worker.start()
    assert started is not None
    assert worker.call("worker_jobs:loaded", {"module": "torch"}) == [started, True]


def test_it_is_another_process_that_does_one_job_after_the_other(worker: Worker, tmp_path: Path, monkeypatch) -> None:
    heard: list[Any] = []
    first = worker.call("worker_jobs:echo", {"x": 1}, heard=heard.append)
    monkeypatch.chdir(tmp_path)
    second = worker.call("worker_jobs:echo", {"x": [1.5, None, "ü", float("inf")]})
    assert heard == ["begun", [1, 0.5]]
    assert first["pid"] == second["pid"] == worker.pid != os.getpid()
    assert second["x"] == [1.5, None, "ü", float("inf")]
    assert (first["cwd"], second["cwd"]) != (first["cwd"], first["cwd"])
    assert second["cwd"] == str(tmp_path), "a relative path of an option means the same as in the owner"


@pytest.mark.parametrize(
    ("what", "outcome", "message"),
    [
        ("value", "metric_error", "ValueError: no figure"),
        ("memory", "oom", "MemoryError: too large"),
        ("exit", "metric_error", "SystemExit: 3"),
        ("outcome", "throttled", "too hot"),
        ("spec", "invalid", "cannot be meant"),
    ],
)
def test_what_a_job_raises_is_an_outcome_and_the_worker_lives(worker, what, outcome, message) -> None:
    before = worker.call("worker_jobs:echo", {})["pid"]
    with pytest.raises(MeasureError) as told:
        worker.call("worker_jobs:raises", {"what": what})
    assert (told.value.outcome, str(told.value)) == (outcome, message)
    assert worker.pid == before


def test_no_exception_of_a_job_ends_the_worker(worker: Worker) -> None:
    before = worker.call("worker_jobs:echo", {})["pid"]
    with pytest.raises(MeasureError, match="Peculiar: very"):
        worker.call("worker_jobs:ends_peculiarly", {})
    assert worker.pid == before


@pytest.mark.parametrize("later_s", [0.0, 0.3], ids=["at once", "later"])
def test_of_a_job_that_forks_only_the_process_that_was_asked_answers(worker: Worker, later_s: float) -> None:
    first = worker.call("worker_jobs:forks", {"later_s": later_s, "x": 1})
    assert first["child"] != 0
    assert [worker.call("worker_jobs:echo", {"x": x})["x"] for x in (2, 3)] == [2, 3]
    assert ends(lambda: gone(first["child"]))
    assert worker.call("worker_jobs:echo", {"x": 4})["x"] == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello\n", r"while timing something other than the worker wrote b'hello' into its pipe"),
        ("half a line ", r"something other than the worker wrote b'half a line \{"),
        ("[1]\n", r"something other than the worker wrote b'\[1\]'"),
        ('{"answer":0.001}\n', r"something other than the worker wrote"),
        ('{"id":-1,"answer":0.001}\n', r"an answer to another question came out of the worker's pipe"),
    ],
)
def test_what_is_no_answer_to_the_question_is_never_a_value(worker: Worker, text: str, told: str) -> None:
    with pytest.raises(MeasureError, match=told) as caught:
        worker.call("worker_jobs:scribbles", {"text": text})
    assert caught.value.outcome == "worker_died"
    assert worker.pid is None
    assert worker.call("worker_jobs:echo", {"x": 5})["x"] == 5


def test_an_answer_that_is_no_plain_value_is_a_failure_of_the_job(worker: Worker) -> None:
    with pytest.raises(MeasureError, match="TypeError: Object of type object is not JSON serializable"):
        worker.call("worker_jobs:unsayable", {})
    assert worker.call("worker_jobs:echo", {"x": 2})["x"] == 2


def test_a_job_that_is_not_there_is_a_failure_too(worker: Worker) -> None:
    with pytest.raises(MeasureError, match="AttributeError"):
        worker.call("worker_jobs:nothing", {})


def test_a_phase_that_lasts_too_long_ends_the_whole_group_however_much_it_talks(worker: Worker) -> None:
    heard: list[Any] = []
    with pytest.raises(MeasureError, match=r"timing took longer than 0\.5 s") as told:
        worker.call("worker_jobs:hang", {}, heard=heard.append)
    assert told.value.outcome == "timeout"
    assert heard[1] == "still here"
    assert worker.pid is None
    assert ends(lambda: gone(heard[0])), "a child of the job lives on"


def test_each_phase_brings_its_own_limit(worker: Worker) -> None:
    entered: list[str] = []
    assert worker.call("worker_jobs:phases", {}, limit_s=60.0, entered=entered.append) == "done"
    assert entered == ["building", "waiting", "timing", "waiting"]


def test_a_segmentation_fault_is_a_death_that_says_where(worker: Worker) -> None:
    with pytest.raises(MeasureError, match=r"while building the worker was killed by SIGSEGV: Segm.*string_at") as told:
        worker.call("worker_jobs:segfault", {})
    assert told.value.outcome == "worker_died"
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("job", "how"), [("leave", "exited with 7"), ("killed", "was killed by SIGKILL")])
def test_after_a_death_the_next_job_has_a_fresh_process(worker: Worker, job: str, how: str) -> None:
    before = worker.call("worker_jobs:echo", {})["pid"]
    with pytest.raises(MeasureError, match=how) as told:
        worker.call(f"worker_jobs:{job}", {"status": 7})
    assert told.value.outcome == "worker_died"
    assert worker.call("worker_jobs:echo", {})["pid"] != before


def test_a_death_is_noticed_though_a_child_that_was_left_behind_holds_the_pipe(worker: Worker) -> None:
    heard: list[int] = []
    with pytest.raises(MeasureError, match="exited with 7") as told:
        worker.call("worker_jobs:leaves_a_child", {}, heard=heard.append, total_s=30.0)
    os.kill(heard[0], signal.SIGKILL)
    assert told.value.outcome == "worker_died"


def test_where_linux_ended_it_because_memory_ran_out_the_job_needs_too_much(worker: Worker, monkeypatch) -> None:
    worker.call("worker_jobs:echo", {})
    counted = iter([3, 4])
    monkeypatch.setattr("nas.worker.process._memory_kills", lambda: next(counted))
    with pytest.raises(MeasureError, match="while starting the machine's memory ran out") as told:
        worker.call("worker_jobs:killed", {})
    assert told.value.outcome == "oom"


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="only Linux says whom it would end first")
def test_it_is_ended_before_its_owner_where_memory_runs_out(worker: Worker) -> None:
    worker.call("worker_jobs:echo", {})
    assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text() == "1000\n"


def test_a_worker_that_died_between_two_jobs_is_no_failure(worker: Worker) -> None:
    before = worker.call("worker_jobs:echo", {})["pid"]
    os.killpg(before, signal.SIGKILL)
    assert ends(lambda: gone(before))
    assert worker.call("worker_jobs:echo", {"x": 3})["x"] == 3


def test_a_worker_that_is_about_to_end_for_idleness_is_not_asked(worker: Worker, monkeypatch) -> None:
    before = worker.call("worker_jobs:echo", {})["pid"]
    assert worker.call("worker_jobs:echo", {})["pid"] == before
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + IDLE_S - 5)
    assert worker.call("worker_jobs:echo", {})["pid"] != before
    assert gone(before)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists descriptors")
def test_where_no_process_can_be_had_nothing_is_left_open(worker: Worker, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = descriptors()
    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(BlockingIOError):
        worker.call("worker_jobs:echo", {})
    assert descriptors() == before
    monkeypatch.undo()
    monkeypatch.syspath_prepend(HERE)
    assert worker.call("worker_jobs:echo", {"x": 1})["x"] == 1


def test_ctrl_c_ends_it(worker: Worker) -> None:
    def pressed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.call("worker_jobs:hang", {}, heard=pressed)
    assert worker.pid is None


def test_what_is_printed_in_it_reaches_the_owner_s_terminal(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("one", "two"):
        worker.call("worker_jobs:say", {"text": text})
    worker.kill()
    assert capsys.readouterr().err.split() == ["one", "two"]


def test_an_owner_that_is_killed_takes_worker_and_grandchild_with_it(tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(
        "import sys\nfrom nas.worker import Worker\n"
        f"sys.path.insert(0, {str(HERE)!r})\nworker = Worker()\n"
        "worker.call('worker_jobs:hang', {}, heard=lambda told: print(worker.pid, told, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
    assert len(pids) == 2
    assert all(ends(lambda pid=pid: gone(pid)) for pid in pids)


CLOSED_STREAMS = """
import os, sys
closed = [int(number) for number in sys.argv[1].split(",")]
for number in closed:
    os.close(number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], None)  # as Python itself has it where it is started so
sys.path.insert(0, sys.argv[2])
from nas.worker import Worker
worker = Worker()
answers = [worker.call("worker_jobs:echo", {"x": 1})["x"], worker.call("worker_jobs:say", {"text": "printed"})]
open(sys.argv[3], "w").write(repr(answers))
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "0,1,2"])
def test_an_owner_whose_standard_streams_are_closed_is_answered(closed: str, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    subprocess.run([sys.executable, "-c", CLOSED_STREAMS, closed, str(HERE), str(answers)], check=True, timeout=60)
    assert answers.read_text() == "[1, None]"
