"""The arithmetic of a roofline, and that the roofs are measured as they are said to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import nas
from nas.bench import roofline
from nas.bench.roofline import Roofs, measure_roofs, traffic

ROOFS = Roofs(flop_per_s=100e9, bytes_per_s=10e9, matrix=1024, copied_bytes=2**28, arithmetic="float32", threads=1)


def test_bytes_of_a_convolution_counted_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU())
    cost = nas.count(net, input_shape=(3, 10, 10))
    weights, given, made = 3 * 8 * 9, 3 * 10 * 10, 8 * 10 * 10
    assert traffic(cost, (3, 10, 10), batch=1, itemsize=4) == 4 * (weights + given + 2 * made)
    assert traffic(cost, (3, 10, 10), batch=5, itemsize=2) == 2 * (weights + 5 * (given + 2 * made))


def test_below_the_ridge_bytes_bound_and_above_it_arithmetic_does() -> None:
    assert ROOFS.ridge == 10.0
    assert ROOFS.attainable(2.0) == 20e9
    assert ROOFS.attainable(ROOFS.ridge) == pytest.approx(ROOFS.flop_per_s)
    assert ROOFS.attainable(1000.0) == 100e9


def test_a_copy_counts_what_it_reads_and_what_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def timer(call: Callable[[], object]) -> float:
        call()
        return 0.5

    monkeypatch.setattr(roofline, "SIZES", (8,))
    monkeypatch.setattr(roofline, "COPY_BYTES", {"cpu": 4096})
    monkeypatch.setattr("nas.latency.timing.timer_of", lambda device: timer)
    assert measure_roofs("cpu", "float32", 1, 0.0) == Roofs(
        flop_per_s=2 * 8**3 / 0.5, bytes_per_s=2 * 4096 / 0.5, matrix=8, copied_bytes=4096, arithmetic="float32", threads=1
    )


def test_the_fastest_pass_of_the_best_size_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([3e-6, 1e-6, 1e-6, 2e-6, 1e-3, 1e-3])  # two samples of each size, then of the copy

    monkeypatch.setattr(roofline, "SIZES", (8, 16))
    monkeypatch.setattr(roofline, "COPY_BYTES", {"cpu": 64})
    monkeypatch.setattr("nas.latency.timing.timer_of", lambda device: lambda call: next(seconds))
    found = measure_roofs("cpu", "float32", 1, 0.0)
    assert (found.matrix, found.flop_per_s) == (16, pytest.approx(2 * 16**3 / 1e-6))


def test_no_larger_product_is_tried_once_one_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([roofline.LONGEST_PASS_S, roofline.LONGEST_PASS_S, 1.0, 1.0])
    monkeypatch.setattr(roofline, "COPY_BYTES", {"cpu": 64})
    monkeypatch.setattr("nas.latency.timing.timer_of", lambda device: lambda call: next(seconds))
    assert measure_roofs("cpu", "float32", 1, 0.0).matrix == roofline.SIZES[0]


def test_the_threads_are_those_asked_for_and_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(roofline, "SIZES", (8,))
    monkeypatch.setattr(roofline, "COPY_BYTES", {"cpu": 64})
    monkeypatch.setattr(
        "nas.latency.timing.timer_of", lambda device: lambda call: seen.append(torch.get_num_threads()) or 1.0
    )
    before = torch.get_num_threads()
    measure_roofs("cpu", "bfloat16", before + 1, 0.0)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
