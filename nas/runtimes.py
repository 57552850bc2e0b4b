"""What a runtime plugin hands over: `RuntimeSpec`, how a network can be run to be timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.arch import NAME
from nas.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class RuntimeOptions:
    """The conditions of a measurement, as a runtime is told them."""

    device: str = "cpu"
    dtype: str = "float32"
    memory_format: str = "contiguous"
    threads: int = 1
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RuntimeSpec:
    """One way to run a network.

    Attributes:
        name: what study files call it.
        version: raise it when the same network begins to be run in another way.
        prepare: `prepare(network, x, options)` compiles once and returns a function that runs the network on `x`
            and, on the CPU, has finished when it returns. `network` is in eval mode and `x` of shape (batch,
            channels, height, width), both in their dtype and memory format and on their device already.
        devices: the kinds of device that it knows.
    """

    name: str
    version: int
    prepare: Callable[[nn.Module, Tensor, RuntimeOptions], Callable[[], object]]
    devices: frozenset[str] = frozenset({"cpu", "cuda"})


def broken_contract(spec: object) -> str | None:
    """What is wrong with a runtime spec that a plugin handed over, or None."""
    if not isinstance(spec, RuntimeSpec):
        return f"nas_runtimes must give RuntimeSpec values, got {type(spec).__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        return f"runtime name {spec.name!r} must be lower case letters, digits and underscores"
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        return f"runtime '{spec.name}': version {spec.version!r} must be a whole number from 1"
    if not callable(spec.prepare):
        return f"runtime '{spec.name}': prepare must be callable, got {spec.prepare!r}"
    devices: object = spec.devices
    if not isinstance(devices, Set) or not devices or not all(isinstance(kind, str) for kind in devices):
        return f"runtime '{spec.name}': devices must be a set of device kinds such as 'cpu', got {devices!r}"
    return None


class RuntimeRegistry(Registry[RuntimeSpec]):
    """The runtimes that are known; raises `PluginError` for one that is not."""

    kind = "runtime"
    broken_contract = staticmethod(broken_contract)
