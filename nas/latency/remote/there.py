"""What `nas.latency.measure` asks of a machine, asked of the one behind a `Link`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nas.errors import MeasureError
from nas.latency import sampling, stopping, timing
from nas.latency.numerics import numerics
from nas.latency.processor import CpuTime
from nas.latency.remote.host import PYTHON_VARIABLE, Place, place_of
from nas.latency.remote.link import Link, link_to
from nas.latency.sampling import Samples, WarmUp
from nas.latency.statistics import CONFIDENCE
from nas.latency.stopping import REFERENCE_WARM_UP, WARM_UP
from nas.runtimes import SENT_TO

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nas.latency.options import LatencyOptions
    from nas.runtimes import RuntimeOptions, RuntimeSpec, Sent

SEND_LIMIT_S = 600.0
"""Of sending a network, over a slow line, and of loading it: TensorRT builds an engine of it."""


@dataclass(frozen=True)
class There:
    """A machine that can measure.

    Attributes:
        link: the connection to it.
        place: its host, and what computes there.
        environment: what it is, without a state.
    """

    link: Link
    place: Place
    environment: Mapping[str, Any]

    @classmethod
    def on(cls, device: str) -> There:
        """The machine of "ssh:HOST" or "ssh:HOST/cuda:N", which is asked what it is, once a connection.

        Raises:
            MeasureError: it does not answer (`worker_died`, `timeout`), or there is no such device (`device_error`).
        """
        place = place_of(device)
        link = link_to(place.host)
        key = ("environment", place.processor)
        if key not in link.memory:
            link.memory[key] = link.ask("describe", device=place.processor)
        environment = dict(link.memory[key])
        environment |= _numerics(place.kind)
        return cls(link, place, environment)

    def look(self) -> tuple[dict[str, Any], CpuTime]:
        """The environment with its state of this moment, and how busy the machine was until then."""
        from nas.latency.environment import STATE

        found = self.link.ask("look", device=self.place.processor)
        return {**self.environment, STATE: found["state"]}, CpuTime(*found["cpu_time"])

    def take_reference(self, runtime: RuntimeSpec, told: RuntimeOptions) -> dict[str, str]:
        """Sends the reference network, unless it is there; the versions of the libraries that run it.

        Raises:
            MeasureError: the machine cannot run it.
        """
        computed_as = tuple(_numerics(self.place.kind).items())
        key = (runtime.name, self.place.processor, told.dtype, told.memory_format, told.threads, computed_as)
        if self.link.memory.get("reference") != key:
            sent, x = _reference(runtime, told.device, told.dtype, told.memory_format, computed_as)
            self.link.memory.pop("reference", None)
            libraries = self._libraries(sent.library)
            try:
                self._send("reference", sent, x, told.threads)
            except MeasureError as error:
                outcome = "device_error" if error.outcome == "invalid" else error.outcome
                raise MeasureError(f"the reference network cannot be run: {error}", outcome) from None
            self.link.memory["libraries"] = libraries
            self.link.memory["reference"] = key
        return dict(self.link.memory["libraries"])

    def _libraries(self, library: str) -> dict[str, str]:
        """The library that runs networks there, what it stands on, and their versions."""
        try:
            found: dict[str, str] = self.link.ask("libraries", library=library, device=self.place.processor)
        except MeasureError as error:
            if "ModuleNotFoundError" not in str(error):
                raise
            told = (f"{error} (Python {self.link.python}); pip install {library} there, or name a Python that has it "
                    f"in {PYTHON_VARIABLE}")
            raise MeasureError(told, error.outcome) from None
        return found

    def take_candidate(self, sent: Sent, x: Tensor, threads: int) -> tuple[list[Tensor], int]:
        """Sends a network that takes the input `x`, of which all images are equal, and gives what it answers to one,
        and how many of its passes one call holds there.

        Raises:
            MeasureError: it cannot be run there.
        """
        found = self._send("candidate", sent, x, threads)
        return [_tensor(answer) for answer in found["answers"]], found["passes"]

    def answer(self) -> list[Tensor]:
        """What the candidate answers to that image now.

        Raises:
            MeasureError: it cannot be run there any more.
        """
        return [_tensor(answer) for answer in self.link.ask("answer")]

    def _send(self, do: str, sent: Sent, x: Tensor, threads: int) -> Any:
        return self.link.ask(
            do, bytes_of(x[:1]), *sent.parts, limit_s=SEND_LIMIT_S,
            library=sent.library, device=self.place.processor, threads=threads, settings=dict(sent.settings),
            shape=list(x.shape), stride=list(x.stride()), dtype=name_of(x.dtype),
        )

    def run(self) -> None:
        """Runs the candidate once; it has finished on return."""
        self.link.ask("once")

    @contextmanager
    def held(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Holds the machine's cores or its GPU, as `nas.latency.lock.held` does."""
        self.link.ask("hold", device=self.place.processor, entered=lambda _phase: waiting())
        try:
            yield
        finally:
            if self.link.pid is not None:  # else the kernel there has given them back
                self.link.ask("release")

    def time(self, options: LatencyOptions, limit_s: float) -> tuple[WarmUp, int, Samples]:
        """How warm-up ended, calls in a sample, and what was sampled."""
        told = rules(options, self.place.kind)
        found = self.link.ask("time", limit_s=limit_s, device=self.place.processor, **told)
        samples = {name: _frozen(value) for name, value in found["samples"].items()}
        return WarmUp(**found["warm"]), found["repeats"], Samples(**samples)


