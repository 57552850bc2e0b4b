"""`nas bench` and `nas show --latency` on the real command line: workers, failures, files, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nas
from nas.cli import main

SMALL, OTHER = (
    str(nas.Architecture((3, 16, 16), (nas.Stage("conv", 1, 1, channels, 2),), nas.Stem(channels=8), classes=5))
    for channels in (8, 16)
)
PROGRAM = [sys.executable, "-c", "from nas.cli import main; main()"]
TINY = ["--device", "cpu", "--max-seconds", "0.3", "--batch", "1,2", "--threads", "1"]
DEADLY = """
import os
import nas
from torch import nn

class Deadly(nn.Conv2d):
    def forward(self, x):
        if x.device.type != "meta":
            os._exit(9)
        return super().forward(x)

def build(io):
    return Deadly(io.in_channels, io.out_channels, 1, io.stride)

@nas.hookimpl
def nas_blocks():
    return [nas.BlockSpec("deadly", 1, build)]
"""


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_networks_are_measured_and_one_that_kills_its_process_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    deadly = str(nas.Architecture((3, 16, 16), (nas.Stage("deadly", 1, 1, 8, 2),), nas.Stem(channels=8), classes=5))
    told = ran(tmp_path, "bench", SMALL, deadly, OTHER, *TINY, "--plugin", "deadly.py", "--out", "r.json")
    assert told.returncode == 0, told.stderr
    found = json.loads((tmp_path / "r.json").read_text())
    assert [row["outcome"] for row in found["rows"]] == ["ok", "worker_died", "ok"]
    assert "exited with 9" in found["rows"][1]["message"]
    assert [timing["batch"] for timing in found["rows"][2]["timings"]][:1] == [1]
    assert found["roofs"]["flop_per_s"] > found["roofs"]["bytes_per_s"] > 0
    assert found["conditions"]["environment"]["cpu"]
    assert "worker_died" in told.stdout
    assert "this device reaches" in told.stdout
    assert "3/3" in told.stderr  # a log is told of each network
    assert "wrote r.json" in told.stderr


def test_the_report_is_a_page_with_its_picture(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    told = ran(tmp_path, "bench", "mobilenet_v3_small", SMALL, *TINY, "--out", "r.md")
    assert told.returncode == 0, told.stderr
    page = (tmp_path / "r.md").read_text()
    assert "](r.svg)" in page
    assert "MobileNet\\_V3\\_Small\\_Weights.IMAGENET1K\\_V1 | 67.668 | 2,542,856 | 2,542,856 | 0.057 | 0.057" in page
    assert "mobilenet_v3_small, batch " in (tmp_path / "r.svg").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--all"),
        (["resnet19"], "did you mean 'resnet18'"),
        ([SMALL, "--batch", "0"], "--batch"),
        ([SMALL, "--threads", "many"], "--threads"),
        ([SMALL, "--threads", "100000"], "threads = 100000"),
        ([SMALL, "--device", "cuda:97"], "cuda:97"),
        ([SMALL, "--device", "gpu"], "device = 'gpu'"),
        ([SMALL, "--runtime", "eagre"], "did you mean 'eager'"),
        ([SMALL, "--dtype", "int8"], "dtype = 'int8'"),
        ([SMALL, "--out", "r.pdf"], "ends in .md, .csv, .json"),
        ([SMALL, "--out", "nowhere/r.md"], "there is no folder nowhere"),
        ([SMALL, "--paired"], "--paired: compares two networks, got 1"),
        ([SMALL, OTHER, "--paired", "--out", "r.md"], "--paired"),
        ([SMALL, OTHER, "--paired", "--batch", "1,2"], "--paired"),
        ([SMALL, OTHER, "--paired", "--margin", "0"], "margin = 0.0: give a number above 0"),
        ([SMALL, OTHER, "--paired", "--budget-s", "nan"], "budget_s = nan"),
        ([SMALL, OTHER, "--paired", "--max-processes", "6"], "max_processes = 6: give a whole number from 7"),
        ([SMALL, OTHER, "--margin", "0.05"], "--margin: is of a comparison of two networks; give --paired with it"),
        ([SMALL, "--budget-s", "9"], "--budget-s: is of a comparison"),
        ([SMALL, "--max-processes", "9"], "--max-processes: is of a comparison"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nas", "bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert said in told.err
    assert told.err.startswith("nas: ")
    assert len(told.err.splitlines()) <= 4
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_takes_its_margin_and_its_budget_from_the_command_line(tmp_path: Path) -> None:
    told = ran(tmp_path, "bench", SMALL, SMALL, "--paired", "--device", "cpu", "--threads", "1", "--max-seconds", "0.5",
               "--budget-s", "0.1", "--margin", "0.5", "--max-processes", "9")
    assert told.returncode == 0, told.stderr
    assert "undecided between" in told.stdout  # a single process decides nothing
    assert "1 process, " in told.stdout
    assert "--budget-s, in Python budget_s, allows more" in told.stdout


def test_after_ctrl_c_what_was_measured_is_shown_and_written(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", *PROGRAM[1:], "bench", SMALL, "efficientnet_b7", "--device", "cpu",
               "--max-seconds", "60", "--batch", "1", "--out", "r.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()  # the first network is finished, the second takes a minute
    process.send_signal(signal.SIGINT)
    try:
        shown, rest = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # tells where it stands
        pytest.fail(f"Ctrl-C did not end it: {process.communicate()[1]}")
    assert said.startswith("1/2 ")
    assert process.returncode == 130, rest
    assert "stopped: 1 of 2 networks was measured" in shown
    assert len(json.loads((tmp_path / "r.json").read_text())["rows"]) == 1


def test_a_network_s_time_stands_beside_its_costs_part_by_part(tmp_path: Path) -> None:
    told = ran(tmp_path, "show", SMALL, "--latency", "--device", "cpu")
    assert told.returncode == 0, told.stderr
    (header,) = [line.split() for line in told.stdout.splitlines() if line.split()[:2] == ["part", "blocks"]]
    assert "ms" in header
    rows = [line for line in told.stdout.splitlines() if line.split()[:1] in (["stem"], ["stages.0"], ["head"])]
    assert len(rows) == 3
    assert all(row.count("█") + row.count("▏") >= 1 for row in rows)
    assert "the parts add up to" in told.stdout
    assert "of the whole network's" in told.stdout


def test_what_cannot_be_split_is_said(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    told = ran(tmp_path, "show", "torchvision:resnet18", "--latency", "--device", "cpu")
    assert told.returncode == 0, told.stderr
    assert "its time is not split: torchvision:resnet18 is opaque" in told.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--device", "cpu"], "--device: says where --latency is measured"), (["--latency", "--device", "cuda:97"], "cuda:97")],
)
def test_a_mistake_of_showing_latency_is_told(tmp_path: Path, words: list[str], said: str) -> None:
    told = ran(tmp_path, "show", SMALL, *words)
    assert told.returncode == 2
    assert said in told.stderr
    assert told.stdout == ""
