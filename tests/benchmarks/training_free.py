"""What training-free metrics tell of accuracy that MACs do not: `python -m tests.benchmarks.training_free --data PATH`.

PATH is nas-bench-macro_cifar10.json of NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543), all of whose networks were
trained three times on CIFAR-10. The same networks, drawn with a fixed seed from those that differ after equivalence,
are ranked by each score. A metric is asked once with each seed, of its weights and its images alike; correlations are
the means over the seeds, and the intervals are of 95 %, over resamples of the networks. One process, one thread.
"""

from __future__ import annotations

import argparse
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
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

import nas
from nas.canonical import canonicalise
from nas.cost.count import count_architecture
from nas.cost.table import CostTable
from nas.errors import NasError
from nas.metrics import ask
from nas.network import build_network
from nas.plugins import Plugins, load_plugins
from tests.benchmarks.ranking import Interval, Values, bootstrap, partial_spearman, spearman

STUDY_PLUGIN = Path(__file__).parents[2] / "studies" / "nas_bench_macro.py"
COSTS = ("params", "macs", "activations")
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
    archs: Sequence[nas.Architecture], metrics: Sequence[str], seeds: int, plugins: Plugins, console: Console
) -> list[Score]:
    """Every score of every network. Seconds of a metric include building the network, which it is told unbuilt.

    Raises:
        MeasureError: a metric fails of a network; its message is the metric's own.
        PluginError: there is no metric of a name.
    """
    costs, specs = CostTable(), [plugins.metrics[name] for name in metrics]
    scores = {name: Score(name) for name in (*COSTS, *metrics)}
    for arch in track(archs, "training-free metrics", console=console):
        began = time.perf_counter()
        cost = count_architecture(arch, plugins.blocks, costs)
        for name in COSTS:
            scores[name].values.append([float(getattr(cost, name))])
            scores[name].seconds.append(time.perf_counter() - began)
        for spec in specs:
            row = []
            for seed in range(seeds):
                began = time.perf_counter()
                context = nas.MetricContext(
                    arch, arch.input_shape, {**(spec.options or {}), "device": "cpu"}, seed, "cpu",
                    lambda arch=arch, seed=seed: build_network(arch, plugins.blocks, seed=seed), known_cost=cost,
                )  # fmt: skip
                row.append(ask(spec, context).value)
                scores[spec.name].seconds.append(time.perf_counter() - began)
            scores[spec.name].values.append(row if spec.direction == "maximize" else [-value for value in row])
    return list(scores.values())


@dataclass(frozen=True)
class Judged:
    """A row of the table."""

    name: str
    spearman: Interval
    partial: Interval | None
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
    """Each score beside MACs. `accuracy`: of each network, as published."""
    macs = np.array([row[0] for score in scores if score.name == "macs" for row in score.values])
    return [_judged(score, accuracy, macs) for score in scores]


def _judged(score: Score, accuracy: Values, macs: Values) -> Judged:
    columns = [np.array(column) for column in zip(*score.values, strict=True)]

    def plain(at: NDArray[np.intp]) -> float:
        return statistics.fmean(spearman(column[at], accuracy[at]) for column in columns)

    def partial(at: NDArray[np.intp]) -> float:
        return statistics.fmean(partial_spearman(column[at], accuracy[at], macs[at]) for column in columns)

    def gain(at: NDArray[np.intp]) -> float:
        return plain(at) - spearman(macs[at], accuracy[at])

    alone, count = score.name == "macs", len(accuracy)
    each = [spearman(column, accuracy) for column in columns]
    return Judged(
        score.name, bootstrap(plain, count), None if alone else bootstrap(partial, count),
        None if alone else bootstrap(gain, count), (min(each), max(each)), statistics.median(score.seconds),
    )


def table(rows: Sequence[Judged]) -> str:
    """The rows in Markdown."""
    head = ("score", "Spearman with accuracy", "given MACs", "over MACs' own", "beats MACs?", "seeds", "s a network")
    lines = [head, ("---",) * len(head)]
    for row in rows:
        low, high = (f"{end:.3f}" for end in row.seeds)
        lines.append((
            f"`{row.name}`", str(row.spearman), str(row.partial or ""), str(row.over_macs or ""), row.verdict,
            "" if row.name in COSTS else f"{low} to {high}", f"{row.seconds:.2g}",
        ))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; 2 where the caller made a mistake, 1 where a metric fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training_free", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="nas-bench-macro_cifar10.json")
    parser.add_argument("--networks", type=int, default=500, metavar="N", help="how many are asked (default: 500)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of weights and images (default: 3)")
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
        scores = measured([archs[key] for key in keys], asked.metrics, asked.seeds, plugins, Console(stderr=True))
    except nas.MeasureError as error:
        print(error, file=sys.stderr)
        return 1
    except NasError as error:
        parser.error(str(error))
    accuracy = np.array([published[key]["mean_acc"] for key in keys])
    print(f"{len(keys)} networks of {len(archs):,} distinct ones, {asked.seeds} seeds of each metric\n")
    print(table(judged(scores, accuracy)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
