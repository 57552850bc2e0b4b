"""What training-free metrics tell of accuracy that MACs do not: `python -m tests.benchmarks.training_free --data PATH`.

PATH is nas-bench-macro_cifar10.json of NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543), all of whose networks were
trained three times on CIFAR-10. The same networks, drawn with a fixed seed from those that differ after equivalence,
are ranked by each score. A metric is asked once with each seed, of its weights and its images alike; correlations are
the means over the seeds, and the intervals are of 95 %, over resamples of the networks. One process, one thread: about
five minutes for a seed of 500 networks on a core of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

import nas
from nas.canonical import canonicalise
from nas.cost.count import count_architecture
from nas.cost.result import Cost
from nas.cost.table import CostTable
from nas.errors import NasError
from nas.metrics import ask
from nas.network import build_network
from nas.plugins import Plugins, load_plugins
from tests.benchmarks.ranking import Interval, Positions, Values, bootstrap, partial_spearman, spearman

STUDY_PLUGIN = Path(__file__).parents[2] / "studies" / "nas_bench_macro.py"
COSTS = ("params", "macs", "activations")
GIVEN = ("macs", "activations")
"""Costs at whose equals a score is looked at, too: what is left is what it tells beyond them."""
METRICS = ("naswot", "phi_score")
ORIGIN = "It is the file nas-bench-macro_cifar10.json of https://github.com/xiusu/NAS-Bench-Macro."
DRAW = 0
"""The seed that draws the networks."""


@dataclass
class Score:
    """What one score says of each network, once a seed, and how long it took."""

    name: str
    values: list[list[float]] = field(default_factory=list)  # a row a network, a column a seed
    seconds: list[float] = field(default_factory=list)


def read_table(path: Path) -> dict[str, dict[str, Any]]:
    """Key -> published figures.

    Raises:
        NasError: there is no such file, or it is another.
    """
    try:
        table = json.loads(path.read_text())
        if not all(isinstance(row["mean_acc"], float) for row in table.values()):
            raise TypeError("mean_acc is no number")
    except OSError as error:
        raise NasError(f"--data {path}: {error.strerror}\n{ORIGIN}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NasError(f"--data {path} is not the table of NAS-Bench-Macro ({type(error).__name__}).\n{ORIGIN}") from None
    return dict(table)


def distinct(keys: Iterable[str], plugins: Plugins) -> dict[str, nas.Architecture]:
    """One key of each network, with the network. Identities that do nothing make no other network."""
    macro = sys.modules[plugins.metrics["macro_accuracy"].compute.__module__]
    found: dict[str, tuple[str, nas.Architecture]] = {}
    for key in sorted(keys):
        arch = canonicalise(macro.architecture(key), plugins.blocks)
        found.setdefault(arch.arch_id, (key, arch))
    return dict(found.values())


def drawn(archs: Mapping[str, nas.Architecture], count: int) -> list[str]:
    """The keys of the networks that are asked: the same for the same count.

    Raises:
        NasError: there are not so many.
    """
    if not 3 <= count <= len(archs):
        raise NasError(f"--networks {count} must be from 3 to {len(archs):,}, the distinct networks of the table")
    return random.Random(DRAW).sample(sorted(archs), count)


def measured(
    archs: Mapping[str, nas.Architecture], metrics: Sequence[str], seeds: int, plugins: Plugins, console: Console
) -> list[Score]:
    """Every score of every network. Seconds of a metric include building the network, which it is told unbuilt.

    Raises:
        MeasureError: a metric fails of a network; it names both, and says why.
        PluginError: there is no metric of a name.
    """
    costs, specs = CostTable(), [plugins.metrics[name] for name in metrics]
    scores = {name: Score(name) for name in (*COSTS, *metrics)}
    for key, arch in track(archs.items(), "training-free metrics", len(archs), console=console):
        began = time.perf_counter()
        cost = count_architecture(arch, plugins.blocks, costs)
        for name in COSTS:
            scores[name].values.append([float(getattr(cost, name))])
            scores[name].seconds.append(time.perf_counter() - began)
        for spec in specs:
            asked, sign = scores[spec.name], 1 if spec.direction == "maximize" else -1
            asked.values.append([])
            for seed in range(seeds):
                began = time.perf_counter()
                try:
                    value = ask(spec, context(spec, arch, seed, cost, plugins)).value
                except nas.MeasureError as error:
                    told = f"{spec.name} of the network {key}, seed {seed}: {error}"
                    raise nas.MeasureError(told, error.outcome) from error
                asked.seconds.append(time.perf_counter() - began)
                asked.values[-1].append(sign * value)
    return list(scores.values())


def context(spec: nas.MetricSpec, arch: nas.Architecture, seed: int, cost: Cost, plugins: Plugins) -> nas.MetricContext:
    """The network as a study without `[columns.NAME]` would show it to the metric on a CPU."""
    return nas.MetricContext(
        arch, arch.input_shape, {**(spec.options or {}), "device": "cpu"}, seed, "cpu",
        lambda: build_network(arch, plugins.blocks, seed=seed), plugins.runtimes, known_cost=cost,
    )


@dataclass(frozen=True)
class Judged:
    """A row of the table. Of MACs beside themselves, and of activations, there is nothing to tell."""

    name: str
    spearman: Interval
    given: Mapping[str, Interval]  # by the name of the cost
    over_macs: Interval | None
    seeds: tuple[float, float]
    seconds: float

    @property
    def verdict(self) -> str:
        """Of the difference between its correlation and that of MACs."""
        if self.over_macs is None:
            return ""
        return "yes" if self.over_macs.low > 0 else "no: worse" if self.over_macs.high < 0 else "no: not told apart"


def judged(scores: Sequence[Score], accuracy: Values) -> list[Judged]:
    """Each score, beside the costs in `GIVEN`. `accuracy`: of each network, as published."""
    costs = {score.name: np.array([row[0] for row in score.values]) for score in scores if score.name in GIVEN}
    return [_judged(score, accuracy, costs) for score in scores]


def _judged(score: Score, accuracy: Values, costs: Mapping[str, Values]) -> Judged:
    columns, count = [np.array(column) for column in zip(*score.values, strict=True)], len(accuracy)

    def plain(at: Positions) -> Values:
        return np.mean([spearman(column[at], accuracy[at]) for column in columns], axis=0)

    def partial(at: Positions, cost: Values) -> Values:
        return np.mean([partial_spearman(column[at], accuracy[at], cost[at]) for column in columns], axis=0)

    def gain(at: Positions) -> Values:
        return plain(at) - spearman(costs["macs"][at], accuracy[at])

    given = {name: bootstrap(functools.partial(partial, cost=cost), count)
             for name, cost in costs.items() if name != score.name}
    each = [float(spearman(column, accuracy)) for column in columns]
    return Judged(score.name, bootstrap(plain, count), given, None if score.name == "macs" else bootstrap(gain, count),
                  (min(each), max(each)), statistics.median(score.seconds))


def table(rows: Sequence[Judged]) -> str:
    """The rows in Markdown; with the least and the largest correlation of a seed where there are several."""
    several = any(row.seeds[0] < row.seeds[1] for row in rows)
    head = ("score", "Spearman with accuracy", *(f"given {name}" for name in GIVEN), "over that of macs", "beats MACs?",
            *(("of one seed",) if several else ()), "s a network")
    lines = [head, ("---",) * len(head)]
    for row in rows:
        ends = "" if row.name in COSTS else " to ".join(f"{end:.3f}" for end in row.seeds)
        lines.append((
            f"`{row.name}`", str(row.spearman), *(str(row.given.get(name, "")) for name in GIVEN),
            str(row.over_macs or ""), row.verdict, *((ends,) if several else ()), f"{row.seconds:.2g}",
        ))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; 2 where the caller made a mistake, 1 where a metric fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training_free", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="nas-bench-macro_cifar10.json")
    parser.add_argument("--networks", type=int, default=500, metavar="N", help="how many are asked (default: 500)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of weights and images (default: 1)")
    parser.add_argument("--metrics", nargs="+", default=METRICS, metavar="NAME",
                        help=f"registered ones (default: {' '.join(METRICS)})")
    asked = parser.parse_args(arguments)
    if asked.seeds < 1:
        parser.error(f"--seeds {asked.seeds} must be from 1")
    import torch

    torch.set_num_threads(1)
    try:
        plugins = load_plugins([STUDY_PLUGIN])
        published = read_table(asked.data)
        archs = distinct(published, plugins)
        keys = drawn(archs, asked.networks)
        scores = measured({key: archs[key] for key in keys}, asked.metrics, asked.seeds, plugins, Console(stderr=True))
    except nas.MeasureError as error:
        print(error, file=sys.stderr)
        return 1
    except NasError as error:
        parser.error(str(error))
    accuracy = np.array([published[key]["mean_acc"] for key in keys])
    print(f"{len(keys)} networks of {len(archs):,} distinct ones, seeds of each metric: {asked.seeds}\n")
    print(table(judged(scores, accuracy)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
