"""`python -m tests.benchmarks.nas_bench_macro --data TABLE`: what a sampler is worth, on a table of trained networks.

NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543) knows the accuracy of each of its 6,561 networks, so that a search is
a matter of seconds, and its best possible end is known. Each sampler searches it several times, our own through
`nas.Objective`, Optuna's stock ones on the same parameters. Four questions, of which each is one table:

- accuracy up, MACs down: the share of the hypervolume that is still missing (reference: the least accuracy and the most
  MACs of the table);
- the same, where the search sees the accuracy of one training and the mean of the two others is judged;
- accuracy alone: how far the best network found is below the best there is;
- accuracy up, MACs down, under `macs <= 40e6`: the share of what was evaluated that keeps it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from rich.console import Console
from rich.progress import track

import nas
from nas.front import pareto_mask
from nas.search.samplers import distributions
from nas.space import SearchSpace
from nas.spec import StudySpec, parse_spec
from tests.benchmarks.table import machine

STUDY = Path(__file__).parents[2] / "studies" / "nas_bench_macro.toml"
OURS = "nas costaware"
STOCK: Mapping[str, Callable[[int], BaseSampler]] = {
    "GPSampler": lambda seed: GPSampler(seed=seed),
    "TPESampler(multivariate)": lambda seed: TPESampler(seed=seed, multivariate=True),
    "TPESampler": lambda seed: TPESampler(seed=seed),
    "NSGAIISampler": lambda seed: NSGAIISampler(seed=seed),
    "NSGAIIISampler": lambda seed: NSGAIIISampler(seed=seed),
    "QMCSampler": lambda seed: QMCSampler(seed=seed),
    "RandomSampler": lambda seed: RandomSampler(seed=seed),
}
SLOW = ("GPSampler",)
"""It takes as long as all others together."""
LIMIT = 40e6
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """The published table, a place for each network: which of them are the same network is for the space to say.

    Attributes:
        place: of the key of eight digits.
        accuracies: (networks, 3), in percent: one for each training.
        macs: (networks,).
    """

    place: Mapping[str, int]
    accuracies: Vector
    macs: Vector

    @classmethod
    def read(cls, path: Path) -> Table:
        """The table of a file."""
        rows = json.loads(path.read_text())
        keys = sorted(rows)
        return cls(
            {key: place for place, key in enumerate(keys)},
            np.array([rows[key]["test_acc"] for key in keys], dtype=np.float64),
            np.array([rows[key]["flops"] for key in keys], dtype=np.float64),
        )


@dataclass(frozen=True)
class Question:
    """What is asked of the table: the accuracy that a search sees, the one that it is judged by, and its aims."""

    seen: Vector
    judged: Vector
    objectives: tuple[str, ...] = ("macro_accuracy", "macs")
    limited: bool = False


def questions(table: Table) -> dict[str, Question]:
    """The four, by name."""
    mean = table.accuracies.mean(axis=1)
    return {
        "mean accuracy and MACs": Question(mean, mean),
        "accuracy of one training and MACs": Question(table.accuracies[:, 0], table.accuracies[:, 1:].mean(axis=1)),
        "mean accuracy alone": Question(mean, mean, ("macro_accuracy",)),
        "mean accuracy and MACs, macs <= 40e6": Question(mean, mean, limited=True),
    }


@cache
def space(path: Path) -> SearchSpace:
    """The space of the study, and its plugin's way from a network to a key."""
    from nas.plugins import load_plugins

    spec = study(path, Question(np.zeros(0), np.zeros(0)), 0)
    return SearchSpace(spec, load_plugins(spec.plugin_files).blocks)


def study(path: Path, question: Question, seed: int) -> StudySpec:
    """The shipped study with the objectives of a question."""
    data: dict[str, Any] = tomllib.loads(STUDY.read_text())
    data["study"] |= {"sampler": "costaware", "seed": seed}
    data["columns"]["macro_accuracy"]["table"] = str(path.resolve())
    data["objectives"] = {name: data["objectives"][name] for name in question.objectives}
    if question.limited:
        data["constraints"] = {"macs": f"<= {LIMIT}"}
    return parse_spec(data, str(STUDY))


