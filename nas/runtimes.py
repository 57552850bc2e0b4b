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
    """The conditions of a measurement, as a runtime is told them.

    Attributes:
        device: "cpu", "cuda:0" and the like, or another machine's CPU, "ssh:HOST", or GPU, "ssh:HOST/cuda:0".
        dtype: "float32", "float16" or "bfloat16".
        memory_format: "contiguous" or "channels_last".
        threads: threads that the CPU may compute with.
        extra: what a caller of `prepare` agreed on with a runtime of their own.
        fuse: whether batch norm is folded into convolutions, as far as it can be, before `prepare` gets the network.
        caches: "warm" as the pass before left them, or "flushed" before each pass.
    """

    device: str = "cpu"
    dtype: str = "float32"
    memory_format: str = "contiguous"
    threads: int = 1
    extra: Mapping[str, object] = field(default_factory=dict)
    fuse: bool = True
    caches: str = "warm"


@dataclass(frozen=True)
class DeviceCall:
    """What is timed by the device's own clock, between events; anything else is timed by the host's, until the device
    has finished. `prepare` may return it where the device has been told all its work beforehand, as in a CUDA graph.

    Attributes:
        run: lets the device do it. What is timed then is the device alone, not the host that launches kernel by kernel.
        passes: how many passes of the network one `run` holds: several, where one is so short that starting it would
            be part of what is timed.
        launched: one pass as the host launches it, kernel by kernel. Where it is given it is timed as well, and a
            network that waits for its host is called launch-bound.
    """

    run: Callable[[], object]
    passes: int = 1
    launched: Callable[[], object] | None = None

    def __call__(self) -> object:
        """Calls `run`."""
        return self.run()


SENT_TO = ("torch", "onnxruntime", "tensorrt")
"""The libraries that can run a network on another machine."""


@dataclass(frozen=True)
class Sent:
    """A network as it travels to another machine, and what runs it there. It has one input.

    Attributes:
        library: "onnxruntime" or "tensorrt", of which `parts` is a serialised ONNX graph; or "torch", of which they are
            Python source that defines `network(x, weights, device)`, returning the tuple of what the network answers,
            and the bytes of all weights, one after the other.
        parts: what is sent.
        settings: plain values. "tf32" says whether float32 is multiplied in TF32 by the first two on a GPU. For torch,
            "weights" has `dtype`, `shape` and `stride` of each, and `nas.latency.numerics.numerics` the rest.
    """

    library: str
    parts: tuple[bytes, ...]
    settings: Mapping[str, object] = field(default_factory=dict)


def nothing(_options: RuntimeOptions) -> str | None:
    """Refuses nothing."""
    return None


def no_libraries(_options: RuntimeOptions) -> Mapping[str, str]:
    """No library but torch is behind it."""
    return {}


@dataclass(frozen=True)
class RuntimeSpec:
    """One way to run a network.

    Attributes:
        name: what study files call it.
        version: raise it when the same network begins to be run in another way.
        prepare: `prepare(network, x, options)` compiles once and returns a function that runs the network on `x`
            and, on the CPU, has finished when it returns; or a `DeviceCall`. `network` is in eval mode and `x` of
            shape (batch, channels, height, width), both in their dtype and memory format and on their device already.
        devices: the kinds of device that it knows: "cpu", "cuda", and "ssh" where it has a `sent`.
        check: why it cannot run networks under these conditions on this machine, and what to do about it, or None:
            a library that is not installed, a dtype that it lacks. Asked before anything is built.
        libraries: name -> version of what is behind it, torch apart; part of a measurement's key. Asked after `check`.
        sent: `sent(network, x, options)` gives the network, which takes `x`, as it is sent to another machine; both are
            on the CPU. None where it cannot be run there.
    """

    name: str
    version: int
    prepare: Callable[[nn.Module, Tensor, RuntimeOptions], Callable[[], object]]
    devices: frozenset[str] = frozenset({"cpu", "cuda"})
    check: Callable[[RuntimeOptions], str | None] = nothing
    libraries: Callable[[RuntimeOptions], Mapping[str, str]] = no_libraries
    sent: Callable[[nn.Module, Tensor, RuntimeOptions], Sent] | None = None


def broken_contract(spec: object) -> str | None:
    """What is wrong with a runtime spec that a plugin handed over, or None."""
    if not isinstance(spec, RuntimeSpec):
        return f"nas_runtimes must give RuntimeSpec values, got {type(spec).__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        return f"runtime name {spec.name!r} must be lower case letters, digits and underscores"
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        return f"runtime '{spec.name}': version {spec.version!r} must be a whole number from 1"
    for name in ("prepare", "check", "libraries"):
        if not callable(getattr(spec, name)):
            return f"runtime '{spec.name}': {name} must be callable, got {getattr(spec, name)!r}"
    devices: object = spec.devices
    if not isinstance(devices, Set) or not devices or not all(isinstance(kind, str) for kind in devices):
        return f"runtime '{spec.name}': devices must be a set of device kinds such as 'cpu', got {devices!r}"
    if ("ssh" in devices) != callable(spec.sent):
        return f"runtime '{spec.name}': 'ssh' must be among its devices where it has a sent, and only there"
    return None


class RuntimeRegistry(Registry[RuntimeSpec]):
    """The runtimes that are known; raises `PluginError` for one that is not."""

    kind = "runtime"
    broken_contract = staticmethod(broken_contract)
