"""Which device a name means on this machine, and whether it computes in the type asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nas.choices import shown
from nas.errors import MeasureError, SpecError, nearest
from nas.latency import processor
from nas.latency.faults import outcome_of
from nas.latency.remote.host import place_of

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Device:
    """A device that is there.

    Attributes:
        torch_name: "cpu" or "cuda:0", as torch takes it, or "ssh:HOST" or
            "ssh:HOST/cuda:0".
        name: what it is: "AMD EPYC", "NVIDIA L4"; of another machine, the host.
        notice: what the user should be told of the choice, or an empty string.
    """

    torch_name: str
    name: str
    notice: str = ""

    @property
    def kind(self) -> str:
        """ "cpu", "cuda" or "ssh"."""
        return self.torch_name.partition(":")[0]

    @property
    def processor(self) -> str:
        """ "cpu" or "cuda": what computes, on another machine too."""
        return place_of(self.torch_name).kind if self.kind == "ssh" else self.kind

    def __str__(self) -> str:
        return self.torch_name


def resolve_device(device: str) -> Device:
    """The device that "auto", "cpu", "cuda", "cuda:1", "ssh:HOST" or "ssh:HOST/cuda:1" means here.

    "auto" is the first CUDA device, or the CPU where there is none, which `notice` then says. A host is not asked yet
    whether it answers: `LatencyOptions.resolve` does that.

    Raises:
        SpecError: no such device is known, it is not there, or what follows "ssh:" is no host.
    """
    import torch

    if device == "cpu":
        return Device("cpu", processor.model())
    if device == "auto":
        if torch.cuda.is_available():
            return _cuda(0)
        name = processor.model()
        return Device("cpu", name, f"no CUDA device: latency is measured on the CPU ({name})")
    if isinstance(device, str) and (match := re.fullmatch(r"cuda(?::(\d{1,4}))?", device)):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(match[1] or 0)
        if index >= count:
            there = {0: "there is no CUDA device", 1: "there is one CUDA device, cuda:0"}
            raise SpecError(f"device = {device!r}: {there.get(count, f'there are {count} CUDA devices, from cuda:0')}; "
                            "give one that is there, or cpu, or auto")
        return _cuda(index)
    if isinstance(device, str) and device.startswith("ssh:"):
        place = place_of(device)
        return Device(str(place), place.host)
    raise SpecError(f"device = {shown(device)}: unknown{nearest(str(device), ('auto', 'cpu', 'cuda'))}; "
                    "give auto, cpu, cuda or cuda:N, or ssh:HOST or ssh:HOST/cuda:N")


def local_device(device: str) -> Device:
    """As `resolve_device`, for what is done on this machine alone.

    Raises:
        SpecError: as there, and where it is another machine.
    """
    found = resolve_device(device)
    if found.kind == "ssh":
        raise SpecError(f"device = {shown(device)}: this is done on the machine that it is called on; give auto, cpu, "
                        "cuda or cuda:N")
    return found


def _cuda(index: int) -> Device:
    import torch

    return Device(f"cuda:{index}", torch.cuda.get_device_name(index))


@lru_cache(maxsize=64)
def lacks_dtype(device: Device, dtype: str) -> str | None:
    """Why networks cannot run in this type on this device, or None: asked of the device by one small convolution.

    Raises:
        MeasureError: the device is full or broken.
    """
    import torch

    kind = getattr(torch, dtype)
    if device.kind == "cuda" and dtype == "bfloat16":
        with torch.cuda.device(device.torch_name):
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                return f"{device.name} has no bfloat16 arithmetic"
    try:
        with torch.inference_mode():
            x = torch.ones(1, 2, 4, 4, dtype=kind, device=device.torch_name)
            y = torch.nn.functional.conv2d(x, torch.ones(2, 2, 3, 3, dtype=kind, device=device.torch_name))
            torch.nn.functional.linear(y.flatten(1), torch.ones(1, 8, dtype=kind, device=device.torch_name)).item()
    except RuntimeError as error:
        if (outcome := outcome_of(error)) != "invalid":  # a full or broken device, which may be well again: not cached
            raise MeasureError(f"{device} ({device.name}): {str(error).splitlines()[0]}", outcome) from error
        return f"{device.name} cannot compute in it: {str(error).splitlines()[0]}"
    return None
