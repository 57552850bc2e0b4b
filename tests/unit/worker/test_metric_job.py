"""What a worker announces while it asks a metric: its owner ends it by that."""

from __future__ import annotations

import math
from typing import Any

from nas.plugins import load_plugins
from nas.worker import Tell
from nas.worker.metric_job import request, setting


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
