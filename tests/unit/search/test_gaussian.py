"""The batched Gaussian process: it proposes what Optuna's proposes, in fewer evaluations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import GPSampler

from nas.search.gaussian import BatchedGPSampler, climb

TRIALS = 14  # the first ten are drawn at random


def _proposals(sampler: type[GPSampler], objective: Any, directions: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(directions=directions, sampler=sampler(seed=1))
    study.optimize(objective, n_trials=TRIALS)
    return [trial.params for trial in study.trials]


def _of_choices(trial: optuna.Trial) -> list[float]:
    return [trial.suggest_categorical("kernel", [3, 5, 7]), trial.suggest_int("repeats", 1, 4),
            trial.suggest_categorical("se", [0, 0.25]), trial.suggest_int("channels", 16, 64, step=8)]


def _one(trial: optuna.Trial) -> float:
    kernel, repeats, se, channels = _of_choices(trial)
    return (kernel - 4) ** 2 + abs(repeats - 2.5) + se * channels


def _two(trial: optuna.Trial) -> tuple[float, float]:
    kernel, repeats, se, channels = _of_choices(trial)
    return channels * repeats, kernel * repeats + channels * se


def _constrained(trial: optuna.Trial) -> float:
    kernel, repeats, se, channels = _of_choices(trial)
    trial.set_constraint("macs", kernel * channels - 200)
    return -kernel * repeats - se


def _with_a_continuous_one(trial: optuna.Trial) -> float:
    return _one(trial) + trial.suggest_float("dropout", 0, 0.5)


def _with_many_numbers(trial: optuna.Trial) -> float:
    return _one(trial) + abs(trial.suggest_int("width", 16, 256, step=8) - 100)


@pytest.mark.parametrize("objective, directions", [
    (_one, ["minimize"]), (_two, ["maximize", "minimize"]), (_constrained, ["minimize"]),
    (_with_a_continuous_one, ["minimize"]), (_with_many_numbers, ["minimize"]),
])
def test_it_proposes_what_optuna_s_proposes(objective: Any, directions: Any) -> None:
    ours = _proposals(BatchedGPSampler, objective, directions)
    assert ours == _proposals(GPSampler, objective, directions)
    assert len({tuple(params.values()) for params in ours[10:]}) > 1, "else nothing was compared"


def test_it_is_asked_by_optuna_where_it_is_meant_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    climbs: list[int] = []
    monkeypatch.setattr("nas.search.gaussian.climb", lambda evaluate, starts, choices: climbs.append(1) or starts[0])
    _proposals(BatchedGPSampler, _two, ["maximize", "minimize"])
    assert len(climbs) == TRIALS - 10


def test_an_optuna_that_is_built_otherwise_searches_itself_and_this_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise AttributeError("no attribute '_rng'")

    monkeypatch.setattr("nas.search.gaussian._starts", missing)
    with pytest.warns(UserWarning, match="built otherwise .no attribute '_rng'."):
        ours = _proposals(BatchedGPSampler, _one, ["minimize"])
    assert len(ours) == TRIALS


def test_a_climb_evaluates_all_its_starts_at_once_and_never_where_they_stand() -> None:
    asked: list[int] = []

    def evaluate(points: np.ndarray) -> np.ndarray:
        asked.append(len(points))
        distances: np.ndarray = np.abs(points - [2, 0, 1]).sum(axis=1)
        return -distances

    starts = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 1.0]])
    found = climb(evaluate, starts, [np.arange(3.0), np.arange(2.0), np.arange(2.0)])
    assert found.tolist() == [2.0, 0.0, 1.0]
    # Both; then both along each parameter, of 2, 1 and 1 other choices; then the first again, but for its last change.
    assert asked == [2, 4, 2, 2, 2, 1]


def test_a_climb_ends_at_once_where_there_is_no_choice() -> None:
    found = climb(lambda points: points[:, 0], np.array([[1.0]]), [np.array([1.0])])
    assert found.tolist() == [1.0]
