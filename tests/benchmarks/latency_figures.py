"""How far the latencies of fresh processes can be trusted, beside what people write by hand.

`python tests/benchmarks/latency_figures.py [--processes 5]` takes about seven minutes and prints a table. In each fresh
process every network is timed by hand (10 warm-ups, 50 passes, the median) and by `nas.measure`, then in turns by
`nas.measure` and `torch.utils.benchmark`'s `blocked_autorange`.

- repeatability: the spread over the processes, (largest - smallest) / median, of the hand-written median and of
  `reference_ratio`, and the seconds that each took;
- truth: `blocked_autorange` and `nas.measure` in short turns of equal length, which of them first by lot, each on a
  copy of the network of its own that was warmed up for as long: the median over all turns of median against median;
- honest intervals: how often the median of one process lies in the 90 % interval that the other processes give, and
  how often in the 95 % interval of a single process.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.worker import Tell, Worker

ZOO = ("mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2", "mnasnet1_0", "efficientnet_b0", "resnet18")
SIZES = (64, 96, 128)
RANDOM = 7
TURNS, TURN_S, WARM_S = 6, 0.2, 0.1
WARM_UPS, PASSES = 10, 50


def networks() -> dict[str, str]:
    """Name -> text: published ones, and random ones of small inputs."""
    import nas

    found = {name: str(nas.load(name)) for name in ZOO}
    rng = random.Random(0)
    for number in range(RANDOM):
        size = rng.choice(SIZES)
        stages = tuple(
            nas.Stage(rng.choice(["conv", "mbconv", "fused_mbconv", "depthwise_separable"]), 1, rng.randint(1, 3),
                      8 * rng.randint(2, 12), 2)
            for _ in range(rng.randint(2, 4))
        )
        found[f"random {number}, {size} x {size}"] = str(nas.Architecture((3, size, size), stages))
    return found


def job(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Times every network in one process: see the module."""
    import torch

    import nas
    from nas.latency.fold import fold_batch_norms

    torch.set_num_threads(1)
    found, rng = {}, random.Random(arguments["seed"])
    for name in arguments["order"]:
        arch = nas.load(arguments["networks"][name])
        network = nas.build(arch, seed=0).eval()
        x = torch.randn(1, *arch.input_shape)
        fold_batch_norms(network, x)  # as nas.measure does: both time the same module
        with torch.inference_mode():
            began = time.perf_counter()
            by_hand = _by_hand(network, x)
            hand_s = time.perf_counter() - began
        began = time.perf_counter()
        measured = nas.measure(network, input_shape=arch.input_shape, device="cpu", threads=1)
        measured_s = float(str(measured.conditions["seconds"]))
        found[name] = {
            "hand_ms": 1e3 * by_hand, "hand_s": hand_s, "ours_ms": measured.median_ms, "ours_s": measured_s,
            "low": measured.low_ms, "high": measured.high_ms, "reference_ratio": measured.reference_ratio,
            "ratios": _in_turns(network, x, arch.input_shape, rng), "outcome": measured.outcome,
        }
        tell.report(name)
    return found


def _by_hand(network: Any, x: Any) -> float:
    for _ in range(WARM_UPS):
        network(x)
    times = []
    for _ in range(PASSES):
        began = time.perf_counter()
        network(x)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _in_turns(network: Any, x: Any, input_shape: tuple[int, int, int], rng: random.Random) -> list[float]:
    """`nas.measure`'s median over `blocked_autorange`'s, turn by turn."""
    import torch
    from torch.utils.benchmark import Timer

    import nas

    def ours() -> float:
        return nas.measure(network, input_shape=input_shape, device="cpu", threads=1, max_seconds=WARM_S + TURN_S).median_ms

    def theirs() -> float:
        timer = Timer("network(x)", globals={"network": copy.deepcopy(network), "x": x.clone()}, num_threads=1)
        with torch.inference_mode():
            timer.blocked_autorange(min_run_time=WARM_S)
            return 1e3 * timer.blocked_autorange(min_run_time=TURN_S).median

    ratios = []
    for _ in range(TURNS):
        first = rng.choice([ours, theirs])
        before, after = first(), (theirs if first is ours else ours)()
        ratios.append(before / after if first is ours else after / before)
    return ratios


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)


def main() -> None:
    """Runs the processes and prints the table."""
    from nas.latency.statistics import fresh_process_interval

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=5)
    asked = parser.parse_args()
    texts, runs, rng = networks(), [], random.Random(1)
    for number in range(asked.processes):
        worker = Worker()
        order = rng.sample(list(texts), len(texts))
        print(f"process {number + 1} of {asked.processes}", flush=True)
        runs.append(worker.call(f"{Path(__file__).stem}:job", {"networks": texts, "order": order, "seed": number}, limit_s=None))
        worker.kill()

    print("| network | ms | by hand | reference_ratio | nas.measure's ms | by hand s | nas.measure s | truth |")
    print("|---|---|---|---|---|---|---|---|")
    held, inside, cases, columns = 0, 0, 0, []
    for name in texts:
        found = [run[name] for run in runs]
        row = [statistics.median(one["ours_ms"] for one in found),
               *(spread([one[key] for one in found]) for key in ("hand_ms", "reference_ratio", "ours_ms")),
               *(statistics.median(one[key] for one in found) for key in ("hand_s", "ours_s")),
               statistics.median(ratio for one in found for ratio in one["ratios"])]
        columns.append(row)
        for place, one in enumerate(found):
            others = [other["ours_ms"] for position, other in enumerate(found) if position != place]
            low, high = fresh_process_interval(others)
            held += low <= one["ours_ms"] <= high
            neighbour = found[(place + 1) % len(found)]
            inside += one["low"] <= neighbour["ours_ms"] <= one["high"]
            cases += 1
        print(f"| {name} | {row[0]:.2f} | {row[1]:.0%} | {row[2]:.0%} | {row[3]:.0%} | {row[4]:.2f} | {row[5]:.2f} | "
              f"{row[6]:.3f} |")
    middle = [statistics.median(row[place] for row in columns) for place in range(7)]
    print(f"\nspread over {asked.processes} processes, median over {len(texts)} networks: by hand {middle[1]:.1%}, "
          f"reference_ratio {middle[2]:.1%}, nas.measure's ms {middle[3]:.1%}")
    sums = [sum(row[place] for row in columns) for place in (4, 5)]
    print(f"seconds a network, median (sum): by hand {middle[4]:.2f} ({sums[0]:.1f}), nas.measure {middle[5]:.2f} "
          f"({sums[1]:.1f})")
    print(f"truth: nas.measure / blocked_autorange, median over the networks {middle[6]:.3f}")
    print(f"90 % interval of the other processes holds a fresh one's median in {held} of {cases} cases ({held / cases:.0%})")
    print(f"95 % interval of one process holds the next one's median in {inside} of {cases} cases ({inside / cases:.0%})")
    outcomes = [run[name]["outcome"] for run in runs for name in texts]
    print("outcomes:", {word: outcomes.count(word) for word in sorted(set(outcomes))})


if __name__ == "__main__":
    main()
