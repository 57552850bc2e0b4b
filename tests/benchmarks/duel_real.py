"""How often the rule of duels errs on samples of this machine: `python tests/benchmarks/duel_real.py NETWORK`.

A network is timed against itself in fresh processes (`--record N` of them; with `--file` they are added to those that
the file holds), and the rule is tried on duels that are drawn from these processes with replacement: as they are, where every "faster" and
"slower" is an error, and with b made 5 % slower, which is to be seen. Drawn is a process and, for each of the two roles
in it, one of the names: so that what the process recorded first is a as often as b.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from nas.bench.limits import MARGIN, MAX_PROCESSES
from nas.bench.pair import PAIRS_SECONDS, task
from nas.bench.verdict import Judgement, Rule, rule
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins
from nas.worker import Worker
from nas.zoo import resolve


def record(network: str, processes: int, seconds: float, pairs_seconds: float) -> list[dict[str, Any]]:
    """Of each process: the log ratios of its pairs, and how long all of it took; no process begins after `seconds`."""
    plugins, options = load_plugins(), LatencyOptions()
    text = str(resolve(network, plugins))
    rng, begin = random.Random(time.time_ns()), time.monotonic()
    found: list[dict[str, Any]] = []
    while len(found) < processes and time.monotonic() - begin < seconds:
        opened, worker = time.monotonic(), Worker()
        try:
            asked = task(plugins, [text, text], options, 0, rng.getrandbits(32), False, pairs_seconds)
            answer = worker.call("nas.bench.pair:paired", asked)
        finally:
            worker.kill()
        logs = [math.log(b / a) for a, b in zip(answer["a_s"], answer["b_s"], strict=True)]
        took = time.monotonic() - opened
        found.append({"logs": logs, "seconds": took, "foreign": answer["foreign_cpus"], "pass_s": answer["a_s"]})
        print(f"process {len(found)}: ratio {math.exp(np.median(logs)):.4f} of {len(logs)} pairs, {took:.1f} s, "
              f"others kept {answer['foreign_cpus']} CPUs busy", flush=True)
    return found


def fight(values: np.ndarray, judge: Rule, rng: np.random.Generator, slowdown: float) -> tuple[Judgement, int]:
    """A duel of processes that are drawn from these, and how many it took."""
    drawn = rng.choice(values, judge.max_processes) * rng.choice([-1.0, 1.0], judge.max_processes)
    logs = (drawn + math.log(slowdown)).tolist()
    for n in range(judge.first, judge.max_processes + 1):
        judgement = judge.judge(logs[:n])
        if judgement.verdict != "undecided":
            break
    return judgement, n


def median_error(logs: np.ndarray) -> float:
    """The standard error of the median, from the quartiles: spikes do not count for more than they move it."""
    low, high = np.quantile(logs, [0.25, 0.75])
    return float((high - low) / 1.349 * 1.2533 / math.sqrt(len(logs)))


def try_rule(found: list[dict[str, Any]], tries: int, processes: int) -> None:
    judge = rule(processes, MARGIN)
    values = np.array([float(np.median(each["logs"])) for each in found])
    within = np.median([median_error(np.array(each["logs"])) for each in found])
    print(f"{len(values)} processes: log ratios have mean {values.mean():+.4f}, standard deviation {values.std(ddof=1):.4f}, "
          f"of which the pairs' own spread explains {within:.4f}, were they independent")
    for slowdown in (1.0, 1.05, 1.10):
        rng = np.random.default_rng(0)
        duels = [fight(values, judge, rng, slowdown) for _ in range(tries)]
        verdicts = [judgement.verdict for judgement, _ in duels]
        shares = ", ".join(f"{word} {verdicts.count(word) / tries:.1%}"
                           for word in ("slower", "faster", "no_difference", "undecided"))
        covered = np.mean([judgement.low <= slowdown <= judgement.high for judgement, _ in duels])
        print(f"b x {slowdown}: {shares}; the interval held the ratio in {covered:.1%}; "
              f"{np.mean([n for _, n in duels]):.1f} processes")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network", nargs="?", default="mobilenet_v3_small")
    parser.add_argument("--record", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--pairs-seconds", type=float, default=PAIRS_SECONDS)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--tries", type=int, default=400)
    parser.add_argument("--processes", type=int, default=MAX_PROCESSES)
    args = parser.parse_args()
    found = json.loads(args.file.read_text()) if args.file and args.file.exists() else []
    found += record(args.network, args.record, args.seconds, args.pairs_seconds)
    if args.file:
        args.file.write_text(json.dumps(found))
    if len(found) < 2:
        parser.error("there are fewer than two processes to draw from: record some with --record 20")
    try_rule(found, args.tries, args.processes)


if __name__ == "__main__":
    main()
