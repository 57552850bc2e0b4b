"""What can be asked of a latency measurement, and whether this machine can do it: said before anything is built."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from nas.choices import shown
from nas.errors import NasError, SpecError, nearest
from nas.latency import processor
from nas.latency.device import DTYPES, Device, lacks_dtype, resolve_device
from nas.runtimes import RuntimeOptions, RuntimeRegistry, RuntimeSpec

MEMORY_FORMATS = ("contiguous", "channels_last")
CACHES = ("warm", "flushed")
MAX_BATCH = 65_536
MAX_ELEMENTS = 2**31 - 1
"""Of an input: beyond it, many kernels' 32-bit indices do not reach."""
MAX_SECONDS = 3600.0
MAX_SAMPLES = 1_000_000

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class LatencyOptions:
    """The options of a latency column, and of `nas.measure`.

    Attributes:
        device: "auto" (the first CUDA device, else the CPU), "cpu", "cuda", "cuda:1"; on another machine its
            CPU, "ssh:HOST", or its CUDA devices, "ssh:HOST/cuda:0".
        runtime: how the network is run: "eager", or the name of a plugin's runtime.
        batch: images a pass.
        dtype: "float32", "float16" or "bfloat16".
        memory_format: "contiguous" or "channels_last".
        threads: threads that the CPU computes with, or "auto": one less than the physical cores that this process may
            use, at least 1. Threads wait for the slowest of them at the end of every operation, so one core that
            somebody else takes for a moment holds all of them up: on two cores with a busy neighbour,
            mobilenet_v3_small was seen to take 1,400 ms with two threads and 13 with one. A core left to the others
            keeps that away; whoever deploys on all cores of a machine of their own says `threads = N`.
        fuse: fold batch norm into convolutions first, as a deployed network has it.
        caches: "warm" as the pass before left them, or "flushed": the L2 of a CUDA device is overwritten before each
            pass, as it is where other work runs between two of them.
        target: sampling stops when the 95 % interval of the median is narrower than this share of the median ...
        max_seconds: ... or when warm-up and sampling have taken this long, of which a small network may not take all:
            see `nas.latency.stopping.budget_of` ...
        max_samples: ... or when there are this many samples.

    Raises:
        SpecError: a value is none of these.
    """

    device: str = "auto"
    runtime: str = "eager"
    batch: int = 1
    dtype: str = "float32"
    memory_format: str = "contiguous"
    threads: int | str = "auto"
    fuse: bool = True
    caches: str = "warm"
    target: float = 0.01
    max_seconds: float = 10.0
    max_samples: int = 1000

    def __post_init__(self) -> None:
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("memory_format", self.memory_format, MEMORY_FORMATS)
        _one_of("caches", self.caches, CACHES)
        _whole("batch", self.batch, MAX_BATCH)
        _whole("max_samples", self.max_samples, MAX_SAMPLES)
        if self.threads != "auto":
            _whole("threads", self.threads, 2**16, ', or "auto"')
        if not isinstance(self.fuse, bool):
            raise SpecError(f"fuse = {shown(self.fuse)}: give true or false")
        _number("target", self.target, 1.0)
        _number("max_seconds", self.max_seconds, MAX_SECONDS)
        for name in ("device", "runtime"):
            if not isinstance(getattr(self, name), str):
                raise SpecError(f"{name} = {shown(getattr(self, name))}: give a name")

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Self:
        """The options of a study's table, with the defaults of what it leaves out.

        Raises:
            SpecError: a key is unknown, or a value is refused.
        """
        known = cls.__dataclass_fields__
        for key in options:
            if key not in known:
                raise SpecError(f"unknown option {key!r}{nearest(key, known)}; there are {', '.join(known)}")
        return cls(**options)  # type: ignore[arg-type]  # __post_init__ checks them

    def as_dict(self) -> dict[str, object]:
        """Option -> value."""
        return asdict(self)

    def resolve(self, runtime: RuntimeSpec, input_shapes: Iterable[Shape] = ()) -> Conditions:
        """What these options mean on this machine, or on the host that they name, which is connected to and sent the
        reference network. Here nothing is built but one small convolution.

        Raises:
            SpecError: the device is not there, lacks the dtype or is not known to the runtime; the runtime refuses the
                conditions, or a library that it needs is missing; more threads than CPUs; an input of this batch is
                larger than any kernel takes.
            MeasureError: the host does not answer (`worker_died`, `timeout`), or cannot measure (`device_error`).
        """
        device = resolve_device(self.device)
        if device.kind not in runtime.devices:
            raise SpecError(_not_there(runtime, device))
        for shape in input_shapes:
            if self.batch * math.prod(shape) > MAX_ELEMENTS:
                size = "x".join(map(str, (self.batch, *shape)))
                raise SpecError(f"batch = {self.batch}: an input of {size} has more than {MAX_ELEMENTS} elements; "
                                "give a smaller batch")
        if device.kind != "ssh" and (reason := lacks_dtype(device, self.dtype)):
            raise SpecError(f"dtype = {self.dtype!r}: {reason}; give float32")
        if self.caches == "flushed" and device.kind != "cuda":
            raise SpecError(f"caches = 'flushed': the L2 of CUDA devices can be flushed, not the caches of {device} "
                            f"({device.name}); give warm")
        told = RuntimeOptions(device.torch_name, self.dtype, self.memory_format, fuse=self.fuse, caches=self.caches)
        if device.kind != "ssh":
            told = replace(told, threads=self._threads(processor.physical_cores(), len(processor.available_cpus())))
        if refusal := _asked(runtime, "check", told):
            raise SpecError(f"runtime = {runtime.name!r}: {refusal}")
        libraries = _libraries(runtime, told)
        if device.kind == "ssh":  # asked last, of what is in order otherwise
            from nas.latency.remote.there import There

            there = There.on(device.torch_name)
            cores, cpus = there.environment["physical_cores"], there.environment["cpus"]
            told = replace(told, threads=self._threads(cores, cpus))
            libraries |= there.take_reference(runtime, told)
        return Conditions(device, runtime, told, libraries)

    def _threads(self, cores: int, cpus: int) -> int:
        if isinstance(self.threads, str):
            return max(1, cores - 1)
        if self.threads > cpus:
            raise SpecError(f"threads = {self.threads}: this process may use {cpus} CPUs; give at most {cpus}, "
                            'or "auto"')
        return self.threads


