"""Which process runs a trial, such that another one can tell whether it still does."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process, told apart from every other one before and after it.

    Attributes:
        host: the host's name.
        boot: the kernel's boot id: it changes when the host restarts.
        namespace: of process ids: inside a container the same number is another process.
        pid: process id.
        started: clock ticks from boot to the start of the process: ids are reused.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    def is_gone(self, here: Owner) -> bool:
        """Whether the process is certainly dead, seen from the process `here`; False where that cannot be told."""
        if self.host != here.host:
            return False
        if self.boot != here.boot:
            return True
        if self.namespace != here.namespace:
            return False
        started = _started(self.pid)
        return started is None or bool(started and self.started and started != self.started)

    def lives(self, here: Owner) -> bool:
        """Whether the process is certainly alive, seen from the process `here`; False where that cannot be told."""
        same = (self.host, self.boot, self.namespace) == (here.host, here.boot, here.namespace)
        return same and not self.is_gone(here)


def current() -> Owner:
    """This process."""
    pid = os.getpid()
    boot = _read("/proc/sys/kernel/random/boot_id")
    return Owner(socket.gethostname(), boot, _link("/proc/self/ns/pid"), pid, _started(pid) or "")


def _started(pid: int) -> str | None:
    """When the process began, "" where the system does not tell, None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _signalled(pid)
    state, *fields = stat.rpartition(")")[2].split()  # the name before it, in brackets, may hold anything
    return None if state in "ZX" else fields[18]  # field 22 of proc(5); a zombie has ended already


def _signalled(pid: int) -> str | None:
    """The answer where there is no /proc to ask: "" if the process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""  # it exists, and belongs to someone else
    return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
