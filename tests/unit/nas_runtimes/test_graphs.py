"""Device time on a CUDA device only; how many passes a replay holds is arithmetic, and needs none."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest

import nas
from nas.errors import SpecError
from nas.latency.options import LatencyOptions
from nas.plugins import load_plugins
from nas_runtimes import graphs

RUNTIMES = load_plugins().runtimes


@pytest.mark.parametrize("name", ["cuda_graph", "tensorrt"])
def test_on_a_cpu_it_is_refused_before_a_study_starts(name: str) -> None:
    with pytest.raises(SpecError, match=f"runtime = '{name}': runs on cuda, not on cpu .*; give another"):
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
