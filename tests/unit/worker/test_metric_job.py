"""What a worker announces while it asks a metric: its owner ends it by that."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import nas
from nas.plugins import load_plugins
from nas.worker import Tell
from nas.worker.metric_job import block_digests, compute, request, setting

SETS = """
import nas, torch

def compute(context):
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    return 1.0

@nas.hookimpl
def nas_metrics():
    return [nas.MetricSpec("sets", "s", "minimize", 1, compute)]
"""


def test_nothing_that_is_asked_before_a_study_starts_may_last_for_ever() -> None:
    plugins = load_plugins()
    metric = plugins.metrics["latency_ms"]
    said: list[dict[str, Any]] = []
    answer = setting(
        {**request(plugins, metric, {"device": "cpu", "threads": 1}), "input_shapes": [[3, 8, 8]], "classes": 4},
        Tell(lambda message: said.append(dict(message))),
    )
    assert answer["refusal"] is None  # type: ignore[index]
    assert [message["phase"] for message in said] == ["loading plugins", "checking"]
    assert all(message["limit_s"] is not None and math.isfinite(message["limit_s"]) for message in said)


def test_what_a_metric_or_a_block_sets_for_all_of_torch_does_not_stay_for_the_next_candidate(tmp_path: Path) -> None:
    (file := tmp_path / "sets.py").write_text(SETS)
    plugins = load_plugins([file])
    arch = nas.Architecture.from_rows([[1, 3, 1, 1, 8, 8, 0, 0]], input_shape=(3, 16, 16))
    blocks = block_digests(arch, plugins)
    told = {"arch": arch.text, "blocks": blocks, "cost": asdict(nas.count(arch)), "seed": 0, "device": "cpu"}
    answer: Any = compute({**request(plugins, plugins.metrics["sets"], {}), **told}, Tell(lambda message: None))
    assert answer["value"] == 1.0
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