def _asked(runtime: RuntimeSpec, hook: str, told: RuntimeOptions) -> object:
    try:
        return getattr(runtime, hook)(told)
    except (KeyboardInterrupt, NasError):
        raise
    except BaseException as error:  # a stranger's hook may raise anything, `sys.exit()` too
        raise SpecError(f"runtime = {runtime.name!r}: its {hook} raises {type(error).__name__}: {error}") from error


def _libraries(runtime: RuntimeSpec, told: RuntimeOptions) -> dict[str, str]:
    found = _asked(runtime, "libraries", told)
    if not isinstance(found, Mapping) or not all(isinstance(word, str) for pair in found.items() for word in pair):
        raise SpecError(f"runtime = {runtime.name!r}: its libraries must return a mapping of names to versions, both "
                        f"texts, got {shown(found)}")
    return dict(found)


def _not_there(runtime: RuntimeSpec, device: Device) -> str:
    if device.kind == "ssh":
        return (f"runtime = {runtime.name!r}: it does not run on other machines, as {device} is; "
                "give eager, onnxruntime or tensorrt")
    return (f"runtime = {runtime.name!r}: runs on {', '.join(sorted(runtime.devices))}, not on {device} "
            f"({device.name}); give another runtime or another device")


@dataclass(frozen=True)
class Conditions:
    """What options turned out to mean here: the device, the runtime, what it is told, and the libraries behind it."""

    device: Device
    runtime: RuntimeSpec
    told: RuntimeOptions
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """Threads that the CPU computes with."""
        return self.told.threads


def find_runtime(name: str, runtimes: RuntimeRegistry) -> RuntimeSpec:
    """The runtime of this name.

    Raises:
        SpecError: there is none; the nearest name is told.
    """
    if name not in runtimes:
        there = ", ".join(runtimes) or "none, since no plugin that brings one is loaded"
        raise SpecError(f"runtime = {shown(name)}: unknown{nearest(name, runtimes)}; there are {there}")
    return runtimes[name]


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SpecError(f"{name} = {shown(value)}: unknown{nearest(str(value), allowed)}; give {' or '.join(allowed)}")


def _whole(name: str, value: object, high: int, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise SpecError(f"{name} = {shown(value)}: give a whole number from 1 to {high}{otherwise}")


def _number(name: str, value: object, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= high:
        raise SpecError(f"{name} = {shown(value)}: give a number above 0, at most {high:g}")
