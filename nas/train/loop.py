"""The training loop: one network, one data set, one recipe, and the same result for the same seed."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from nas.errors import MeasureError
from nas.train.data import Dataset, Split

WARM_UP = 0.3
"""The share of the steps over which the learning rate rises; over the others it falls along a cosine to 0."""

CHECK_EVERY = 8
"""Steps between two looks at loss and clock: on a GPU each look waits for what is queued."""

RESIDENT_BYTES = 2**30
"""A split up to this size is kept on the GPU; a larger one is sent batch by batch."""


@dataclass(frozen=True)
class TrainResult:
    """What came of a training.

    Attributes:
        accuracies: on the validation split, after each epoch; the last after the last step.
        train_losses: mean cross-entropy of the training batches of each epoch.
        correct: validation images that the trained network classifies rightly.
        validated: validation images.
        steps: optimiser steps that were taken.
        seconds: wall-clock time, validation included.
    """

    accuracies: tuple[float, ...]
    train_losses: tuple[float, ...]
    correct: int
    validated: int
    steps: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """On the validation split, at the end."""
        return self.correct / self.validated


def no_report(step: int, value: float) -> None:
    """The default `report`: nobody listens."""


def never() -> bool:
    """The default `should_stop`."""
    return False


def train(
    network: nn.Module,
    data: Dataset,
    *,
    epochs: float,
    seed: int,
    device: str | torch.device = "cpu",
    batch_size: int = 64,
    learning_rate: float = 0.01,
    weight_decay: float = 0.01,
    max_seconds: float = math.inf,
    report: Callable[[int, float], None] = no_report,
    should_stop: Callable[[], bool] = never,
) -> TrainResult:
    """Trains the network in place on the train split, and judges it on the validation split after each epoch.

    AdamW (I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) without decay of norms
    and biases; the learning rate rises and falls once (L. Smith and N. Topin, "Super-Convergence", 2018). An epoch
    is the whole batches of one random order of the train split, so that no batch norm sees a batch of one; what is
    left over differs from epoch to epoch. On a GPU forward passes are in mixed precision. The test split is not
    touched, and neither is the caller's random state.

    The same seed on the same machine gives the same result on the CPU, and on a GPU as far as its kernels are
    deterministic.

    Args:
        network: takes float32 (batch, channels, height, width) and gives (batch, classes); trained in place, and
            left on `device` in eval mode.
        data: at the shape that the network takes.
        epochs: how long; a fraction is that share of an epoch's steps, at least one step.
        seed: of the order of images and of what the network draws, such as dropout.
        device: "cpu", "cuda" or "cuda:N".
        batch_size: images a step, from 2; fewer where the train split holds fewer.
        learning_rate: the highest that is reached.
        weight_decay: of weights of two dimensions and more.
        max_seconds: the deadline.
        report: called as report(epoch, accuracy) after each epoch, counted from 1.
        should_stop: asked after each report but the last.

    Raises:
        MeasureError: with the outcome `nan` (loss or outputs are not finite), `oom` (out of memory), `timeout` (past
            `max_seconds`), `stopped` (`should_stop` said so) or `invalid` (outputs of another shape).
    """
    started = time.perf_counter()
    run = _Run(network, data, device=torch.device(device), seed=seed, batch_size=batch_size)
    run.deadline = started + max_seconds
    total = max(1, round(epochs * run.steps_per_epoch))
    accuracies: list[float] = []
    losses: list[float] = []
    correct = 0
    try:
        with _reproducible(run.device, seed):
            run.prepare(learning_rate, weight_decay, total)
            for first in range(0, total, run.steps_per_epoch):
                losses.append(run.learn(min(run.steps_per_epoch, total - first)))
                correct = run.judge()
                accuracies.append(correct / len(data.validation))
                report(len(accuracies), accuracies[-1])
                if first + run.steps_per_epoch < total and should_stop():
                    raise MeasureError(f"stopped after epoch {len(accuracies)} of {epochs:g}", outcome="stopped")
    except (RuntimeError, MemoryError) as error:
        if _is_out_of_memory(error):
            raise MeasureError(f"out of memory while training on {run.device}", outcome="oom") from error
        raise
    seconds = time.perf_counter() - started
    return TrainResult(tuple(accuracies), tuple(losses), correct, len(data.validation), total, seconds)


def count_correct(network: nn.Module, split: Split, device: torch.device, deadline: float = math.inf) -> int:
    """How many images of the split the network classifies rightly, in eval mode.

    Args:
        network: on `device`; it is left in eval mode.
        split: at the shape that the network takes.
        device: of the network.
        deadline: on the clock of `time.perf_counter`.

    Raises:
        MeasureError: `nan` where an output is not finite, `timeout` past the deadline.
    """
    network.eval()
    correct = 0
    with torch.inference_mode():
        for images, labels in zip(torch.split(split.images, 256), torch.split(split.labels, 256), strict=True):
            with _precision(device):
                outputs = network(images.to(device))
            if not torch.isfinite(outputs).all():
                raise MeasureError("the trained network's outputs are not finite", outcome="nan")
            correct += int((outputs.argmax(dim=1) == labels.to(device)).sum())
            _in_time(deadline)
    return correct


class _Run:
    """A training under way: the network, its optimiser, and where in the data it is."""

    def __init__(self, network: nn.Module, data: Dataset, *, device: torch.device, seed: int, batch_size: int) -> None:
        self.network, self.device, self.data, self.deadline = network, device, data, math.inf
        self.batch_size = min(batch_size, len(data.train))
        self.steps_per_epoch = len(data.train) // self.batch_size
        self.order = torch.Generator().manual_seed(seed)

    def prepare(self, learning_rate: float, weight_decay: float, total: int) -> None:
        """Moves everything into place."""
        self.network.to(self.device)
        self.train, self.validation = (_resident(part, self.device) for part in (self.data.train, self.data.validation))
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
        self.learning_rate, self.total, self.taken = learning_rate, total, 0
        half = self.device.type == "cuda" and _half_precision() is torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)

    def learn(self, steps: int) -> float:
        """Takes the steps of an epoch; the mean loss."""
        self.network.train()
        order = torch.randperm(len(self.train), generator=self.order).to(self.train.images.device)
        loss_sum = torch.zeros((), device=self.device)
        for step in range(steps):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            images, labels = (tensor[batch].to(self.device) for tensor in (self.train.images, self.train.labels))
            with _precision(self.device):
                outputs = self.network(images)
                if not step:
                    self._check_shape(outputs)
                loss = F.cross_entropy(outputs, labels)
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate * one_cycle(self.taken, self.total)
            self.taken += 1
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            self.scaler.step(self.optimizer)
            self.scaler.update()
            loss_sum += loss.detach().float()
            if step % CHECK_EVERY == 0 or step == steps - 1:
                if not math.isfinite(loss_sum.item()):
                    raise MeasureError(f"the training loss is not finite near step {self.taken}", outcome="nan")
                _in_time(self.deadline)
        return loss_sum.item() / steps

    def judge(self) -> int:
        """How many validation images are classified rightly."""
        return count_correct(self.network, self.validation, self.device, self.deadline)

    def _check_shape(self, outputs: object) -> None:
        wanted = (self.batch_size, len(self.data.class_names))
        has = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if has != wanted:
            raise MeasureError(f"the network gives {has} where (batch, classes) is {wanted}", outcome="invalid")


def one_cycle(step: int, total: int) -> float:
    """The learning rate of a step, as a share of the highest: a linear rise, then half a cosine to nearly 0."""
    rise = WARM_UP * total
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / (total - rise)))


def _in_time(deadline: float) -> None:
    if time.perf_counter() > deadline:
        raise MeasureError("training did not finish before its deadline; raise max_seconds", outcome="timeout")


def _resident(split: Split, device: torch.device) -> Split:
    """The split on the device, where it is small enough."""
    size = split.images.element_size() * split.images.nelement()
    return Split(split.images.to(device), split.labels.to(device)) if size <= RESIDENT_BYTES else split


def _half_precision() -> torch.dtype:
    """Bfloat16 needs no loss scaling; older GPUs only emulate it, slowly."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=_half_precision())
    return contextlib.nullcontext()


@contextlib.contextmanager
def _reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Seeds what modules draw from, and puts the caller's random state back afterwards."""
    gpus = range(torch.cuda.device_count()) if device.type == "cuda" or torch.cuda.is_available() else ()
    with (
        torch.random.fork_rng(devices=gpus),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error) or "out of memory" in str(error)
