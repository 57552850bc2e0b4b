"""The training loop: it learns, it repeats itself, and it says why it could not go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nas.errors import MeasureError
from nas.train import loop
from nas.train.data import Dataset, Split, load_data
from nas.train.loop import TrainResult, count_correct, one_cycle, train

Network = Callable[..., nn.Module]


@pytest.fixture
def digits() -> Dataset:
    return load_data("digits", (1, 8, 8), 10)


@pytest.fixture
def few(digits: Dataset) -> Dataset:
    """A hundred digits to learn from and fifty to judge by: for what does not depend on what is learnt."""

    def first(split: Split, count: int) -> Split:
        return Split(split.images[:count], split.labels[:count])

    return dataclasses.replace(digits, train=first(digits.train, 100), validation=first(digits.validation, 50))


def outcome(network: nn.Module, data: Dataset, **options: object) -> tuple[str, str]:
    with pytest.raises(MeasureError) as caught:
        train(network, data, **{"epochs": 1, "seed": 0, **options})  # type: ignore[arg-type]  # each test's own
    return caught.value.outcome, str(caught.value)


def test_a_small_network_learns_to_read_digits(network: Network, digits: Dataset) -> None:
    result = train(network(), digits, epochs=4, seed=0, batch_size=32)
    assert result.accuracy > 0.9
    assert len(result.accuracies) == len(result.train_losses) == 4
    assert result.train_losses[-1] < result.train_losses[0] / 2
    assert result.accuracies[-1] == result.accuracy == result.correct / result.validated
    assert result.validated == len(digits.validation)
    assert result.steps == 4 * (len(digits.train) // 32)
    assert result.seconds > 0


def test_labels_without_meaning_are_not_learnt(network: Network, digits: Dataset) -> None:
    """What is learnt comes from the labels: with these shuffled, the validation split is guessed."""
    labels = digits.train.labels[torch.randperm(len(digits.train), generator=torch.Generator().manual_seed(0))]
    data = dataclasses.replace(digits, train=Split(digits.train.images, labels))
    assert train(network(), data, epochs=1, seed=0).accuracy < 0.35


def facts(result: TrainResult) -> tuple[object, ...]:
    return result.accuracies, result.train_losses, result.correct


def test_the_same_seed_gives_the_same_weights(network: Network, few: Dataset) -> None:
    first, second = network(extra=[nn.Dropout(0.5)]), network(extra=[nn.Dropout(0.5)])
    results = []
    for caller, each in enumerate((first, second)):
        torch.manual_seed(caller)  # what the caller drew before is of no matter
        results.append(train(each, few, epochs=2, seed=3))
    assert facts(results[0]) == facts(results[1])
    weights = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_another_seed_gives_another_result(network: Network, few: Dataset) -> None:
    losses = {train(network(), few, epochs=1, seed=seed).train_losses for seed in range(3)}
    assert len(losses) == 3


def test_the_seed_covers_what_the_network_draws(network: Network, few: Dataset) -> None:
    """With one batch a training, only dropout is left to differ: the order of images rounds differently at most."""

    def loss(seed: int, *extra: nn.Module) -> float:
        return train(network(extra=extra), few, epochs=1, seed=seed, batch_size=100).train_losses[0]

    assert loss(0) == pytest.approx(loss(1), abs=1e-4)
    assert abs(loss(0, nn.Dropout(0.5)) - loss(1, nn.Dropout(0.5))) > 1e-3


def test_the_callers_random_state_is_left_alone(network: Network, few: Dataset) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(network(extra=[nn.Dropout(0.5)]), few, epochs=1, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_test_split_is_not_opened(network: Network, few: Dataset) -> None:
    class Closed(Split):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"the test split was opened: {name}")

    closed = dataclasses.replace(few, test=Closed.__new__(Closed))
    assert facts(train(network(), closed, epochs=1, seed=0)) == facts(train(network(), few, epochs=1, seed=0))


def test_the_validation_split_teaches_nothing(network: Network, few: Dataset) -> None:
    """Neither its images nor its labels change the weights or the statistics of the batch norms."""
    other = dataclasses.replace(few, validation=Split(few.validation.images * 9, few.validation.labels))
    one, two = network(), network()
    train(one, few, epochs=2, seed=0)
    train(two, other, epochs=2, seed=0)
    weights = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    assert all(torch.equal(left, right) for left, right in weights)


@pytest.mark.parametrize(("epochs", "steps", "reports"), [(0.25, 2, 1), (0.001, 1, 1), (1, 10, 1), (1.5, 15, 2)])
def test_fractional_epochs_are_that_share_of_steps(
    network: Network, few: Dataset, epochs: float, steps: int, reports: int
) -> None:
    result = train(network(), few, epochs=epochs, seed=0, batch_size=10)
    assert (result.steps, len(result.accuracies)) == (steps, reports)


def test_each_epoch_is_reported(network: Network, few: Dataset) -> None:
    curve: list[tuple[int, float]] = []
    result = train(network(), few, epochs=3, seed=0, report=lambda step, value: curve.append((step, value)))
    assert curve == list(enumerate(result.accuracies, start=1))


def test_it_stops_when_told_to(network: Network, few: Dataset) -> None:
    curve: list[float] = []
    word, message = outcome(
        network(), few, epochs=5, report=lambda _, value: curve.append(value), should_stop=lambda: len(curve) == 2
    )
    assert (word, len(curve)) == ("stopped", 2)
    assert message == "stopped after epoch 2 of 5"


def test_a_finished_training_is_not_stopped(network: Network, few: Dataset) -> None:
    assert train(network(), few, epochs=1, seed=0, should_stop=lambda: True).steps == 1


def test_a_loss_that_is_not_finite(network: Network, few: Dataset) -> None:
    net = network()
    with torch.no_grad():
        net[0].weight.fill_(torch.nan)  # type: ignore[index,union-attr,operator]  # a Sequential of modules
    assert outcome(net, few)[0] == "nan"


def test_outputs_that_are_not_finite(network: Network, few: Dataset) -> None:
    net = network()
    with torch.no_grad():
        net[-1].bias.fill_(torch.inf)  # type: ignore[index,union-attr,operator]  # a Sequential of modules
    with pytest.raises(MeasureError) as caught:
        count_correct(net, few.validation, torch.device("cpu"))
    assert caught.value.outcome == "nan"


def test_a_deadline_that_has_passed(network: Network, few: Dataset) -> None:
    word, message = outcome(network(), few, max_seconds=0)
    assert word == "timeout"
    assert "max_seconds" in message


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory(network: Network, few: Dataset, error: Exception) -> None:
    class Greedy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002  # it does not get to it
            raise error

    assert outcome(network(extra=[Greedy()]), few)[0] == "oom"


def test_other_errors_of_a_network_are_its_own(network: Network, few: Dataset) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(network(extra=[nn.Linear(3, 128)]), few, epochs=1, seed=0)


def test_outputs_of_another_shape(network: Network, few: Dataset) -> None:
    word, message = outcome(network(classes=7), few, batch_size=50)
    assert word == "invalid"
    assert message == "the network gives (50, 7) where (batch, classes) is (50, 10)"


def test_no_batch_is_smaller_than_the_others(network: Network, few: Dataset) -> None:
    """A batch norm over 1 x 1 pixels cannot take a batch of one, which 100 images in batches of 33 would end with."""
    sizes: list[int] = []

    class Watch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                sizes.append(len(x))
            return x

    train(network(extra=[Watch()]), few, epochs=2, seed=0, batch_size=33)
    assert sizes == [33] * 6


def test_a_batch_is_at_most_the_whole_split(network: Network, few: Dataset) -> None:
    assert train(network(), few, epochs=3, seed=0, batch_size=1000).steps == 3


def test_norms_and_biases_do_not_decay(network: Network, few: Dataset) -> None:
    """At a learning rate of nearly nothing and a decay to match, only what decays changes."""
    net = network()
    before = {name: value.clone() for name, value in net.named_parameters()}
    train(net, few, epochs=1, seed=0, batch_size=100, learning_rate=1e-9, weight_decay=1e8)
    for name, value in net.named_parameters():
        share = float((value.norm() / before[name].norm()).detach()) if before[name].norm() > 0 else 1.0
        assert (share < 0.99) == (value.ndim > 1), name


def test_the_network_is_left_ready_to_use(network: Network, few: Dataset) -> None:
    net = network()
    train(net, few, epochs=1, seed=0)
    assert not net.training


def test_the_learning_rate_rises_once_and_falls_to_nearly_nothing() -> None:
    rates = [one_cycle(step, 100) for step in range(100)]
    top = rates.index(max(rates))
    assert top == round(loop.WARM_UP * 100)
    assert max(rates) == 1.0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.01
    assert one_cycle(0, 1) > 0
