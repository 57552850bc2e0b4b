"""How contaminated measurements come out on this machine: `python tests/benchmarks/contamination.py [N] [SEED]`.

Measures networks of the zoo N times in turn. During a random half, processes load every core. Prints each measurement
and then, of those with and without load: how many were marked, in which way, and how many were not although their
value is off by more than 10 % of the network's median without load. Nothing is asserted: it depends on the machine,
and says most on one that does nothing else.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import nas
from nas.latency.processor import available_cpus, load_average
from nas.latency.result import Latency

NETWORKS = ("mobilenet_v3_small", "efficientnet_b0", "resnet18")
OFF = 0.10
SPIN = "print(flush=True)\nwhile True: pass"


@dataclass(frozen=True)
class Measured:
    name: str
    loaded: bool
    latency: Latency

    @property
    def mark(self) -> str:
        """What its row says against it: its outcome, or that it was warned of a busy machine."""
        if self.latency.outcome != "ok":
            return self.latency.outcome
        return "warned" if any("busy" in told or "waited" in told for told in self.latency.warnings) else ""


@contextmanager
def load(wanted: bool) -> Iterator[None]:
    """A process on every core that never rests."""
    loaders = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in available_cpus()
               if wanted]
    try:
        for loader in loaders:
            assert loader.stdout is not None
            loader.stdout.readline()
        yield
    finally:
        for loader in loaders:
            loader.kill()
            loader.communicate()


def measured(networks: dict[str, nas.Architecture], index: int, loaded: bool) -> Measured:
    name = NETWORKS[index % len(NETWORKS)]
    with load(loaded):
        found = Measured(name, loaded, nas.measure(networks[name], "cpu", threads=1, max_seconds=4))
    conditions = found.latency.conditions
    print(f"{name:20} {'load' if loaded else '    '} {found.latency.median_ms:7.2f} ms, ratio {found.latency.reference_ratio:6.2f}, "
          f"waited {conditions['waited']:4.0%}, {conditions['attempts']} attempts, {found.mark or '-'}", flush=True)
    return found


def told(all_of_them: list[Measured]) -> None:
    quiet: dict[str, list[float]] = defaultdict(list)
    for one in all_of_them:
        if not one.loaded:
            quiet[one.name].append(one.latency.median_ms)
    usual = {name: median(values) for name, values in quiet.items()}
    for loaded in (False, True):
        group = [one for one in all_of_them if one.loaded == loaded]
        marks = [one.mark for one in group]
        off = [abs(one.latency.median_ms / usual[one.name] - 1) > OFF for one in group]
        attempts = [int(str(one.latency.conditions["attempts"])) for one in group]
        unmarked = sum(not mark and far for mark, far in zip(marks, off, strict=True))
        print(f"{'with' if loaded else 'without'} load: {len(group)} measured, {sum(off)} off by more than {OFF:.0%}; "
              f"{marks.count('contaminated')} contaminated, {marks.count('warned')} warned of, "
              f"{sum(number > 1 for number in attempts)} repeated; unmarked and off: {unmarked}")


def main(number: int = 36, seed: int = 0) -> None:
    rng = random.Random(seed)
    networks = {name: nas.load(name) for name in NETWORKS}
    print(f"load average before: {load_average()}")
    halves = rng.sample([index % 2 == 0 for index in range(number)], number)
    told([measured(networks, index, loaded) for index, loaded in enumerate(halves)])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
