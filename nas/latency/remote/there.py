"""What `nas.latency.measure` asks of a machine, asked of the one behind a `Link`."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nas.errors import MeasureError
from nas.latency import sampling, stopping, timing
from nas.latency.processor import CpuTime
from nas.latency.remote.host import PYTHON_VARIABLE, host_of
from nas.latency.remote.link import Link, link_to
from nas.latency.sampling import Samples, WarmUp
from nas.latency.statistics import CONFIDENCE
from nas.latency.stopping import REFERENCE_WARM_UP, WARM_UP

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nas.latency.options import LatencyOptions
    from nas.runtimes import RuntimeSpec

RUNTIME = "onnxruntime"
"""What runs the graphs there."""
SEND_LIMIT_S = 600.0
"""Of sending a network, over a slow line, and of loading it."""


@dataclass(frozen=True)
class There:
    """A machine that can measure.

    Attributes:
        link: the connection to it.
        environment: what it is, without a state.
    """

    link: Link
    environment: Mapping[str, Any]

    @classmethod
    def on(cls, device: str) -> There:
        """The machine of "ssh:HOST", which is asked what it is, once a connection.

        Raises:
            MeasureError: it does not answer (`worker_died`, `timeout`), or cannot measure (`device_error`).
        """
        link = link_to(host_of(device))
        if "environment" not in link.memory:
            try:
                link.memory["environment"] = link.ask("describe")
            except MeasureError as error:
                if "ModuleNotFoundError" not in str(error):
                    raise
                told = (f"{error} (Python {link.python}); pip install onnxruntime there, or name a Python that has it "
                        f"in {PYTHON_VARIABLE}")
                raise MeasureError(told, error.outcome) from None
        return cls(link, link.memory["environment"])

    @property
    def libraries(self) -> dict[str, str]:
        """What runs the graphs there, with its version."""
        return {RUNTIME: str(self.environment[RUNTIME])}

    def look(self) -> tuple[dict[str, Any], CpuTime]:
        """The environment with its state of this moment, and how busy the machine was until then."""
        from nas.latency.environment import STATE

        found = self.link.ask("look")
        return {**self.environment, STATE: found["state"]}, CpuTime(*found["cpu_time"])

    def take_reference(self, runtime: RuntimeSpec, threads: int) -> None:
        """Sends the reference network, unless it is there.

        Raises:
            MeasureError: the machine cannot run it.
        """
        if self.link.memory.get("reference") == (runtime.name, threads):
            return
        graph, image, shape = _reference(runtime)
        self.link.memory.pop("reference", None)
        try:
            self.link.ask("reference", graph, image, limit_s=SEND_LIMIT_S, threads=threads, shape=shape)
        except MeasureError as error:
            outcome = "device_error" if error.outcome == "invalid" else error.outcome
            raise MeasureError(f"the reference network cannot be run: {error}", outcome) from None
        self.link.memory["reference"] = (runtime.name, threads)

    def take_candidate(self, graph: bytes, x: Tensor, threads: int) -> list[Tensor]:
        """Sends a network that takes the input `x`, of which all images are equal, and gives what it answers to one.

        Raises:
            MeasureError: it cannot be run there.
        """
        answers = self.link.ask("candidate", graph, _bytes(x[:1]), limit_s=SEND_LIMIT_S, threads=threads,
                                shape=list(x.shape))
        return [_tensor(answer) for answer in answers]

    def run(self) -> None:
        """Runs the candidate once; it has finished on return."""
        self.link.ask("once")

    @contextmanager
    def held(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Holds the machine's cores, as `nas.latency.lock.held` does."""
        self.link.ask("hold", entered=lambda _phase: waiting())
        try:
            yield
        finally:
            if self.link.pid is not None:  # else the kernel there has given them back
                self.link.ask("release")

    def time(self, options: LatencyOptions, limit_s: float) -> tuple[WarmUp, int, Samples]:
        """How warm-up ended, calls in a sample, and what was sampled."""
        found = self.link.ask("time", limit_s=limit_s, **rules(options))
        samples = {name: _frozen(value) for name, value in found["samples"].items()}
        return WarmUp(**found["warm"]), found["repeats"], Samples(**samples)


def rules(options: LatencyOptions) -> dict[str, Any]:
    """What the worker is told of warming up and stopping; the numbers are kept in `stopping` and `sampling`."""
    return {
        "target": options.target,
        "max_samples": options.max_samples,
        "warm_up": asdict(WARM_UP["cpu"]),
        "reference_warm_up": asdict(REFERENCE_WARM_UP),
        "min_samples": stopping.MIN_SAMPLES,
        "min_seconds": stopping.MIN_SECONDS,
        "budget": asdict(stopping.budget_of("cpu", options.max_seconds)),
        "confidence": CONFIDENCE,
        "reference_share": sampling.REFERENCE_SHARE,
        "check_growth": sampling.CHECK_GROWTH,
        "min_sample_s": timing.MIN_SAMPLE_S,
    }


def graph_of(runtime: RuntimeSpec, network: nn.Module, x: Tensor) -> bytes:
    """The network as the runtime hands it to another machine.

    Raises:
        MeasureError: it cannot be expressed so.
    """
    if runtime.graph is None:
        raise MeasureError(f"runtime '{runtime.name}' makes no graph that could be sent", "invalid")
    return runtime.graph(network, x)


@lru_cache(maxsize=8)
def _reference(runtime: RuntimeSpec) -> tuple[bytes, bytes, Sequence[int]]:
    from nas.latency.reference import reference_network

    network, x = reference_network()
    return graph_of(runtime, copy.deepcopy(network).requires_grad_(False), x), _bytes(x), list(x.shape)


def _bytes(x: Tensor) -> bytes:
    return bytes(x.detach().float().contiguous().numpy().astype("<f4").tobytes())


def _tensor(answer: Mapping[str, Any]) -> Tensor:
    import torch

    values = bytearray(base64.b64decode(answer["values"]))
    flat = torch.frombuffer(values, dtype=torch.float32) if values else torch.empty(0)
    return flat.reshape(answer["shape"])


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return value
