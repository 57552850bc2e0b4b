"""A bench in cells and sentences: what its table says, and its page. Rounded, here alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nas.bench.result import Bench, Row, Timing
from nas.latency.options import LatencyOptions
from nas.numbers import count, plus_minus, rounded
from nas.text import one_line, several

MOST_OF_A_SIZE = 3
"""Networks that are named of those that take inputs of one size."""

MOST_TOLD = 12
"""Failures, and warnings, that are told one by one."""


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, and how wide apart its cells stand."""

    heading: str
    left: bool = False


def columns(bench: Bench) -> list[Column]:
    """The headings; each runtime has one, with the batch at which its latency is told."""
    found = bench.conditions
    latencies = [Column(f"{runtime} ms, batch {found.batches[0]}") for runtime in found.runtimes]
    of_roof = [Column("of roof")] if bench.roofs else []
    theirs = [Column("top-1 %"), Column("GMAC")] if any(row.published for row in bench.rows) else []
    return [Column("network", left=True), Column("input"), Column("params"), Column("macs"), Column("activations"),
            *latencies, Column("images/s"), Column("at batch"), Column("GFLOP/s"), Column("GB/s"), *of_roof, *theirs]


def cells(bench: Bench, row: Row) -> list[str]:
    """One network, a cell a column."""
    found = bench.conditions
    costs = [count(value) for value in (row.cost.params, row.cost.macs, row.cost.activations)] if row.cost else [""] * 3
    told = [one_line(row.network), "x".join(map(str, row.input_shape)), *costs]
    for runtime in found.runtimes:
        timing = row.latency(runtime)
        told.append(_latency(timing, found.batches[0]) if timing else row.outcome if row.outcome != "ok" else "failed")
    best = row.best(found.runtimes[-1])
    if best is None:
        told += [""] * (5 if bench.roofs else 4)
    else:
        told += [rounded(best.images_per_s), str(best.batch)]
        told += [rounded(row.flop(best.batch) / best.median_ms / 1e6) if row.cost else "",
                 rounded(row.traffic(best.batch, found.itemsize) / best.median_ms / 1e6) if row.cost else ""]
        if bench.roofs:
            share = bench.share(row, best)
            told.append("" if share is None else f"{share:.0%}")
    if any(each.published for each in bench.rows):
        theirs = row.published
        told += [f"{theirs.accuracy:.1f}", rounded(theirs.gflops)] if theirs else ["", ""]
    return told


def _latency(timing: Timing, batch: int) -> str:
    alone = len(timing.samples_ms) == 1  # whose interval has no width, and is none
    text = f"{rounded(timing.median_ms)} ±?" if alone else plus_minus(timing.median_ms, timing.low_ms, timing.high_ms)
    return text if timing.batch == batch else f"{text} (batch {timing.batch})"


def curve(bench: Bench) -> tuple[list[str], list[list[str]]]:
    """Images a second over the batch, in the last runtime: headings, and a line a network; empty where one batch was
    asked for.
    """
    found = bench.conditions
    if len(found.batches) == 1:
        return [], []
    lines = []
    for row in bench.rows:
        by_batch = {timing.batch: timing for timing in row.timings if timing.runtime == found.runtimes[-1]}
        lines.append([one_line(row.network), *(rounded(by_batch[batch].images_per_s) if batch in by_batch else ""
                                               for batch in found.batches)])
    return ["network", *map(str, found.batches)], lines


def conditions(bench: Bench) -> str:
    """Under what everything was measured, in one sentence."""
    found = bench.conditions
    told = [f"{found.device} ({one_line(found.device_name)})", found.dtype, found.memory_format,
            several(found.threads, "thread"), f"up to {found.max_seconds:g} s a network"]
    return ", ".join(told)