@cache
def _key(values: tuple[str, ...]) -> str:
    """Eight digits of the blocks of the eight layers: identities that are not first in their width go last."""
    digits = "".join({"identity": "0", "mb3_k3": "1", "mb6_k5": "2"}[value] for value in values)
    widths = digits[:2], digits[2:5], digits[5:]
    return "".join(width[0] + width[1:].replace("0", "").ljust(len(width) - 1, "0") for width in widths)


def search(
    sampler: BaseSampler, question: Question, table: Table, dimensions: Mapping[str, Any], evaluations: int
) -> tuple[list[int], list[float]]:
    """The places of the networks that a sampler evaluates, in their order, and the seconds of each of its proposals."""
    directions = ["maximize" if name == "macro_accuracy" else "minimize" for name in question.objectives]
    found = optuna.create_study(directions=directions, sampler=sampler)
    places, seconds = [], []
    for _ in range(evaluations):
        began = time.perf_counter()
        trial = found.ask(dict(dimensions))
        seconds.append(time.perf_counter() - began)
        place = table.place[_key(tuple(trial.params[name] for name in dimensions))]
        values = {"macro_accuracy": question.seen[place], "macs": table.macs[place]}
        if question.limited:
            trial.set_constraint("macs", values["macs"] - LIMIT)
        found.tell(trial, [float(values[name]) for name in question.objectives])
        places.append(place)
    return places, seconds


def sampler_of(name: str, path: Path, question: Question, seed: int) -> BaseSampler:
    """A fresh one."""
    if name != OURS:
        return STOCK[name](seed)
    return nas.Objective(study(path, question, seed), isolated=False).sampler


def hypervolume(accuracy: Vector, macs: Vector, least: float, most: float) -> float:
    """Of accuracy up and MACs down, over the least accuracy and the most MACs."""
    front = pareto_mask(np.column_stack([accuracy, macs]), ["maximize", "minimize"])
    order = np.argsort(macs[front])
    levels = np.concatenate([[least], accuracy[front][order]])
    return float(((most - macs[front][order]) * np.diff(levels)).sum())


def short(question: Question, table: Table, places: Sequence[int]) -> float:
    """What a search still misses: percent of the hypervolume, or percentage points of accuracy."""
    allowed = table.macs <= LIMIT if question.limited else np.ones(len(table.macs), dtype=bool)
    found = np.array([place for place in places if allowed[place]], dtype=int)
    if question.objectives == ("macro_accuracy",):
        return float(question.judged.max() - question.judged[found].max())
    if not len(found):
        return 100.0
    least, most = float(question.judged[allowed].min()), float(table.macs[allowed].max())
    chosen = found[pareto_mask(np.column_stack([question.seen[found], table.macs[found]]), ["maximize", "minimize"])]
    reached = hypervolume(question.judged[chosen], table.macs[chosen], least, most)
    return 100 * (1 - reached / hypervolume(question.judged[allowed], table.macs[allowed], least, most))


def perfect(question: Question, table: Table) -> float:
    """What a search misses that has seen everything: 0 but where it is judged by another training."""
    return short(question, table, range(len(table.macs)))


@dataclass(frozen=True)
class Job:
    """One search: which sampler is asked which question, with which seed."""

    asked: str
    name: str
    seed: int
    path: Path
    evaluations: int


