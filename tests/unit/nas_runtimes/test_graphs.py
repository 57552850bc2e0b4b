"""Device time on a CUDA device only; how many passes a replay holds is arithmetic, and needs none."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

import nas
from nas.errors import MeasureError, SpecError
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins
from nas_runtimes import graphs

RUNTIMES = load_plugins().runtimes


@pytest.mark.parametrize("name", ["cuda_graph", "tensorrt"])
def test_on_a_cpu_it_is_refused_before_a_study_starts(name: str) -> None:
    with pytest.raises(SpecError, match=f"runtime = '{name}': runs on cuda.*, not on cpu .*; give another"):
        LatencyOptions(device="cpu").resolve(RUNTIMES[name])


@pytest.mark.parametrize(
    ("pass_ms", "passes"), [(0.5, 20), (3.0, 4), (9.9, 2), (10.0, 1), (80.0, 1), (0.001, 200), (0.0, 200)]
)
def test_a_replay_holds_passes_for_ten_milliseconds(pass_ms: float, passes: int) -> None:
    assert graphs.passes_in(10.0, pass_ms) == passes


@pytest.mark.parametrize(("caches", "passes"), [("warm", 5), ("flushed", 1)])
def test_a_call_replays_the_graph_of_all_its_passes_and_answers_the_last(
    monkeypatch: pytest.MonkeyPatch, caches: str, passes: int
) -> None:
    log: list[str] = []

    class Graph:
        def __init__(self, held: int) -> None:
            self.held = held

        def replay(self) -> None:
            log.append(f"replay of {self.held}")

    def captured(_run: Callable[[], object], held: int = 1) -> tuple[Graph, str]:
        log.append(f"capture of {held}")
        return Graph(held), f"answer of pass {held}"

    monkeypatch.setattr(graphs, "warm_up", lambda _run: log.append("warm up"))
    monkeypatch.setattr(graphs, "captured", captured)
    monkeypatch.setattr(graphs, "replay_ms", lambda _graph: 2.0)
    def run() -> None:
        """Holds the weights whose addresses the graph knows."""

    alive = weakref.ref(run)
    call = graphs.device_call(run, nas.RuntimeOptions("cuda:0", caches=caches), launched=print)
    del run
    assert alive() is not None
    assert (call.passes, call.launched) == (passes, print)
    assert call() == f"answer of pass {passes}"
    assert log == ["warm up", "capture of 1", *(["capture of 5"] if passes > 1 else []), f"replay of {passes}"]


class FakeCuda:
    """A stand-in for torch's streams and captures; a capture that broke cannot be ended, as on a device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, spoiled: bool = False) -> None:
        self.stream, self.device, self.spoiled = "default", 0, spoiled
        self.captured_on: list[str] = []
        for name, stand_in in {
            "Stream": lambda device: f"side stream of {device}",
            "CUDAGraph": lambda: self,
            "graph": self.graph,
            "current_stream": lambda: self.stream,
            "current_device": lambda: self.device,
            "set_stream": lambda stream: setattr(self, "stream", stream),
            "synchronize": lambda: None,
            "empty_cache": self.empty_cache,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    def reset(self) -> None:
        """As a graph."""

    def empty_cache(self) -> None:
        if self.spoiled:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED\nplease report")

    @contextmanager
    def graph(self, _graph: object, stream: str) -> Iterator[None]:
        before, self.stream = self.stream, stream
        self.captured_on.append(stream)
        try:
            yield
        except Exception as error:
            raise torch.AcceleratorError("CUDA error: operation failed due to a previous error") from error
        self.stream = before


@pytest.fixture(autouse=True)
def other_streams() -> Iterator[None]:
    graphs.side_stream.cache_clear()
    yield
    graphs.side_stream.cache_clear()


def test_each_device_has_one_stream_for_all_captures(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    for cuda.device in (1, 0, 1):
        graph, answer = graphs.captured(lambda: "answer", 3)
        assert (graph, answer, cuda.stream) == (cuda, "answer", "default")
    assert cuda.captured_on == ["side stream of 1", "side stream of 0", "side stream of 1"]
    assert graphs.side_stream.cache_info().misses == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RuntimeError("Cannot copy between CPU and CUDA tensors during CUDA graph capture\nand more"), "invalid"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "oom"),
        (MeasureError("TensorRT does not run its engine", "invalid"), "invalid"),
    ],
)
def test_a_failed_capture_tells_what_broke_it_and_leaves_the_stream_as_it_was(
    monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str
) -> None:
    cuda = FakeCuda(monkeypatch)

    def run() -> None:
        raise error

    with pytest.raises(MeasureError) as caught:
        graphs.captured(run)
    assert str(caught.value) == f"the network cannot be captured in a CUDA graph: {str(error).splitlines()[0]}"
    assert caught.value.outcome == outcome
    assert cuda.stream == "default"


def test_a_failed_capture_after_which_nothing_runs_asks_for_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, spoiled=True)

    def run() -> None:
        raise RuntimeError("it reads from the device")

    with pytest.raises(MeasureError, match=r"it reads from the device; nothing runs .*: captures_underway\.empty\(\) INT"
                                           r"ERNAL ASSERT FAILED$") as caught:
        graphs.captured(run)
    assert caught.value.outcome == "device_error"
