"""`phi_score`: how strongly the logits of an untrained candidate answer to a small change of its images.

Source: M. Lin, P. Wang, Z. Sun, H. Chen, X. Sun, Q. Qian, H. Li and R. Jin, "Zen-NAS: A Zero-Shot NAS for
High-Performance Image Recognition", ICCV 2021 (arXiv:2102.01063): the Phi-score of its section 3,
Phi(f) = log E ||grad_x f(x)||_F, by differences along Gaussian noise as in its algorithm of the Zen-score.

The paper defines it for networks without batch norms. Where there are some it adds back what they scale down, and calls
that the Zen-score; here they are left to do their work, which on 24 networks of NAS-Bench-Macro ranked far better
(plugins/README.md has the figures over 500). And f is the map before the pooling there, the logits here: every
network of a study has as many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import nas
from nas.errors import SpecError
from nas.train import options as of
from nas.train.device import find_device
from nas_metrics import untrained
from nas_metrics.untrained import batch, blaming_memory, conditions, full_precision, normalise_by_batch

if TYPE_CHECKING:
    from torch import Tensor, nn

OPTIONS: Mapping[str, object] = {**untrained.OPTIONS, "repeats": 2}
"""Option -> default. `repeats`: along how many directions each image is changed; one more pass of the batch each."""

STEP = 0.01
"""Of a change, in standard deviations of the noise; the paper's alpha."""

PERTURBING = 0x5EED
"""Keeps the directions apart from the images, which are drawn from the same seed."""


def phi_score(context: nas.MetricContext) -> nas.Estimate:
    """log of the mean over the images of ||J||_F, the Frobenius norm of the logits' Jacobian at the image, in nats.

    ||J||_F^2 is the mean of ||J e||^2 over Gaussian directions e, and J e is (f(x + 0.01 e) - f(x)) / 0.01. The
    candidate stays untrained; its batch norms use the batch's own statistics, through which the other images change the
    logits a little, and dropout and drop path are off. Any activation will do.

    Raises:
        MeasureError: `nan` where outputs are not finite or do not depend on the images; `oom`; `invalid` where the
            network does not return a tensor of (batch, outputs).
    """
    import torch

    options = context.options
    device, repeats = find_device(options["device"]), of.whole(options, "repeats", 1)
    images = batch(context)
    generator = torch.Generator().manual_seed(context.seed ^ PERTURBING)
    directions = (torch.randn(images.shape, generator=generator) for _ in range(repeats))
    with blaming_memory(images):
        norms = jacobian_norms(context.network.to(device), images.to(device), (each.to(device) for each in directions))
    found = {"data": options["data"], "batch": len(images), "device": device.type, "repeats": repeats}
    return nas.Estimate(log_mean(norms), conditions=found)


def jacobian_norms(network: nn.Module, images: Tensor, directions: Iterable[Tensor]) -> Tensor:
    """||J||_F of each image, estimated along these directions: float64 (batch,), on the CPU.

    Args:
        network: left in eval mode but for its batch norms.
        images: (batch, channels, height, width), on the network's device.
        directions: each of the shape of `images`, and on their device.

    Raises:
        MeasureError: `invalid` or `nan`, as `phi_score` says.
    """
    import torch

    normalise_by_batch(network)
    squares: list[Tensor] = []
    with torch.no_grad(), full_precision():
        before = _outputs(network, images)
        for direction in directions:
            change = (_outputs(network, images + STEP * direction) - before) / STEP
            squares.append(change.square().sum(dim=1))
    return torch.stack(squares).mean(dim=0).sqrt().cpu()


def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    """Float64, so that no digit is lost in their differences but those that the network lost."""
    import torch

    outputs = network(images)
    if not isinstance(outputs, torch.Tensor) or outputs.dim() != 2:
        shape = f"shape {tuple(outputs.shape)}" if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise nas.MeasureError(f"the network must return (batch, outputs), got {shape}", outcome="invalid")
    if not torch.isfinite(outputs).all():
        raise nas.MeasureError("the untrained network's outputs are not finite", outcome="nan")
    return outputs.double()


def log_mean(norms: Tensor) -> float:
    """The score, from ||J||_F of each image.

    Raises:
        MeasureError: `nan` where all are 0.
    """
    mean = float(norms.mean())
    if mean == 0:
        raise nas.MeasureError(
            "the untrained network's outputs do not depend on its images: is there a block that returns a constant?",
            outcome="nan",
        )
    return math.log(mean)


def check(setting: nas.Setting) -> str | None:
    """Why these options or data cannot be used."""
    try:
        of.whole(setting.options, "repeats", 1)
    except SpecError as error:
        return str(error)
    return untrained.check(setting)


@nas.hookimpl
def nas_metrics() -> Iterable[nas.MetricSpec]:
    """The metric `phi_score`."""
    yield nas.MetricSpec(
        name="phi_score",
        unit="nats",
        direction="maximize",
        version=1,
        compute=phi_score,
        cost="cheap",
        options=OPTIONS,
        check=check,
        conditions=conditions,
    )
