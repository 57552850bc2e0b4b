"""Studies timed by ONNX Runtime and by OpenVINO, on the real command line; runtimes that cannot are refused first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nas

STUDY = """
[study]
name = "deployed"
trials = 2
sampler = "random"
[input]
shape = [3, 32, 32]
classes = 10
[network]
stem = { channels = 8 }
head = { channels = 16 }
[[stages]]
block = ["conv", "mbconv"]
channels = [8, 16]
stride = 2
[objectives]
latency_ms = "minimize"
macs = "minimize"
[columns.latency_ms]
device = "cpu"
threads = 1
max_seconds = 0.2
"""
"""So short a look is not judged: whether the machine moved meanwhile is nothing that this is about."""


def run(folder: Path, table: str, setup: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "deployed.toml").write_text(STUDY + table)
    (folder / "sitecustomize.py").write_text(setup)  # executed by every Python that starts, the workers' too
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-c", "from nas.cli import main; main()", "run", "deployed.toml", "--no-verify"]
    return subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
                          timeout=600, check=False)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_study_is_timed_by_what_people_ship(runtime: str, tmp_path: Path) -> None:
    ran = run(tmp_path, f'runtime = "{runtime}"\n[columns.eager_ms]\nmetric = "latency_ms"\ndevice = "cpu"\nthreads = 1\n'
                        "max_seconds = 0.2\n")
    assert ran.returncode == 0, ran.stderr
    storage = f"sqlite:///{tmp_path}/nas.db"
    report = nas.read_report("deployed", storage=storage)
    report = report[report["outcome"] != "contaminated"]  # a busy machine's, for which others were measured
    assert list(report["outcome"]) == ["ok", "ok"]
    assert (report["latency_ms"] > 0).all()
    assert (report["latency_ms_low"] <= report["latency_ms"]).all()
    measured = nas.read_measurements("deployed", storage=storage)
    assert set(zip(measured["column"], measured["runtime"], strict=True)) == {
        ("latency_ms", runtime), ("eager_ms", "eager")}
    assert list(measured["outcome"]) == ["ok"] * 4
    assert measured["fused"].all()
    assert not measured["message"].fillna("").str.contains("answers otherwise").any()


WITHOUT = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "onnxruntime" else found(name, package)
"""


@pytest.mark.parametrize(
    ("table", "setup", "said"),
    [
        ('runtime = "onnxruntime"', WITHOUT, "onnxruntime is not installed; pip install 'stagenas[onnxruntime]'"),
        ('runtime = "onnx"', "", "there are compile, cuda_graph, eager, onnxruntime, openvino, tensorrt"),
        ('runtime = "cuda_graph"', "", "runtime = 'cuda_graph': runs on cuda, not on cpu"),
        ('runtime = "tensorrt"', "", "runtime = 'tensorrt': runs on cuda, ssh, not on cpu"),
        ('runtime = "openvino"\ndtype = "float16"', "", "OpenVINO is run in float32 on a CPU; give float32"),
        ('runtime = "compile"', "import os; os.environ['CXX'] = '/absent'", "CXX = '/absent' is none here; install g++"),
        ('caches = "flushed"', "", "caches = 'flushed': the L2 of CUDA devices can be flushed"),
    ],
    ids=["not installed", "unknown", "cuda_graph on a CPU", "tensorrt on a CPU", "dtype", "no compiler", "caches"],
)
def test_what_cannot_be_measured_is_refused_before_the_study_starts(
    table: str, setup: str, said: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, table, setup)
    assert ran.returncode == 2
    told = " ".join(ran.stderr.split())
    assert said in told
    assert "columns.latency_ms" in told
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) <= 6
    assert not (tmp_path / "nas.db").exists()
