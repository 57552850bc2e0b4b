"""Passes in a CUDA graph, so that the device is timed without the host that launches them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import nas

WARM_UP_PASSES = 3
"""cuDNN and cuBLAS choose kernels and take their workspaces in the first passes, which no graph may hold."""

REPLAY_MS = 10.0
"""A replay holds passes for about this long: starting it takes some microseconds, which are part of what the events
around it see.
"""

MAX_PASSES = 200


def device_call(
    run: Callable[[], object], options: nas.RuntimeOptions, launched: Callable[[], object] | None = None
) -> nas.DeviceCall:
    """A graph of as many passes as fill `REPLAY_MS`, or of one where caches are flushed before it.

    `run` is one pass on a static input, queued on the current stream of the current device.

    Raises:
        MeasureError: `invalid`, a pass cannot be captured: it waits for the device, or copies from the host.
    """
    warm_up(run)
    graph, output = captured(run)
    passes = 1 if options.caches == "flushed" else passes_in(REPLAY_MS, replay_ms(graph))
    if passes > 1:
        graph, output = captured(run, passes)

    def replay(_keeps_alive: object = run) -> object:  # a graph knows addresses, not whose they are
        graph.replay()
        return output

    return nas.DeviceCall(replay, passes, launched)


def passes_in(replay_ms: float, pass_ms: float) -> int:
    """How many passes of `pass_ms` fill `replay_ms`: at least one, at most `MAX_PASSES`."""
    return max(1, min(MAX_PASSES, math.ceil(replay_ms / max(pass_ms, 1e-6))))


def warm_up(run: Callable[[], object]) -> None:
    """The first passes, on another stream than the current one, as capturing asks for."""
    import torch

    stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_PASSES):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()


def captured(run: Callable[[], object], passes: int = 1) -> tuple[Any, object]:
    """A graph of so many passes, one after the other, and what the last one answers.

    Raises:
        MeasureError: `invalid`, something in it cannot be captured.
    """
    import torch

    graph: Any = torch.cuda.CUDAGraph()
    output: object = None
    try:
        with torch.cuda.graph(graph):
            for _ in range(passes):
                output = run()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # a network that the device is well with: its passes before this one were waited for
        first_line = (str(error).strip() or "no message").splitlines()[0]
        raise nas.MeasureError(f"the network cannot be captured in a CUDA graph: {first_line}", "invalid") from error
    return graph, output


def replay_ms(graph: Any) -> float:
    """Milliseconds of a replay: the second, since the first one uploads the graph."""
    import torch

    event: Any = torch.cuda.Event  # untyped
    begin, end = event(enable_timing=True), event(enable_timing=True)
    graph.replay()
    torch.cuda.synchronize()
    begin.record()
    graph.replay()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))
