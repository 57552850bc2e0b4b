"""A duel's processes, faked: they answer as they are told, and no process is started."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

import nas.bench.duel

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def answer(log_ratio: float, **changed: Any) -> dict[str, Any]:
    """What a process says in which b takes exp(log_ratio) times as long as a."""
    return {
        "a_s": [0.010, 0.020, 0.010],
        "b_s": [0.010 * math.exp(log_ratio), 0.020 * math.exp(log_ratio), 0.011 * math.exp(log_ratio)],
        "precise": True,
        "warm": [True, True],
        "foreign_cpus": 0.1,
        "environment": {"host": "here", "torch": "2", "state": {"before": {}, "after": {}, "foreign_cpus": 0.1}},
        "warnings": [[], []],
        "doubts": [],
        "conditions": {"device": "cpu", "threads": 1, "fused": [True, True]},
        **changed,
    }


class Processes:
    """Takes the place of real processes; `asked` is what each was told to do."""

    def __init__(self) -> None:
        self.answers: Iterable[Any] = iter(())
        self.asked: list[Mapping[str, Any]] = []

    answer = staticmethod(answer)

    def __call__(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(asked)
        told = next(iter(self.answers))
        if isinstance(told, Exception):
            raise told
        return answer(told) if isinstance(told, float) else told


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    ours = Processes()
    monkeypatch.setattr(nas.bench.duel, "_in_fresh_process", ours)
    return ours
