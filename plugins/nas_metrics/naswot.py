"""`naswot`: how differently an untrained candidate answers to the images of one batch.

Source: J. Mellor, J. Turner, A. Storkey and E. J. Crowley, "Neural Architecture Search without Training", ICML 2021,
the score s = log |K_H| of its section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import nas
from nas.errors import SpecError
from nas.train import options as of
from nas.train.device import find_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NOISE = "noise"

OPTIONS: Mapping[str, object] = {"data": NOISE, "batch_size": 16, "device": "auto"}
"""Option -> default. `data` is "noise", Gaussian of mean 0 and standard deviation 1, or a data set of `nas.train.data`,
of whose train split a batch is drawn. The paper takes batches of 128 images; 16 order networks at 224 pixels in about
a second each.
"""

RECTIFIERS = (
    *("relu", "relu6", "hardtanh", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "threshold"),
    *("gelu", "silu", "mish", "hardswish"),
)
"""The functions whose inputs are read, called by a module of `torch.nn` or by themselves, in place or not.

Gates (sigmoid, hardsigmoid) and tanh are none of them: they switch no unit off.
"""


def naswot(context: nas.MetricContext) -> nas.Estimate:
    """Log-determinant of the Hamming kernel of the batch, in nats.

    Every unit before a rectifier is on (above 0) or off for an image; these bits, over the whole network, are the
    image's code. K[i, j] is the number of units on which images i and j agree. For smooth activations (SiLU,
    hardswish) the sign of the unit stands for the linear region that a ReLU would be in. The candidate stays
    untrained; its batch norms use the batch's own statistics, and dropout and drop path are off.

    Raises:
        MeasureError: `nan` where two images cannot be told apart, or an output is not finite; `oom`; `invalid`
            where the network calls none of `RECTIFIERS`.
    """
    import torch

    options = context.options
    device = find_device(options["device"])
    images = _batch(context, of.whole(options, "batch_size", 2))
    network = context.network.to(device)
    try:
        kernel, units = hamming_kernel(network, images.to(device))
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise nas.MeasureError(f"out of memory with a batch of {len(images)}", outcome="oom") from error
    conditions = {"data": options["data"], "batch": len(images), "device": device.type, "units": units}
    return nas.Estimate(log_determinant(kernel), conditions=conditions)


def hamming_kernel(network: nn.Module, images: Tensor) -> tuple[Tensor, int]:
    """On how many units each two images agree: float64 (batch, batch), exact; and the number of units.

    It is summed up layer by layer, so that no code is ever held as a whole.

    Args:
        network: left in eval mode but for its batch norms.
        images: (batch, channels, height, width), on the network's device.

    Raises:
        MeasureError: `invalid` or `nan`, as `naswot` says.
    """
    import torch

    agreements = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    units = 0

    def read(before: Tensor) -> None:
        nonlocal units
        # With codes of +1 and -1 a scalar product is agreements - disagreements = 2 x agreements - units.
        # Float32 sums whole numbers exactly up to 2**24, hence the slices.
        for piece in torch.split(before.detach().reshape(len(images), -1), 2**23, dim=1):
            code = torch.where(piece > 0, 1.0, -1.0)
            agreements.add_((code @ code.T).double().add_(piece.shape[1]), alpha=0.5)
            units += piece.shape[1]

    network.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):  # their base has no other name
            module.train()
    with torch.no_grad(), _full_precision(), _watching(read):
        outputs = network(images)
    if not units:
        raise nas.MeasureError(
            f"the network calls no activation that naswot reads; these are {', '.join(RECTIFIERS)}",
            outcome="invalid",
        )
    if not torch.isfinite(outputs).all():
        raise nas.MeasureError("the untrained network's outputs are not finite", outcome="nan")
    return agreements.cpu(), units


def log_determinant(kernel: Tensor) -> float:
    """Of a symmetric positive definite matrix, from its eigenvalues.

    Raises:
        MeasureError: `nan` where the matrix is singular within rounding.
    """
    import torch

    eigenvalues = torch.linalg.eigvalsh(kernel)
    rounding = len(kernel) * torch.finfo(kernel.dtype).eps * eigenvalues[-1]
    if eigenvalues[0] <= rounding:
        raise nas.MeasureError(
            f"the Hamming kernel of {len(kernel)} images is singular: the network cannot tell some of them apart\n"
            "Widen the network, or lower batch_size.",
            outcome="nan",
        )
    return float(eigenvalues.log().sum())


def _batch(context: nas.MetricContext, size: int) -> Tensor:
    """The images, float32 (size, channels, height, width): the same for the same seed."""
    import torch

    generator = torch.Generator().manual_seed(context.seed)
    source = of.text(context.options, "data")
    if source == NOISE:
        return torch.randn(size, *context.input_shape, generator=generator)
    from nas.train.data import load_data

    images = load_data(source, context.input_shape).train.images
    return images[torch.randperm(len(images), generator=generator)[:size]]


def _watching(read: Callable[[Tensor], None]) -> torch.overrides.TorchFunctionMode:
    """While it is active, `read` gets the input of every rectifier, before an in-place one overwrites it."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__name__", "").rstrip("_") in RECTIFIERS:
                before = args[0] if args else kwargs["input"]
                if isinstance(before, Tensor):
                    read(before)
            return func(*args, **kwargs)  # the mode is off in here: what func calls is not read twice

    return Watch()


def _full_precision() -> Any:
    """No TF32 on a GPU: a unit near 0 would change sides."""
    import contextlib

    import torch

    @contextlib.contextmanager
    def flags() -> Iterator[None]:
        matmul = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = matmul

    return flags()


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


@nas.hookimpl
def nas_metrics() -> Iterable[nas.MetricSpec]:
    """The metric `naswot`."""
    yield nas.MetricSpec(
        name="naswot",
        unit="nats",
        direction="maximize",
        version=1,
        compute=naswot,
        cost="cheap",
        options=OPTIONS,
        check=check,
        conditions=conditions,
    )
