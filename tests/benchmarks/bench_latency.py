"""Candidates a second whose latency on the CPU is measured too: a study of ours beside the hand-written script."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.peers import hand_written, stock
from tests.benchmarks.row import Row, Scale, Target, seconds
from tests.benchmarks.space import study

OBJECTIVES = {"latency_ms": "minimize", "flops": "minimize"}


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """At the precision that 50 passes by hand have, and at our default."""
    trials = scale.of(8, 1)
    theirs, their_width = _theirs(folder, trials, scale.small)
    # Ours may be as wide as theirs, and no wider.
    for target, told, bound in ((their_width, "the precision of 50 passes", Target(3)), (0.01, "our default", None))[: scale.of(2, 1)]:
        ours, width = _ours(folder, trials, target, scale.small)
        alike = min(1.0, (their_width / width) ** 2) if width else 1.0
        yield Row(f"candidates/s with CPU latency, {told}", f"{ours:.3g}/s +-{width / 2:.1%}",
                  f"{theirs:.3g}/s +-{their_width / 2:.1%} by hand", alike * ours / theirs, bound,
                  f"{trials} trials each, random sampler, 1 thread. The width is the 95 % interval of the median between "
                  "order statistics, as a share of the median, median over the trials: by hand of 50 passes after 10, "
                  f"ours as reported; target = {target:.3g}. Where ours is wider, its rate is counted down to their "
                  f"precision, by the square of the widths: here by {alike:.3g}. Ours includes the start of its worker "
                  "and its reference network, and folds batch norm, as a deployed network has it; by hand is without. What keeps "
                  "it from more: however wide the interval may be, a median of ours rests on three windows of warm-up and 20 "
                  "samples at least, so that 60 passes by hand are at most 2.6 times as many; and the network is built, "
                  "folded and looked at twice besides.")


def _ours(folder: Path, trials: int, target: float, small: bool) -> tuple[float, float]:
    import nas
    from nas.spec import parse_spec

    columns = {"latency_ms": {"device": "cpu", "threads": 1, "target": target, "max_seconds": 2 if small else 10}}
    spec = parse_spec(study("timed", OBJECTIVES, sampler="random", columns=columns))
    storage = f"sqlite:///{folder / f'ours-{target}.db'}"
    took = seconds(lambda: nas.run(spec, trials=trials, storage=storage, observer=lambda told: None, verify=False))
    frame = nas.read_report("timed", storage=storage)
    return trials / took, float(((frame["latency_ms_high"] - frame["latency_ms_low"]) / frame["latency_ms"]).median())


def _theirs(folder: Path, trials: int, small: bool) -> tuple[float, float]:
    import optuna

    from nas.latency.statistics import median_interval

    storage = stock.storage(folder / "by-hand.db")
    made = optuna.create_study(directions=["minimize"] * 2, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    took = seconds(lambda: made.optimize(partial(hand_written.objective, passes=6 if small else 50, warm_ups=1 if small else 10), n_trials=trials))
    widths = []
    for trial in made.trials:
        times = trial.user_attrs["times_ms"]
        found = median_interval(times)
        widths.append((found.high - found.low) / statistics.median(times))
    return trials / took, statistics.median(widths)
