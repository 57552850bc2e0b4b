"""`naswot`: how differently an untrained candidate answers to the images of one batch.

Source: J. Mellor, J. Turner, A. Storkey and E. J. Crowley, "Neural Architecture Search without Training", ICML 2021,
the score s = log |K_H| of its section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import nas
from nas.train.device import find_device
from nas_metrics.untrained import OPTIONS, batch, blaming_memory, check, conditions, full_precision, normalise_by_batch

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

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
    untrained; its batch norms use the batch's own statistics, and dropout and drop path are off. The paper takes
    batches of 128 images; 16, the default, order networks at 224 pixels in about a second each.

    Raises:
        MeasureError: `nan` where two images cannot be told apart, or an output is not finite; `oom`; `invalid`
            where the network calls none of `RECTIFIERS`.
    """
    options = context.options
    device = find_device(options["device"])
    images = batch(context)
    with blaming_memory(images):
        kernel, units = hamming_kernel(context.network.to(device), images.to(device))
    found = {"data": options["data"], "batch": len(images), "device": device.type, "units": units}
    return nas.Estimate(log_determinant(kernel), conditions=found)


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

    normalise_by_batch(network)
    with torch.no_grad(), full_precision(), _watching(read):
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
