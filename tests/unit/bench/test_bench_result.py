"""What is derived from measurements."""

from __future__ import annotations

import dataclasses
import json

import pytest

from nas.bench.result import Bench, Timing


def test_latency_is_told_at_the_smallest_batch_and_throughput_at_the_best(bench: Bench) -> None:
    small = bench.rows[0]
    first, best = small.latency("eager"), small.best("eager")
    assert first is not None
    assert best is not None
    assert (first.batch, best.batch) == (1, 4)
    assert [timing.images_per_s for timing in small.timings] == pytest.approx([200.0, 400.0, 320.0])
    assert small.latency("cuda_graph") is None


def test_the_share_of_the_roof_is_what_was_reached_of_what_can_be(bench: Bench) -> None:
    small = bench.rows[0]
    flop, moved = 2 * 4 * 125e6, 4 * (1e6 + 4 * (3 * 32 * 32 + 2 * 500e3))
    assert flop / moved * 10e9 > 200e9  # so that arithmetic bounds
    assert bench.share(small, small.timings[1]) == pytest.approx(flop / 0.010 / 200e9)
    slow = dataclasses.replace(bench, roofs=dataclasses.replace(bench.roofs, bytes_per_s=1e9))  # type: ignore[type-var]
    assert slow.share(small, small.timings[1]) == pytest.approx(moved / 0.010 / 1e9)  # bytes bound


def test_without_roofs_or_costs_there_is_no_share(bench: Bench) -> None:
    small = bench.rows[0]
    assert dataclasses.replace(bench, roofs=None).share(small, small.timings[0]) is None
    assert bench.share(dataclasses.replace(small, cost=None), small.timings[0]) is None


def test_a_timing_survives_the_way_through_the_pipe(bench: Bench) -> None:
    timing = bench.rows[1].timings[0]
    assert Timing.of(json.loads(json.dumps(dataclasses.asdict(timing)))) == timing


def test_a_bench_is_finished_when_every_network_has_its_row(bench: Bench) -> None:
    assert bench.finished
    assert not dataclasses.replace(bench, asked=4).finished