def roofs(bench: Bench) -> str:
    """What the device reaches, in one sentence; empty where that is not known."""
    found = bench.roofs
    if found is None:
        return ""
    return (f"this device reaches {count(found.flop_per_s)}FLOP/s on a {found.matrix} x {found.matrix} matrix product "
            f"in {found.arithmetic}, and {count(found.bytes_per_s)}B/s on a copy of {found.copied_bytes / 2**20:g} MiB")


def inputs_differ(shapes: Mapping[str, tuple[int, int, int]]) -> Iterator[str]:
    """That networks side by side do not take inputs of one size, and why, where they do not."""
    by_size: dict[str, list[str]] = {}
    for name, shape in shapes.items():
        by_size.setdefault("x".join(map(str, shape)), []).append(one_line(name))
    if len(by_size) > 1:
        told = [f"{size} {', '.join(names[:MOST_OF_A_SIZE])}"
                + (f" and {len(names) - MOST_OF_A_SIZE} more" if len(names) > MOST_OF_A_SIZE else "")
                for size, names in by_size.items()]
        timms = " (timm's test_input_size)" if any(name.startswith("timm:") for name in shapes) else ""
        yield f"inputs differ: {'; '.join(told)}; of a network with a name, a published crop is used{timms}"


def notes(bench: Bench) -> Iterator[str]:
    """What a reader should know before believing the numbers; failures first."""
    if not bench.finished:
        done = len(bench.rows)
        yield f"stopped: {done} of {several(bench.asked, 'network')} {'was' if done == 1 else 'were'} measured"
    told = [f"{one_line(row.network)}: {row.outcome}: {one_line(row.message)}" if row.outcome != "ok"
            else f"{one_line(row.network)}: {one_line(row.message)}" for row in bench.rows if row.message]
    yield from _some(told, "failures")
    yield from map(one_line, bench.notices)
    yield from inputs_differ({row.network: row.input_shape for row in bench.rows})
    if early := sum(bool(row.ended) for row in bench.rows):
        yield (f"the batches of {several(early, 'network')} end early: {bench.conditions.max_seconds:g} s a network "
               "were spent")
    every = [timing for row in bench.rows for timing in row.timings]
    capped = sum(timing.stopped_by == "cap" for timing in every)
    if capped:
        target = f"{100 * LatencyOptions.target:g} %"
        yield (f"{capped} of {several(len(every), 'measurement')} ended before {'its' if capped == 1 else 'their'} "
               f"interval was as narrow as {target} of the median: ± says how narrow it became"
               f"{', and ±? that there was time for one pass' if _one_pass(bench) else ''}")
    bound = [one_line(row.network) for row in bench.rows if any(timing.launch_bound for timing in row.timings)]
    if bound:
        yield f"launch-bound, the device waits for its host: {', '.join(bound)}"
    yield from _some(list(_warnings(bench)), "warnings")


def _one_pass(bench: Bench) -> bool:
    """Whether a cell of the table has `±?`."""
    shown = (row.latency(runtime) for row in bench.rows for runtime in bench.conditions.runtimes)
    return any(timing and len(timing.samples_ms) == 1 for timing in shown)


def _warnings(bench: Bench) -> Iterator[str]:
    """Each kind of warning once, with its first measurement; kinds differ by more than their numbers."""
    found: dict[str, list[str]] = {}
    for row in bench.rows:
        for timing in row.timings:
            for warning in timing.warnings:
                if warning not in bench.notices:
                    kind = re.sub(r"\d[\d.e+-]*", "#", warning)
                    found.setdefault(kind, []).append(
                        f"{one_line(row.network)}, {timing.runtime}, batch {timing.batch}: {one_line(warning)}"
                    )
    for first, *others in found.values():
        yield first + (f" ({len(others)} more like it)" if others else "")


def _some(told: list[str], what: str) -> Iterator[str]:
    yield from told[:MOST_TOLD]
    if len(told) > MOST_TOLD:
        yield f"{len(told) - MOST_TOLD} more {what} are in the JSON"
