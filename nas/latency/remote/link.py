"""One connection to a worker on another machine, kept from job to job: requests with deadlines, and what its end means.

The worker there ends with this process, however that ends: its standard input does. On Linux ssh here does as well,
though the machine there may never read that input.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from nas.choices import shown
from nas.errors import MeasureError, printable
from nas.latency.remote import worker
from nas.latency.remote.host import CONFIG_VARIABLE, PYTHON_VARIABLE, command_of, python_there

START_LIMIT_S = 60.0
"""Of connecting, and of Python's start there."""
ASK_LIMIT_S = 120.0
"""Of a question that costs nothing, the import of onnxruntime from a slow card apart."""
STRANGERS_BYTES = 1 << 16
"""What a login shell may print before the worker speaks."""
LAST_WORDS = 300
SSH_FAILED = 255
NOT_FOUND = (126, 127)


def nobody(phase: str) -> None:
    """The default listener."""


class Link:
    """The worker on `host`. It starts with the first request, and after its end the next request starts a fresh one.

    `memory` belongs to whoever asks, and is emptied where the worker is a fresh one. A thread that asks several things
    which belong together holds `alone` meanwhile.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.memory: dict[Any, Any] = {}
        self.alone = threading.RLock()
        self.python = ""
        """Version and place of the Python there, once it runs."""
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def ask(
        self,
        do: str,
        *blobs: bytes,
        limit_s: float | None = ASK_LIMIT_S,
        entered: Callable[[str], None] = nobody,
        **arguments: object,
    ) -> Any:
        """The worker's answer to `do`.

        Args:
            do: one of the `do_...` of `worker.Worker`.
            blobs: what it takes beside plain values.
            limit_s: until the answer, or until a phase begins, of which nobody knows how long it lasts; None: for ever.
            entered: gets the name of each phase that begins.
            arguments: plain values.

        Raises:
            MeasureError: what the worker says of a failure (`oom`, `invalid`, `device_error`); `timeout`;
                `worker_died` where the connection cannot be made, or has ended. After the last two the worker is gone.
        """
        with self.alone:
            self._asked += 1
            head = {"id": self._asked, "do": do, "bytes": [len(blob) for blob in blobs], **arguments}
            line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
            try:
                message = self._answer(do, (line, *blobs), limit_s, entered)
            except BaseException:  # nobody can know what it is doing
                self.close()
                raise
        if "failed" in message:
            raise MeasureError(f"on {self.host}: {printable(message['failed'])}", str(message["outcome"]))
        return message["answer"]

    def _answer(
        self, do: str, parts: Sequence[bytes], limit_s: float | None, entered: Callable[[str], None]
    ) -> Mapping[str, Any]:
        if self._process is None:
            self._start()
        self._write(*parts, limit_s=limit_s, doing=do)
        while "phase" in (message := self._message(limit_s, do)):
            entered(message["phase"])
            limit_s = None
        return message

    def _message(self, limit_s: float | None, doing: str) -> Mapping[str, Any]:
        line = self._line(limit_s, doing)
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict) or not message.keys() & {"phase", "answer", "failed"}:
            raise MeasureError(f"ssh {self.host}: \"{doing}\" was answered by {shown(line)}", "device_error")
        if message.get("id") != self._asked:  # and what comes after it cannot be believed either
            raise MeasureError(f"ssh {self.host}: \"{doing}\" was answered by what was said of another question",
                               "worker_died")
        return message

    @property
    def pid(self) -> int | None:
        """Of ssh here, while it runs."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends ssh, and with it the worker there."""
        process, self._process = self._process, None
        self.memory.clear()
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, self._said):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _start(self) -> None:
        python = python_there()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                _with_this_process(command_of(self.host, python)), bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            )
        except FileNotFoundError:
            self._said.close()
            raise MeasureError("there is no ssh on this machine; install OpenSSH's client", "device_error") from None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        source = _source()
        doing = f"starting {python}"
        self._write(f"{len(source)}\n".encode(), source, limit_s=START_LIMIT_S, doing=doing)
        heard = 0
        until = time.monotonic() + START_LIMIT_S
        while not (line := self._line(until - time.monotonic(), doing)).startswith(worker.HELLO.encode()):
            heard += len(line)
            if heard > STRANGERS_BYTES:
                raise MeasureError(f"ssh {self.host}: what answers is no worker", "device_error")
        self.python = printable(line.decode(errors="replace").partition(" ")[2])

    def _write(self, *parts: bytes, limit_s: float | None, doing: str) -> None:
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        pipe = self._pipe("stdin")
        for part in parts:
            rest = memoryview(part)
            while rest:
                self._wait(pipe, selectors.EVENT_WRITE, until, doing)
                try:
                    rest = rest[os.write(pipe, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise self._end(doing) from None

    def _line(self, limit_s: float | None, doing: str) -> bytes:
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        pipe = self._pipe("stdout")
        while b"\n" not in self._rest:
            self._wait(pipe, selectors.EVENT_READ, until, doing)
            try:
                chunk = os.read(pipe, 1 << 16)
            except BlockingIOError:
                continue
            if not chunk:
                raise self._end(doing)
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _pipe(self, name: str) -> int:
        pipe = getattr(self._process, name)
        descriptor: int = pipe.fileno()
        return descriptor

    def _wait(self, pipe: int, event: int, until: float, doing: str) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            left_s = None if math.isinf(until) else max(0.0, until - time.monotonic())
            if not selector.select(left_s):
                raise MeasureError(f"ssh {self.host}: nothing was heard in time ({doing}), and it was ended", "timeout")

    def _end(self, doing: str) -> MeasureError:
        """What it means that the pipe has ended."""
        status = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(5.0) if self._process is not None else None
        self._said.seek(0)
        words = printable(" ".join(self._said.read().decode(errors="replace").split()))[-LAST_WORDS:]
        python = python_there()
        if "nas: too old" in words:
            return self._unfit(f"its {python} is older than 3.9; install a newer one, or name it in {PYTHON_VARIABLE}")
        if status in NOT_FOUND and doing.startswith("starting"):
            return self._unfit(f"there is no {python} ({words}); install it, or name another one in {PYTHON_VARIABLE}")
        if status == SSH_FAILED and doing.startswith("starting"):
            return MeasureError(f"ssh {self.host} failed: {words or 'it said nothing'}{_remedy(words, self.host)}",
                                "worker_died")
        how = "the connection ended" if status in (None, SSH_FAILED) else f"the worker there ended with {status}"
        return MeasureError(f"ssh {self.host}: while it did \"{doing}\", {how}{f': {words}' if words else ''}",
                            "worker_died")

    def _unfit(self, told: str) -> MeasureError:
        return MeasureError(f"ssh {self.host}: {told}", "device_error")


LAUNCH = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)
"""Becomes the program that it is told, which Linux ends with the process whose number comes first: 1 is
PR_SET_PDEATHSIG. A function of our own between fork and exec could wait for ever for a lock of another thread."""


def _with_this_process(command: Sequence[str]) -> Sequence[str]:
    """The command as it is started so that it ends with this process, where that can be had.

    Linux ends it with the thread that started it, and so a thread that may end before this process starts it plainly.
    """
    program = shutil.which(command[0])
    lasting = threading.current_thread() is threading.main_thread()
    if sys.platform != "linux" or not lasting or not sys.executable or program is None:
        return command
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), program, *command[1:]]


def _remedy(words: str, host: str) -> str:
    if "Permission denied" in words:
        return f"; no password is asked for: bring a key there with ssh-copy-id {host}"
    if "Host key verification failed" in words:
        return f"; log in once by hand, ssh {host}, and look at its key"
    return f"; see that `ssh {host} true` works"


@lru_cache(maxsize=1)
def _source() -> bytes:
    return Path(worker.__file__).read_bytes()


_LINKS: dict[tuple[int, str, str, str], Link] = {}


def link_to(host: str) -> Link:
    """The connection of this process to a host; another one where the variables that steer it have changed."""
    key = (os.getpid(), host, os.environ.get(CONFIG_VARIABLE, ""), os.environ.get(PYTHON_VARIABLE, ""))
    return _LINKS.setdefault(key, Link(host))


@atexit.register
def _end_all() -> None:
    for (owner, *_), link in list(_LINKS.items()):
        if owner == os.getpid():
            link.close()
