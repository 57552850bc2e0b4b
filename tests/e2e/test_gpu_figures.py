"""On a GPU: times of fresh processes agree and order networks alike; and whatever a candidate does to the device is a
row of its study, after which the next one's time is right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

import nas
from nas.plugins import Plugins, load_plugins
from nas.search.asking import InWorker, Question
from nas.space import SearchSpace
from nas.spec import parse_spec

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

DEVICE_TIME: dict[str, object] = {"device": "cuda:0", "runtime": "cuda_graph", "max_seconds": 2.0}
NETWORKS = ("resnet18", "mobilenet_v3_small")
PROCESSES = 5
SPREAD = 0.015

SPACE: dict[str, Any] = {
    "study": {"name": "random_networks", "trials": 50},
    "input": {"shape": [3, 96, 96], "classes": 100},
    "network": {"stem": {"channels": [16, 32]}, "head": {"channels": 256, "dropout": 0}, "drop_path": 0},
    "stages": [
        {"block": ["conv", "fused_mbconv", "mbconv"], "repeats": [1, 2, 3, 4], "channels": channels, "stride": 2,
         "kernel": [3, 5], "expand": [2, 4, 6]}
        for channels in ([24, 32, 48], [64, 96, 128], [128, 192, 256])
    ],
    "objectives": {"macs": "minimize"},
}
RANDOM_NETWORKS = 50
CORRELATION = 0.99


BLOCKS = '''
"""Convolutions; and some that do on a GPU what no candidate should."""
import torch
from torch import nn

import nas


def asks(x):
    """For more memory than the card has."""
    x.new_empty(torch.cuda.get_device_properties(x.device).total_memory * 11 // 10, dtype=torch.int8)


def spins(x):
    """In a kernel that ends after some decades."""
    torch.cuda._sleep(2**62)


def breaks(x):
    """In a kernel that reads memory which was given back: an illegal access."""
    values = x.new_ones(2**20)
    values.untyped_storage().resize_(0)
    values * 2


class Faulty(nn.Module):
    def __init__(self, layers, does):
        super().__init__()
        self.layers, self.does = layers, does

    def forward(self, x):
        y = self.layers(x)
        if y.is_cuda:
            self.does(y)
        return y


def build(io, layers=1):
    first = nn.Conv2d(io.in_channels, io.out_channels, 3, io.stride, padding=1)
    more = [nn.Conv2d(io.out_channels, io.out_channels, 3, padding=1) for _ in range(layers - 1)]
    return nn.Sequential(first, *more)


@nas.hookimpl
def nas_blocks():
    faults = [
        nas.BlockSpec(does.__name__, version=1, build=lambda io, does=does: Faulty(build(io), does))
        for does in (asks, spins, breaks)
    ]
    return [nas.BlockSpec("well", version=1, build=build, params={"layers": [4, 8, 12, 16, 20]}), *faults]
'''
OUTCOMES = {"well": "ok", "asks": "oom", "spins": "timeout", "breaks": "device_error"}

STUDY: dict[str, Any] = {
    "study": {"name": "faults", "trials": 8, "sampler": "random", "seed": 5},
    "input": {"shape": [3, 64, 64], "classes": 10},
    "network": {"stem": {"channels": 32, "stride": 1}, "head": {"channels": 64, "dropout": 0}, "drop_path": 0},
    "stages": [{"block": list(OUTCOMES), "repeats": 1, "channels": 64, "stride": 1}],
    "objectives": {"latency_ms": "minimize", "macs": "minimize"},
    "columns": {"latency_ms": {
        "device": "cuda:0", "runtime": "cuda_graph", "batch": 4, "max_seconds": 2.0, "timeout_s": 30,
    }},
}
"""Of 8 networks, all of which are tried. The time limit is of a whole candidate, the start of its process included."""


def measured_afresh(
    archs: Iterable[nas.Architecture], plugins: Plugins, options: Mapping[str, object]
) -> dict[str, float]:
    """Text of each network -> its latency in ms, as a column with these options has it; all from one fresh process."""
    metric = plugins.metrics["latency_ms"]
    asked = {**(metric.options or {}), **options}
    worker = InWorker()
    worker.start_afresh(asked)
    found = {}
    for arch in archs:
        question = Question(plugins, metric, arch, nas.count(arch, plugins.files), asked, 0, str(asked["device"]))
        found[arch.text] = worker.estimate(question).value
    worker.start_afresh(asked)  # which ends it: nothing lies idle on the GPU
    return found


@pytest.mark.gpu
@needs_gpu
def test_five_fresh_processes_agree() -> None:
    plugins = load_plugins()
    archs = [nas.load(name) for name in NETWORKS]
    assert all(isinstance(arch, nas.Architecture) for arch in archs)
    runs = [measured_afresh(archs, plugins, DEVICE_TIME) for _ in range(PROCESSES)]  # type: ignore[arg-type]
    for name, arch in zip(NETWORKS, archs, strict=True):
        times = sorted(run[str(arch)] for run in runs)
        assert times[-1] - times[0] <= SPREAD * times[PROCESSES // 2], (name, times)


@pytest.mark.gpu
@needs_gpu
def test_two_passes_over_random_networks_order_them_alike() -> None:
    plugins = load_plugins()
    space = SearchSpace(parse_spec(SPACE), plugins.blocks)
    rng = random.Random(0)
    drawn: dict[str, nas.Architecture] = {}
    while len(drawn) < RANDOM_NETWORKS:
        arch = space.decode(space.draw(rng))
        drawn[arch.text] = arch
    passes = [
        measured_afresh(rng.sample(list(drawn.values()), RANDOM_NETWORKS), plugins, {**DEVICE_TIME, "max_seconds": 1.0})
        for _ in range(2)
    ]
    first, second = ([one[text] for text in drawn] for one in passes)
    assert spearmanr(first, second).statistic >= CORRELATION


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    file = tmp_path / "faulty.py"
    file.write_text(BLOCKS, encoding="utf-8")
    return file


def tried(spec: Mapping[str, object], faulty: Path) -> pd.DataFrame:
    """The study's report in the order of its trials, with the block of each."""
    storage = f"sqlite:///{faulty.parent}/nas.db"
    nas.run(parse_spec(spec), storage=storage, plugins=[faulty], verify=False)
    report = nas.read_report("faults", storage=storage).sort_values("trial")
    return report.assign(block=[nas.Architecture.parse(text).stages[0].block for text in report["arch"]])


def test_the_seed_puts_a_sound_network_behind_each_of_the_others(faulty: Path) -> None:
    blocks = list(tried({**STUDY, "objectives": {"macs": "minimize"}, "columns": {}}, faulty)["block"])
    assert sorted(blocks) == sorted([*OUTCOMES, *["well"] * 4])
    assert [after for block, after in itertools.pairwise(blocks) if block != "well"] == ["well"] * 3


@pytest.mark.gpu
@needs_gpu
def test_what_goes_wrong_on_a_gpu_is_a_row_and_the_next_candidate_s_time_is_right(faulty: Path) -> None:
    report = tried(STUDY, faulty)
    assert list(report["outcome"]) == [OUTCOMES[block] for block in report["block"]], list(report["message"])
    options = {key: value for key, value in STUDY["columns"]["latency_ms"].items() if key != "timeout_s"}
    sound = report[report["block"] == "well"]
    alone = measured_afresh(map(nas.Architecture.parse, sound["arch"]), load_plugins([faulty]), options)
    for text, found in zip(sound["arch"], sound["latency_ms"], strict=True):
        assert found == pytest.approx(alone[text], rel=0.03), text
