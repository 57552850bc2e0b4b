"""The owner's side of one worker: it is spawned, asked, listened to, and killed where it does not keep its time."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nas.choices import shown
from nas.errors import MeasureError
from nas.worker.messages import IDLE_S, line_of

FRESH_S = IDLE_S - 10.0
"""A worker that has had nothing to do for longer than this might end by itself just when it is asked."""
START_LIMIT_S = 120.0
"""Until a job says its first word: Python starts and the job's module is imported."""
LOOK_S = 1.0
"""How often the process is looked at while it says nothing: a child that it leaves behind may keep its pipe open."""
FIRST_OF_OURS = 3
"""The descriptors before it are standard input, output and error."""
EARLY = ("nas.network",)
"""The modules that a worker loads before it is asked; torch is among them."""
KINDS = ({"id", "answer"}, {"id", "failed", "outcome"}, {"id", "phase", "limit_s"}, {"id", "told"})
"""The keys of each message that a worker may send."""
LAST_WORDS = 300
"""Characters of what a worker wrote to its standard error before it died."""


def deaf(value: object) -> None:
    """The default listener: nobody listens."""


class Worker:
    """One process of a session of its own, which does one job after the other.

    It starts with the first job. After a death or a timeout the next job starts a fresh one. Not for several threads
    at once.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = 0.0  # when it last said something
        self._ids = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def call(
        self,
        job: str,
        arguments: Mapping[str, object],
        *,
        heard: Callable[[Any], None] = deaf,
        entered: Callable[[str], None] = deaf,
        limit_s: float | None = START_LIMIT_S,
        total_s: float | None = None,
    ) -> Any:
        """The answer of `package.module:function`, a `nas.worker.messages.Job`.

        Args:
            job: what is to be done; the module is imported in the worker.
            arguments: plain values.
            heard: gets what the job reports meanwhile.
            entered: gets the name of each phase that begins.
            limit_s: until the job announces its first phase; each phase brings its own.
            total_s: of the whole job, whatever its phases bring.

        Raises:
            MeasureError: the job failed, with its own outcome; `timeout` where a phase lasted longer than announced;
                `worker_died` where the process ended, or said what is no answer to this question. After both the
                process, and all that it started, is gone.
            BaseException: whatever `heard` or `entered` raises, and Ctrl-C; the process is gone then, too.
        """
        question = next(self._ids)
        task = {"id": question, "job": job, "arguments": arguments, "cwd": str(Path.cwd()), "path": sys.path}
        try:
            answer = self._ask(question, line_of(task), heard, entered, limit_s, total_s)
        except _JobError as error:
            self._pass_on()
            raise MeasureError(str(error), error.outcome) from None
        except BaseException:  # timeout, death, Ctrl-C: nobody can know what the process is doing
            self._pass_on()
            self.kill()
            raise
        self._pass_on()
        return answer

    def start(self) -> None:
        """Starts the process, if none lives, before there is a job for it: it loads what every job needs meanwhile."""
        if self.pid is None:
            self.kill()
            self._spawn(early=True)

    def kill(self) -> None:
        """Ends the process and all that it started; it leaves nothing behind."""
        if (process := self._process) is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies may not be asked
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._close()
        self._process = None

    def _close(self) -> None:
        """Our ends of the pipes, and what was printed."""
        for end in (self._inbox, self._life):
            with contextlib.suppress(OSError):
                os.close(end)
        self._outbox.close()
        self._output.close()

    def _pass_on(self) -> None:
        """What was printed in the worker is for the owner's terminal: an author looks for it there."""
        if self._process is not None and (said := self._unheard()) and sys.stderr is not None:
            sys.stderr.write(said)

    def _ask(
        self,
        question: int,
        line: bytes,
        heard: Callable[[Any], None],
        entered: Callable[[str], None],
        limit_s: float | None,
        total_s: float | None,
    ) -> Any:
        if self.pid is None or time.monotonic() - self._heard > FRESH_S:
            self.kill()
            self._spawn()
        self._kills = _memory_kills()
        self._send(line)
        whole, phase = _Phase("the whole", total_s), _Phase("starting", limit_s)
        while True:
            message = self._hear(phase, whole, question)
            if "answer" in message:
                return message["answer"]
            if "failed" in message:
                raise _JobError(message["failed"], message["outcome"])
            if "phase" in message:
                phase = _Phase(message["phase"], message["limit_s"])
                entered(phase.name)
            else:
                heard(message["told"])

    def _spawn(self, *, early: bool = False) -> None:
        theirs_read, self._inbox = _pipe()
        ours_read, theirs_write = _pipe()
        theirs_life, self._life = _pipe()
        self._outbox = os.fdopen(ours_read, "rb", buffering=0)
        self._rest = b""
        self._said = 0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        theirs = (theirs_read, theirs_write, theirs_life)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nas.worker", *map(str, theirs), *(EARLY if early else ())],
                # -P: what lies in the folder of a study is not imported in place of a library
                pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output,
                start_new_session=True, env=_environment(),
            )
        except OSError:  # no process can be had
            self._close()
            raise
        finally:
            for end in theirs:
                os.close(end)
        self._heard = time.monotonic()

    def _send(self, line: bytes) -> None:
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._inbox, view):]
        except BrokenPipeError:
            raise self._death("starting") from None

    def _hear(self, phase: _Phase, whole: _Phase, question: int) -> Mapping[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._outbox, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                sooner = min(phase, whole, key=_Phase.left_s)
                ended = self.pid is None  # asked first: what it said before its end is in the pipe by now
                if not selector.select(0.0 if ended else min(sooner.left_s(), LOOK_S)):
                    if ended:
                        raise self._death(phase.name)
                    if sooner.left_s() > 0:
                        continue
                    raise MeasureError(f"{sooner.name} took longer than {sooner.limit_s:g} s, and was ended", "timeout")
                if not (chunk := self._outbox.read(1 << 16)):
                    raise self._death(phase.name)
                self._heard = time.monotonic()
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return _message(line, question, phase.name)

    def _death(self, phase: str) -> MeasureError:
        if (status := self._status()) is None:
            return MeasureError(f"while {phase} the worker closed its pipe", "worker_died")
        if status == -signal.SIGKILL and _memory_kills() > self._kills:
            return MeasureError(f"while {phase} the machine's memory ran out, and the worker was ended", "oom")
        how = f"exited with {status}" if status >= 0 else f"was killed by {_signal(-status)}"
        return MeasureError(f"while {phase} the worker {how}{_last_words(self._unheard())}", "worker_died")

    def _status(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(5.0) if self._process is not None else None
        return None

    def _unheard(self) -> str:
        """What the process, and strangers' code in it, wrote to its standard output and error since the last time."""
        found = b""
        while chunk := os.pread(self._output.fileno(), 1 << 20, self._said):
            self._said += len(chunk)
            found += chunk
        return found.decode(errors="replace")


def _pipe() -> tuple[int, int]:
    """As `os.pipe`, but above the standard descriptors, which a child gets anew: an owner may have closed its own."""
    low = os.pipe()
    try:
        read = fcntl.fcntl(low[0], fcntl.F_DUPFD_CLOEXEC, FIRST_OF_OURS)
        try:
            return read, fcntl.fcntl(low[1], fcntl.F_DUPFD_CLOEXEC, FIRST_OF_OURS)
        except OSError:
            os.close(read)
            raise
    finally:
        for end in low:
            os.close(end)


class _Phase:
    """What a worker is doing, and until when it may; however much it tells meanwhile."""

    def __init__(self, name: str, limit_s: float | None) -> None:
        self.name, self.limit_s = name, limit_s
        self._began = time.monotonic()

    def left_s(self) -> float:
        """Seconds that are left, at least 0."""
        return math.inf if self.limit_s is None else max(0.0, self._began + self.limit_s - time.monotonic())


class _JobError(Exception):
    """A job that failed, and said so: its worker lives on."""

    def __init__(self, message: str, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def _message(line: bytes, question: int, phase: str) -> Mapping[str, Any]:
    """What a worker says of this question.

    Raises:
        MeasureError: `worker_died`: it is no message, or is said of another question. Nobody knows who said it, and so
            nothing that comes after it can be believed.
    """
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict) or message.keys() not in KINDS:
        told = f"something other than the worker wrote {shown(line)} into its pipe"
    elif message["id"] != question:
        told = "an answer to another question came out of the worker's pipe"
    else:
        return message
    raise MeasureError(f"while {phase} {told}: a network, or a plugin, that forks or writes where it should not; the "
                       "worker was ended", "worker_died")


def _last_words(said: str) -> str:
    """On one line: where Python was when it was killed, or the end of what was written last."""
    _, fatal, where = said.rpartition("Fatal Python error: ")
    told = " ".join(where.split())
    return f": {told[:LAST_WORDS] if fatal else told[-LAST_WORDS:]}" if told else ""


def _memory_kills() -> int:
    """How many processes Linux has ended so far because memory ran out."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/vmstat").read_text().split("\noom_kill ")[1].split()[0])
    return 0


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment() -> dict[str, str]:
    """That of the owner, whose packages are found before any job says where to look."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
