"""The metric `accuracy`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import nas
import nas_metrics.accuracy
from nas.errors import SpecError
from nas.metrics import broken_contract
from nas_metrics.accuracy import OPTIONS, accuracy, check, conditions

SHAPE = (1, 8, 8)


def architecture(classes: int = 10) -> nas.Architecture:
    return nas.Architecture(SHAPE, (nas.Stage("conv", 1, 1, 8, 1),), classes=classes)


def network(classes: int = 10) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(
                *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
                *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
                *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, classes)),
            )

    return build


def context(seed: int = 0, classes: int = 10, **options: object) -> nas.MetricContext:
    settings = {**OPTIONS, "device": "cpu", **options}
    return nas.MetricContext(architecture(classes), SHAPE, settings, seed, "cpu", network(classes))


def setting(shapes: tuple[tuple[int, int, int], ...] = (SHAPE,), classes: int = 10, **options: object) -> nas.Setting:
    return nas.Setting({**OPTIONS, "device": "cpu", **options}, shapes, classes)


def test_it_is_one_metric_by_the_contract() -> None:
    (spec,) = nas_metrics.accuracy.nas_metrics()
    assert broken_contract(spec) is None
    assert (spec.name, spec.unit, spec.direction, spec.cost) == ("accuracy", "fraction", "maximize", "expensive")
    assert spec.options is not None
    assert (spec.options["data"], spec.options["epochs"]) == ("digits", 3)


def test_three_epochs_teach_a_small_network_digits() -> None:
    metric = context()
    estimate = accuracy(metric)
    assert estimate.value > 0.85
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.1
    assert [step for step, _ in metric.curve] == [1, 2, 3]
    assert metric.curve[-1][1] == estimate.value


def test_its_conditions_say_how_it_was_found() -> None:
    estimate = accuracy(context(epochs=0.5))
    assert {name: estimate.conditions[name] for name in ("data", "epochs", "n_validation", "device")} == {
        "data": "digits",
        "epochs": 0.5,
        "n_validation": 359,
        "device": "cpu",
    }
    assert estimate.conditions["data_fingerprint"] == conditions(setting())["data_fingerprint"]
    assert isinstance(estimate.conditions["train_seconds"], float)


def test_the_seed_decides_the_result() -> None:
    first, again, other = (accuracy(context(seed=seed, epochs=0.5)) for seed in (0, 0, 1))
    assert first.conditions["train_loss"] == again.conditions["train_loss"]
    assert first.conditions["train_loss"] != other.conditions["train_loss"]


def test_the_study_may_stop_it() -> None:
    metric = context(epochs=5)
    metric.stop_rule = lambda curve: len(curve) == 2
    with pytest.raises(nas.MeasureError) as caught:
        accuracy(metric)
    assert caught.value.outcome == "stopped"
    assert len(metric.curve) == 2


def test_its_deadline_is_an_option() -> None:
    with pytest.raises(nas.MeasureError) as caught:
        accuracy(context(max_seconds=1e-9))
    assert caught.value.outcome == "timeout"


def test_good_settings_are_accepted() -> None:
    assert check(setting()) is None
    assert check(setting(shapes=((3, 8, 8), (3, 12, 12)), epochs=0.25, threads=2)) is None
    assert check(setting(shapes=((1, 16, 16),), data="cluttered")) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs = 0 must be a number above 0"),
        ({"epochs": "many"}, "epochs = 'many' must be a number above 0"),
        ({"epochs": True}, "epochs = True must be a number above 0"),
        ({"epochs": float("inf")}, "epochs = inf must be a number above 0"),
        ({"batch_size": 1}, "batch_size = 1 must be a whole number from 2"),
        ({"batch_size": 8.5}, "batch_size = 8.5 must be a whole number from 2"),
        ({"learning_rate": -0.1}, "learning_rate = -0.1 must be a number above 0"),
        ({"weight_decay": -1}, "weight_decay = -1 must be a number from 0"),
        ({"max_seconds": 0}, "max_seconds = 0 must be a number above 0"),
        ({"device": "tpu"}, "device = 'tpu' must be auto, cpu, cuda or cuda:N"),
        ({"threads": 0}, "threads = 0 must be"),
        ({"data": 7}, "data = 7 must be a text"),
        ({"data": "digts"}, "did you mean 'digits'"),
        ({"data": "folder:/nowhere/at/all"}, "there is no such folder"),
        ({"data": "npz:/nowhere.npz"}, "there is no such file"),
    ],
)
def test_bad_options_are_refused_before_a_study_starts(options: dict[str, object], message: str) -> None:
    refusal = check(setting(**options))  # type: ignore[arg-type]  # options of any type are the point
    assert refusal is not None
    assert message in refusal


def test_data_of_other_classes_are_refused() -> None:
    assert "has 10 classes, the study's networks tell 1000 apart" in (check(setting(classes=1000)) or "")


def test_every_shape_of_the_study_is_checked() -> None:
    assert "the study's networks take 2" in (check(setting(shapes=(SHAPE, (2, 8, 8)))) or "")


def test_the_cache_key_knows_the_data_and_the_kind_of_device() -> None:
    digits, cluttered = conditions(setting()), conditions(setting(data="cluttered"))
    assert digits["device"] == "cpu"
    assert digits["data_fingerprint"] != cluttered["data_fingerprint"]


def test_conditions_of_unusable_data_are_an_error() -> None:
    with pytest.raises(SpecError, match="there is no such folder"):
        conditions(setting(data="folder:/nowhere/at/all"))
