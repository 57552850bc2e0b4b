"""How much of a study's wall time goes into anything but measuring and training."""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.row import Row, Scale, Target, duration
from tests.benchmarks.table import ROOT

MEASURING = ("computing", "timing", "step", "waiting for the device")
"""What a metric does, by the phases that it tells; "computing" is training, or looking at the network."""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """The quickstart study, and the EfficientNetV2 study with its latency."""
    for name, full in (("quickstart", 20), ("efficientnet_v2", 12))[: scale.of(2, 1)]:
        trials = scale.of(full, 1)
        wall, parts = _parts(name, folder, trials, scale.small)
        measuring = sum(spent for part, spent in parts.items() if any(word in part for word in MEASURING))
        other = wall - measuring
        rest = Counter({part: spent for part, spent in parts.items() if not any(word in part for word in MEASURING)})
        told = ", ".join(f"{part} {duration(spent)}" for part, spent in rest.most_common(8))
        yield Row(f"all but measuring and training: {name}", duration(other), f"{duration(wall)} the study",
                  other / wall, Target(0.03, at_least=False), f"its first {trials} trials, no verification. Where it "
                  f"goes: {told}.")


def _parts(name: str, folder: Path, trials: int, small: bool) -> tuple[float, Counter[str]]:
    """Seconds of the run, and of each part, by what the observer was told last."""
    import nas
    from nas.search.progress import Progress
    from nas.spec import parse_spec

    file = ROOT / "studies" / f"{name}.toml"
    data = tomllib.loads(file.read_text())
    if small:
        data["columns"] = {**data.get("columns", {}), "latency_ms": {"max_seconds": 0.1}}
        if "accuracy" in data["columns"]:
            data["columns"]["accuracy"] = {"data": "cluttered", "epochs": 1}
    parts: Counter[str] = Counter()
    doing, since = "preparing the study", time.perf_counter()
    began = since

    def heard(told: Progress) -> None:
        nonlocal doing, since
        now = time.perf_counter()
        parts[doing] += now - since
        after_trial = "storing" if told.last is not None else doing
        doing, since = told.doing.split(": ", 1)[-1].split(":")[0] or after_trial, now
        if doing.startswith(tuple("0123456789")):
            doing = "storing"

    nas.run(parse_spec(data, str(file)), trials=trials, storage=f"sqlite:///{folder / 'study.db'}", observer=heard, verify=False)
    now = time.perf_counter()
    parts[doing] += now - since
    return now - began, parts
