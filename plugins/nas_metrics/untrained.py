"""What the metrics that probe an untrained candidate share: the images of one batch, and how the network sees them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import nas
from nas.errors import SpecError
from nas.latency.faults import outcome_of
from nas.train import options as of
from nas.train.device import find_device

if TYPE_CHECKING:
    from torch import Tensor, nn

NOISE = "noise"

OPTIONS: Mapping[str, object] = {"data": NOISE, "batch_size": 16, "device": "auto"}
"""Option -> default. `data` is "noise", Gaussian of mean 0 and standard deviation 1, or a data set of `nas.train.data`,
of whose train split a batch is drawn.
"""


def batch(context: nas.MetricContext) -> Tensor:
    """The images, float32 (batch_size, channels, height, width) on the CPU: the same for the same seed.

    Raises:
        SpecError: the options or the data have become unusable since the study was checked.
    """
    import torch

    size = of.whole(context.options, "batch_size", 2)
    generator = torch.Generator().manual_seed(context.seed)
    source = of.text(context.options, "data")
    if source == NOISE:
        return torch.randn(size, *context.input_shape, generator=generator)
    from nas.train.data import load_data

    images = load_data(source, context.input_shape).train.images
    return images[torch.randperm(len(images), generator=generator)[:size]]


def normalise_by_batch(network: nn.Module) -> None:
    """Batch norms use the batch's own statistics, those of an untrained network being 0 and 1; dropout and drop path
    are off.
    """
    import torch

    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):  # their base has no other name
            module.train()


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """No TF32 on a GPU, and its deterministic convolutions: a unit near 0 would change sides."""
    import torch

    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul


@contextlib.contextmanager
def blaming_memory(images: Tensor) -> Iterator[None]:
    """Tells of the batch where the memory of the CPU or the GPU does not hold what is computed inside.

    Raises:
        MeasureError: with the outcome `oom`.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # on a CPU torch has no exception of its own for it
        if outcome_of(error) != "oom":
            raise
        raise nas.MeasureError(f"out of memory with a batch of {len(images)}; lower batch_size", "oom") from error


def check(setting: nas.Setting) -> str | None:
    """Why these options or data cannot be used. The data's number of classes is of no matter: no label is read."""
    options = setting.options
    try:
        size = of.whole(options, "batch_size", 2)
        find_device(options["device"])
        source = of.text(options, "data")
        if source == NOISE:
            return None
        from nas.train.data import load_data

        for shape in setting.input_shapes:
            if (has := len(load_data(source, shape).train)) < size:
                return f'batch_size = {size}, and the train split of data = "{source}" has {has} images; lower it'
    except SpecError as error:
        return _with_noise(str(error))
    return None


def _with_noise(message: str) -> str:
    """`noise` is no data set, and so no message about data sets knows it."""
    return f'{message}\n"{NOISE}" is there too.' if message.startswith("unknown data") else message


def conditions(setting: nas.Setting) -> Mapping[str, object]:
    """The content of the data, where there are any, and the kind of device."""
    device = find_device(setting.options["device"]).type
    source = of.text(setting.options, "data")
    if source == NOISE:
        return {"device": device}
    from nas.train.data import load_data

    return {"device": device, "data_fingerprint": load_data(source, setting.input_shapes[0]).fingerprint}
