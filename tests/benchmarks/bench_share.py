"""How much of a study's wall time goes into anything but measuring and training."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.benchmarks.row import Row, Scale, Target, duration
from tests.benchmarks.table import ROOT


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """The quickstart study, and the EfficientNetV2 study with its latency."""
    for name, full in (("quickstart", 20), ("efficientnet_v2", 12))[: scale.of(2, 1)]:
        trials = scale.of(full, 1)
        parts = _parts(name, folder, trials, scale.small)
        wall, measuring = sum(parts.values()), parts["measure"]
        other = wall - measuring
        told = ", ".join(f"{part} {duration(spent)}" for part, spent in parts.items() if part != "measure" and spent)
        yield Row(f"all but measuring and training: {name}", duration(other), f"{duration(wall)} the study",
                  other / wall, Target(0.03, at_least=False), f"its first {trials} trials, no verification. Where it "
                  f"goes: {told}. What is left is torch, which takes each process seconds to load (check, and the first "
                  "build), the sampler's models (ask), and drawing, folding and trying out the weights of every candidate "
                  "(build); the shorter a look at a network is, the larger is their share.")


def _parts(name: str, folder: Path, trials: int, small: bool) -> Mapping[str, float]:
    """Seconds of each part of the run in a fresh process, as `nas run --profile` prints them."""
    code = ("import json, pathlib, sys; from tests.benchmarks.bench_share import spent\n"
            f"print(json.dumps(spent({name!r}, pathlib.Path({str(folder)!r}), {trials}, {small})))")
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parts: Mapping[str, float] = json.loads(told.splitlines()[-1])
    return parts


def spent(name: str, folder: Path, trials: int, small: bool) -> Mapping[str, float]:
    """Runs the study, in a process that has loaded nothing yet."""
    from nas.search.clock import Clock

    clock = Clock()
    with clock("check"):
        from nas.search.ending import Limits
        from nas.search.prepare import prepare
        from nas.search.run import carry_out
        from nas.spec import parse_spec

        file = ROOT / "studies" / f"{name}.toml"
        data = tomllib.loads(file.read_text())
        if small:
            data["columns"] = {**data.get("columns", {}), "latency_ms": {"max_seconds": 0.1}}
            if "accuracy" in data["columns"]:
                data["columns"]["accuracy"] = {"data": "cluttered", "epochs": 1}
        ready = prepare(parse_spec(data, str(file)))
    carry_out(ready, Limits(trials), f"sqlite:///{folder / f'{name}.db'}", lambda told: None, verify=False, clock=clock)
    return clock.spent
