"""Which words may name a host and what computes there, and the command that reaches it.

A study file may come from anybody, so that a host is a name and nothing else: no option of ssh, no word of a shell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nas.choices import shown
from nas.errors import MeasureError, SpecError

HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9_:][A-Za-z0-9._:-]*(?<![^:]:)")
MAX_LENGTH = 255
PROCESSOR = re.compile(r"cpu|cuda(?::(\d{1,4}))?")
PATH = re.compile(r"[A-Za-z0-9._/~][A-Za-z0-9._/~+-]*")

CONFIG_VARIABLE = "NAS_SSH_CONFIG"
"""A file that ssh reads instead of ~/.ssh/config."""
PYTHON_VARIABLE = "NAS_SSH_PYTHON"
"""The Python of the other machine: of a virtual environment, say. "python3" where it is not set."""

CONNECT_LIMIT_S = 10
OPTIONS = {
    "BatchMode": "yes",  # nobody is there to type a password
    "ConnectTimeout": str(CONNECT_LIMIT_S),
    "ServerAliveInterval": "15",  # a machine that is switched off meanwhile is missed after a minute
    "ServerAliveCountMax": "4",
    "ClearAllForwardings": "yes",
    "LogLevel": "ERROR",
}

BOOTSTRAP = (
    "import sys;v=sys.version_info[:2];v<(3,9)and sys.exit('nas: too old');b=sys.stdin.buffer;"
    "exec(compile(b.read(int(b.readline())),'worker.py','exec'))"
)
"""Reads a length and then a program from standard input. Nothing in it means anything to a shell in double quotes."""


@dataclass(frozen=True)
class Place:
    """Where a network is measured on another machine.

    Attributes:
        host: as ssh takes it: a name of ~/.ssh/config, an address, user@host.
        processor: "cpu" or "cuda:N".
    """

    host: str
    processor: str

    @property
    def kind(self) -> str:
        """ "cpu" or "cuda"."""
        return self.processor.partition(":")[0]

    def __str__(self) -> str:
        """As a device: the CPU need not be named."""
        return f"ssh:{self.host}" if self.kind == "cpu" else f"ssh:{self.host}/{self.processor}"


def place_of(device: str) -> Place:
    """What "ssh:HOST" (the CPU there), "ssh:HOST/cuda" (its first CUDA device) or "ssh:HOST/cuda:N" means.

    Raises:
        SpecError: the host or the processor is none; nothing is asked of the network.
    """
    host, slash, processor = device.partition(":")[2].partition("/")
    if not HOST.fullmatch(host) or len(host) > MAX_LENGTH:
        raise SpecError(f"device = {shown(device)}: give ssh:HOST with a host as ssh takes it, such as ssh:jetson or "
                        "ssh:pi@10.0.0.7; a port and other options belong into ~/.ssh/config")
    match = PROCESSOR.fullmatch(processor if slash else "cpu")
    if match is None:
        raise SpecError(f"device = {shown(device)}: give ssh:{host} for its CPU, or ssh:{host}/cuda:0 for its first "
                        "CUDA device")
    return Place(host, "cpu" if match[0] == "cpu" else f"cuda:{int(match[1] or 0)}")


def python_there() -> str:
    """The Python that is started on the other machine.

    Raises:
        MeasureError: the variable holds more than a path.
    """
    python = os.environ.get(PYTHON_VARIABLE, "") or "python3"
    if not PATH.fullmatch(python):
        raise MeasureError(f"{PYTHON_VARIABLE} = {shown(python)}: give the path of a Python on the other machine, of "
                           "letters, digits and . _ / ~ + -", "device_error")
    return python


def command_of(host: str, python: str) -> Sequence[str]:
    """What is executed here to have the worker executed there."""
    config = os.environ.get(CONFIG_VARIABLE, "")
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", *(["-F", config] if config else []), "-T", *options, "--", host, f'{python} -c "{BOOTSTRAP}"']