def carry_out(job: Job) -> tuple[list[int], list[float]]:
    """`search` of a job, in a process of its own."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = _table(job.path)
    question = questions(table)[job.asked]
    sampler = sampler_of(job.name, job.path, question, job.seed)
    return search(sampler, question, table, distributions(space(job.path)), job.evaluations)


@cache
def _table(path: Path) -> Table:
    return Table.read(path)


def rows(
    path: Path, names: Sequence[str], seeds: int, marks: Sequence[int], thorough: bool, processes: int
) -> dict[str, list[list[str]]]:
    """For each question the rows of its table."""
    table = _table(path)
    jobs = [
        Job(asked, name, seed, path, max(marks))
        for place, asked in enumerate(questions(table)) for name in names for seed in range(seeds)
        if thorough or place == 0 or name not in SLOW
    ]
    with get_context("spawn").Pool(processes) as pool:
        found = list(track(pool.imap(carry_out, jobs), "searching", len(jobs), console=Console(stderr=True)))
    pages: dict[str, list[list[str]]] = {}
    for asked, question in questions(table).items():
        for name in names:
            runs = [run for job, run in zip(jobs, found, strict=True) if (job.asked, job.name) == (asked, name)]
            if runs:
                pages.setdefault(asked, []).append(_row(name, question, table, runs, marks))
    return pages


def _row(
    name: str, question: Question, table: Table, runs: Sequence[tuple[list[int], list[float]]], marks: Sequence[int]
) -> list[str]:
    missing = np.mean([[short(question, table, places[:mark]) for mark in marks] for places, _ in runs], axis=0)
    again = np.mean([len(places) - len(set(places)) for places, _ in runs])
    took_ms = 1e3 * np.mean([seconds for _, seconds in runs])
    line = [name, *(f"{value:.3g}" for value in missing), f"{again:.3g}", f"{took_ms:.3g}"]
    kept = np.mean([np.mean(table.macs[places] <= LIMIT) for places, _ in runs])
    return [*line, f"{100 * kept:.4g} %"] if question.limited else line


def page(
    path: Path, pages: Mapping[str, Sequence[Sequence[str]]], marks: Sequence[int], seeds: int, processes: int
) -> str:
    """As Markdown."""
    table = _table(path)
    lines = [
        "# NAS-Bench-Macro", "",
        f"`python -m tests.benchmarks.nas_bench_macro` wrote this page: means over {seeds} seeds of {max(marks)}",
        f"evaluations each, {processes} at a time. `ms` is the sampler's time a trial. A network that is proposed again",
        "counts as an evaluation, as it would cost one.", "",
    ]
    for asked, found in pages.items():
        question = questions(table)[asked]
        unit = "points of accuracy below the best" if len(question.objectives) == 1 else "% of the hypervolume missing"
        head = ["sampler", *(f"after {mark}" for mark in marks), "repeated", "ms"]
        head += ["within macs <= 40e6"] if question.limited else []
        told = f"In {unit}; a search that saw every network would miss {perfect(question, table):.3g}."
        lines += [f"## {asked[0].upper()}{asked[1:]}", "", told, "",
                  *(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *found)), ""]
    return "\n".join([*lines, "## Machine", "", *(f"- {name}: {value}" for name, value in machine().items()), ""])


def main() -> int:
    """Prints the page, and writes it where `--out` says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nas_bench_macro", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="nas-bench-macro_cifar10.json")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=150)
    parser.add_argument("--processes", type=int, default=1, help="searches at a time; the times are then of a busy CPU")
    parser.add_argument("--only", nargs="+", metavar="SAMPLER", choices=[OURS, *STOCK], default=[OURS, *STOCK],
                        help=f"some of: {', '.join([OURS, *STOCK])}")
    parser.add_argument("--thorough", action="store_true",
                        help=f"asks {', '.join(SLOW)} every question, not the first one alone")
    parser.add_argument("--out", type=Path, help="the page to write")
    asked = parser.parse_args()
    marks = sorted({max(1, asked.evaluations // 3), max(1, 2 * asked.evaluations // 3), asked.evaluations})
    found = rows(asked.data, asked.only, asked.seeds, marks, asked.thorough, asked.processes)
    told = page(asked.data, found, marks, asked.seeds, asked.processes)
    print(told)
    if asked.out is not None:
        asked.out.write_text(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
