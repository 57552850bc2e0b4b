"""What a trial costs besides measuring, the more trials there are: our default sampler on studies of three sizes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.filled import as_mapping, filled
from tests.benchmarks.row import Row, Scale, Target, duration


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Each size beside the smallest."""
    sizes = (2, 3) if scale.small else (100, 1_000, 10_000)
    found = {size: _overhead(folder / f"{size}.db", size, scale.of(5, 1)) for size in sizes}
    first = found[sizes[0]]
    for size in sizes[1:]:
        yield Row(f"overhead of a trial at {size:,} trials in the study", duration(found[size]),
                  f"{duration(first)} at {sizes[0]}", found[size] / first, Target(2, at_least=False),
                  f"`sampler = \"auto\"`, 40 parameters, costs alone: median of {scale.of(5, 1)} trials from end to end.")


def _overhead(path: Path, size: int, trials: int) -> float:
    import nas
    from nas.search.progress import Progress
    from nas.spec import parse_spec

    _, storage = filled(path, size, measured=False)
    ends: list[float] = []

    def heard(told: Progress) -> None:
        if told.last is not None:
            ends.append(time.perf_counter())

    nas.run(parse_spec(as_mapping(measured=False)), trials=size + trials + 1, storage=storage, observer=heard)
    return statistics.median(after - before for before, after in zip(ends, ends[1:], strict=False))
