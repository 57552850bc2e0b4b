"""Jobs of the tests: what a network, or a stranger's metric, may do to the process that it runs in."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import MeasureError, SpecError
from nas.worker import Tell


def echo(arguments: Mapping[str, Any], tell: Tell) -> object:
    tell.report("begun")
    tell.report([1, 0.5])
    return {"pid": os.getpid(), "cwd": str(Path.cwd()), **arguments}


def loaded(arguments: Mapping[str, Any], tell: Tell) -> object:
    return [os.getpid(), arguments["module"] in sys.modules]


def say(arguments: Mapping[str, Any], tell: Tell) -> object:
    print(arguments["text"])
    return None


def raises(arguments: Mapping[str, Any], tell: Tell) -> object:
    raise {
        "value": ValueError("no figure"),
        "memory": MemoryError("too large"),
        "exit": SystemExit(3),
        "outcome": MeasureError("too hot", "throttled"),
        "spec": SpecError("cannot be meant"),
    }[arguments["what"]]


def unsayable(arguments: Mapping[str, Any], tell: Tell) -> object:
    return object()


def hang(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Talks all the time, and never ends."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell.report(child.pid)
    tell.phase("timing", 0.5)
    while True:
        tell.report("still here")
        time.sleep(0.05)


def phases(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Longer in all than any phase may last."""
    for name in ("building", "waiting", "timing"):
        tell.phase(name, 5.0)
    tell.phase("waiting", None)
    return "done"


def segfault(arguments: Mapping[str, Any], tell: Tell) -> object:
    tell.phase("building", 60.0)
    return ctypes.string_at(0)


def leave(arguments: Mapping[str, Any], tell: Tell) -> object:
    os._exit(arguments["status"])


def killed(arguments: Mapping[str, Any], tell: Tell) -> object:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return None


def leaves_a_child(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Its child holds all that it holds, its end of the pipe as well, and lives on in another process group."""
    if (child := os.fork()) == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    tell.report(child)
    os._exit(7)


def forks(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Both copies come back, the second one after the first."""
    if (child := os.fork()) == 0:
        time.sleep(arguments["later_s"])
    return {"child": child, "x": arguments["x"]}


def scribbles(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Writes into the pipe that is the worker's own."""
    tell.phase("timing", 60.0)
    os.write(int(sys.argv[2]), arguments["text"].encode())
    return 1.0


class Peculiar(BaseException):
    """No Exception."""


def ends_peculiarly(arguments: Mapping[str, Any], tell: Tell) -> object:
    raise Peculiar("very")
