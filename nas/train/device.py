"""Where networks are trained and probed: the option `device` of the metrics that do not time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nas.choices import shown
from nas.errors import SpecError

if TYPE_CHECKING:
    import torch

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def find_device(name: object) -> torch.device:
    """The device of this name; "auto" is the first GPU, or the CPU where there is none.

    Raises:
        SpecError: the name is none of auto, cpu, cuda and cuda:N, or this machine has no such GPU.
    """
    if not isinstance(name, str) or not _DEVICE.fullmatch(name):
        raise SpecError(f"device = {shown(name)} must be auto, cpu, cuda or cuda:N")
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    if device.type == "cuda" and (device.index or 0) >= gpus:
        has = f"{gpus} GPU{'' if gpus == 1 else 's'}" if gpus else "no GPU that torch can use"
        raise SpecError(f'device = "{name}": this machine has {has}; use "auto" or "cpu"')
    return device