def rules(options: LatencyOptions, kind: str = "cpu") -> dict[str, Any]:
    """What the worker is told of warming up and stopping on a "cpu" or on "cuda"; the numbers are kept in `stopping`
    and `sampling`.
    """
    return {
        "target": options.target,
        "max_samples": options.max_samples,
        "warm_up": asdict(WARM_UP[kind]),
        "reference_warm_up": asdict(REFERENCE_WARM_UP),
        "min_samples": stopping.MIN_SAMPLES,
        "min_seconds": stopping.MIN_SECONDS,
        "budget": asdict(stopping.budget_of(kind, options.max_seconds)),
        "confidence": CONFIDENCE,
        "reference_share": sampling.REFERENCE_SHARE,
        "check_growth": sampling.CHECK_GROWTH,
        "min_sample_s": timing.MIN_SAMPLE_S,
    }


def sent_by(runtime: RuntimeSpec, network: nn.Module, x: Tensor, told: RuntimeOptions) -> Sent:
    """The network as the runtime sends it to another machine.

    Raises:
        MeasureError: it cannot be expressed so.
    """
    if runtime.sent is None:
        raise MeasureError(f"runtime '{runtime.name}' sends nothing to other machines", "invalid")
    sent = runtime.sent(network, x, told)
    if sent.library not in SENT_TO:
        raise MeasureError(f"runtime '{runtime.name}' sends a network for {sent.library}; on another machine it is run "
                           f"by {', '.join(SENT_TO)}", "invalid")
    return sent


def _numerics(kind: str) -> dict[str, object]:
    """How this process multiplies float32 on a "cpu" or on "cuda": the worker there is told with each network."""
    import torch  # noqa: F401  # where it was never imported, nothing would be told

    told = numerics()
    return told if kind == "cuda" else {name: value for name, value in told.items() if name == "matmul_precision"}


@lru_cache(maxsize=8)
def _reference(
    runtime: RuntimeSpec, device: str, dtype: str, memory_format: str, _computed_as: tuple[tuple[str, object], ...]
) -> tuple[Sent, Tensor]:
    from nas.latency.convert import converted
    from nas.latency.reference import reference_network
    from nas.runtimes import RuntimeOptions

    network, x = converted(*reference_network(), "cpu", dtype, memory_format)
    told = RuntimeOptions(device, dtype, memory_format)
    return sent_by(runtime, network.requires_grad_(False), x, told), x


def bytes_of(x: Tensor) -> bytes:
    """Its values in its own type, row after row."""
    import torch

    return bytes(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())


def name_of(dtype: torch.dtype) -> str:
    """ "float32" and the like."""
    return str(dtype).removeprefix("torch.")


def _tensor(answer: Mapping[str, Any]) -> Tensor:
    """In float32, or in its own type where that is no floating-point one."""
    import torch

    dtype = getattr(torch, answer["dtype"])
    values = bytearray(base64.b64decode(answer["values"]))
    flat = torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
    shaped = flat.reshape(answer["shape"])
    return shaped.float() if dtype.is_floating_point else shaped


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return value
