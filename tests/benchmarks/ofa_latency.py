"""How well latency is predicted on a published table: `python -m tests.benchmarks.ofa_latency --data PATH`.

The table, `ofa5000_help_latency.csv` of HayeonLee/HELP, has 5,000 networks of the Once-for-All MobileNetV3 space with
their milliseconds on several GPUs. Some of them train the model, all others judge it.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from scipy.stats import spearmanr

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.canonical import canonicalise
from nas.cost.count import count_blocks
from nas.cost.table import CostTable
from nas.latency.features import Network
from nas.latency.prediction import fit
from nas.plugins import load_plugins

KEYS = ("ks", "e", "d", "r")
WIDTHS = (24, 40, 80, 112, 160)
STRIDES = (2, 2, 2, 1, 2)
ACTS = ("relu", "relu", "hardswish", "hardswish", "hardswish")
EXCITED = (False, True, False, True, True)
LAYERS = 4
"""A stage has so many layers, of which the first `d` are used."""


def architecture(kernels: str, expansions: str, depths: str, side: int) -> Architecture:
    """A row of the table: 20 kernels, 20 expansions, 5 depths, and the resolution.

    Once-for-All's MobileNetV3-Large of width 1.0 (Cai et al. 2020, arXiv:1908.09791).
    """
    stages = [Stage("mbconv", 1, 1, 16, 1, {"kernel": 3, "expand": 1, "act": "relu"})]
    for stage, (width, stride, act, excited) in enumerate(zip(WIDTHS, STRIDES, ACTS, EXCITED, strict=True)):
        for layer in range(int(depths[stage])):
            place = stage * LAYERS + layer
            expand = int(expansions[place])
            excite = {"se": expand / 4, "attention": "hard_se"} if excited else {}
            params = {"kernel": int(kernels[place]), "expand": expand, "act": act, **excite}
            stages.append(Stage("mbconv", 1, 1, width, 1 if layer else stride, params))
    return Architecture(
        (3, side, side), tuple(stages), Stem(channels=16, act="hardswish"),
        Head(channels=960, hidden=1280, dropout=0.1, act="hardswish"), act="hardswish", norm=Norm(1e-5, 0.1),
        drop_path=0.0,
    )


@dataclass(frozen=True)
class Table:
    """Networks of the table, and the milliseconds of each column of it."""

    networks: list[Network]
    times: dict[str, list[float]]


def read(path: Path, first: int | None = None) -> Table:
    """The table, or its first rows."""
    blocks, costs = load_plugins().blocks, CostTable()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))[:first]
    archs = [canonicalise(architecture(row["ks"], row["e"], row["d"], int(row["r"])), blocks) for row in rows]
    columns = [name for name in rows[0] if name not in KEYS]
    return Table([count_blocks(arch, blocks, costs) for arch in archs],
                 {name: [float(row[name]) for row in rows] for name in columns})


@dataclass(frozen=True)
class Found:
    """How a model did on the networks that did not train it.

    Attributes:
        spearman: rank correlation of predicted and measured times.
        held: share of the measured times that their interval of 90 % holds.
        width: the median of high / low, less 1.
        fit_s: seconds that fitting took.
    """

    spearman: float
    held: float
    width: float
    fit_s: float


def judged(table: Table, column: str, training: Sequence[int]) -> Found:
    """A model of the column, fitted to the networks at `training`, on all others."""
    times, others = table.times[column], sorted(set(range(len(table.networks))) - set(training))
    began = time.perf_counter()
    model = fit([table.networks[place] for place in training], [times[place] for place in training])
    fit_s = time.perf_counter() - began
    value, low, high = model.predict([table.networks[place] for place in others], 0.9)
    measured = np.array([times[place] for place in others])
    held = float(((low <= measured) & (measured <= high)).mean())
    return Found(float(spearmanr(value, measured).statistic), held, float(np.median(high / low)) - 1, fit_s)


def splits(table: Table, networks: int, count: int) -> Iterator[list[int]]:
    """Random training sets, the same ones every time."""
    for seed in range(count):
        yield random.Random(seed).sample(range(len(table.networks)), networks)


def main() -> None:
    """Prints a line a column of the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ofa_latency", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="ofa5000_help_latency.csv")
    parser.add_argument("--networks", type=int, default=100, help="that train a model")
    parser.add_argument("--splits", type=int, default=10, help="random ones, whose mean is printed")
    parser.add_argument("--columns", nargs="*", help="of the table; default: all")
    asked = parser.parse_args()
    table = read(asked.data)
    print(f"{asked.networks} of {len(table.networks)} networks train the model, the others judge it; {asked.splits} "
          "random splits: mean (least to most)")
    print(f"{'column':<14} {'Spearman':<24} {'in the 90 % interval':<22} {'width':<7} fit")
    for column in asked.columns or table.times:
        found = [judged(table, column, training) for training in splits(table, asked.networks, asked.splits)]
        rho, held = [one.spearman for one in found], [one.held for one in found]
        print(f"{column:<14} {f'{mean(rho):.4f} ({min(rho):.4f} to {max(rho):.4f})':<24} "
              f"{f'{mean(held):.1%} ({min(held):.0%} to {max(held):.0%})':<22} "
              f"{f'{mean(one.width for one in found):.0%}':<7} {mean(one.fit_s for one in found):.2f} s", flush=True)


if __name__ == "__main__":
    main()
