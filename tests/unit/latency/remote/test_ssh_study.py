"""Studies with a column on another machine, on the real command line: a real sshd is the other machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nas

if TYPE_CHECKING:
    from conftest import Server

STUDY = """
[study]
name = "boards"
trials = 2
sampler = "random"
[input]
shape = [3, 16, 16]
classes = 10
[network]
stem = { channels = 8 }
head = { channels = 16 }
[[stages]]
block = "conv"
channels = [8, 16]
kernel = [3, 5]
stride = 2
[objectives]
latency_ms = "minimize"
macs = "minimize"
[columns.latency_ms]
device = "DEVICE"
runtime = "RUNTIME"
threads = 1
max_seconds = 0.2
[columns.here_ms]
metric = "latency_ms"
device = "cpu"
runtime = "onnxruntime"
threads = 1
max_seconds = 0.2
"""
PROGRAM = [sys.executable, "-c", "from nas.cli import main; main()", "run", "boards.toml", "--no-verify"]


def written(folder: Path, device: str = "ssh:loopback", runtime: str = "onnxruntime") -> Path:
    (folder / "boards.toml").write_text(STUDY.replace("DEVICE", device).replace("RUNTIME", runtime))
    return folder


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(PROGRAM, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def test_two_machines_are_two_columns_and_two_environments(server: Server, tmp_path: Path) -> None:
    ran = run(written(tmp_path))
    assert ran.returncode == 0, ran.stderr
    storage = f"sqlite:///{tmp_path}/nas.db"
    report = nas.read_report("boards", storage=storage)
    assert set(report["outcome"]) <= {"ok", "contaminated"}  # which a busy machine may be, and is tried again
    report = report[report["outcome"] == "ok"]
    assert len(report) == 2
    assert (report["latency_ms"] > 0).all()
    assert (report["latency_ms_low"] <= report["latency_ms"]).all()
    measured = nas.read_measurements("boards", storage=storage)
    measured = measured[measured["outcome"] == "ok"]
    there, here = (measured[measured["column"] == name] for name in ("latency_ms", "here_ms"))
    assert set(there["device"]) == {"ssh:loopback"}
    assert set(here["device"]) == {"cpu"}
    assert there["environment"].nunique() == here["environment"].nunique() == 1
    assert set(there["environment"]).isdisjoint(here["environment"])
    assert (there["reference_ratio"] > 0).all()


@pytest.mark.parametrize(("broken", "said"), [
    ("port", "ssh loopback failed"),
    ("key", "Permission denied"),
    ("python", "No module named"),
    ("runtime", 'give eager, onnxruntime or tensorrt'),
    ("host", "give ssh:HOST with a host as ssh takes it"),
])
def test_what_does_not_answer_is_told_before_the_study_starts(
    server: Server, tmp_path: Path, broken: str, said: str
) -> None:
    if broken == "port":
        server.write_config(port=1)
    if broken == "key":
        server.write_config(key="stranger_key")
    if broken == "python":
        server.write_python('#!/bin/sh\nexec {} -I -S "$@"\n')
    written(
        tmp_path,
        device="ssh:-oProxyCommand=id" if broken == "host" else "ssh:loopback",
        runtime="openvino" if broken == "runtime" else "onnxruntime",
    )
    ran = run(tmp_path)
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.split())
    assert "columns.latency_ms" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "nas.db").exists()


def is_running(process: int) -> bool:
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())  # of a zombie there is none
    except OSError:
        return False


def test_the_other_machine_is_left_alone_when_the_run_is_killed(server: Server, tmp_path: Path) -> None:
    started = tmp_path / "started"
    server.write_python(f'#!/bin/sh\necho $$ >> {started}\nexec {{}} "$@"\n')
    written(tmp_path)
    with subprocess.Popen(PROGRAM, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ours:
        for _ in range(600):
            if started.exists() and started.read_text().strip():
                break
            time.sleep(0.1)
        ours.send_signal(signal.SIGKILL)
    processes = [int(line) for line in started.read_text().split()]
    assert processes
    for _ in range(200):
        if not any(is_running(process) for process in processes):
            return
        time.sleep(0.05)
    for process in filter(is_running, processes):
        os.kill(process, signal.SIGKILL)
    pytest.fail("the worker there went on")
