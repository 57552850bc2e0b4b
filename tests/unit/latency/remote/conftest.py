"""Another machine for the tests: a real sshd on a free port of this one, for one user with one key."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.latency.remote.host import CONFIG_VARIABLE, PYTHON_VARIABLE
from nas.latency.remote.link import Link

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
TOOLS = all(shutil.which(tool) for tool in ("ssh", "ssh-keygen"))

PYTHON = '#!/bin/sh\nexec {} "$@"\n'


@dataclass(frozen=True)
class Server:
    """What is known of it: the host is called `loopback` in `config`, the file that ssh is to read."""

    folder: Path
    port: int

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    def write_config(self, key: str = "user_key", port: int | None = None, known_hosts: str = "known_hosts") -> None:
        """How ssh reaches it, or does not."""
        self.config.write_text(
            "Host loopback\n"
            "  HostName 127.0.0.1\n"
            f"  Port {self.port if port is None else port}\n"
            f"  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder / key}\n"
            "  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder / known_hosts}\n"
            "  GlobalKnownHostsFile /dev/null\n"
        )

    @property
    def python(self) -> Path:
        return self.folder / "python3"

    def write_python(self, script: str = PYTHON) -> None:
        """What Python is there; `{}` in the script is the one that runs the tests."""
        self.python.write_text(script.format(sys.executable))
        self.python.chmod(0o755)

    def reset(self) -> None:
        """As it was in the beginning."""
        self.write_config()
        self.write_python()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def missing() -> str:
    """Why there can be no server here, or an empty string."""
    if SSHD is None or not TOOLS:
        return "no sshd, ssh or ssh-keygen on this machine; install openssh-server and openssh-client"
    if os.getuid() == 0 and not Path("/run/sshd").is_dir():
        try:
            Path("/run/sshd").mkdir(mode=0o755)  # as its init script does
        except OSError as error:
            return f"sshd, as root, needs the folder /run/sshd: {error.strerror}"
    return ""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Until the end of the block."""
    for name in ("host_key", "user_key", "stranger_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    server = Server(folder, free_port())
    public = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public[0]} {public[1]}\n")
    (folder / "empty_hosts").write_text("")
    server.reset()
    (folder / "sshd_config").write_text(
        f"Port {server.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host_key'}\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPidFile none\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        _until_listening(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def _until_listening(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(f"sshd ended: {(server.folder / 'sshd.log').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("sshd does not listen")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if why := missing():
        pytest.skip(why)
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(sshd: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The host `loopback`, with a Python that has onnxruntime."""
    sshd.reset()
    monkeypatch.setenv(CONFIG_VARIABLE, str(sshd.config))
    monkeypatch.setenv(PYTHON_VARIABLE, str(sshd.python))
    return sshd


@pytest.fixture
def link(server: Server) -> Iterator[Link]:
    """A connection of its own, to `loopback`."""
    one = Link("loopback")
    yield one
    one.close()
