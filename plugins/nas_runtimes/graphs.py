"""Passes in a CUDA graph, so that the device is timed without the host that launches them."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import nas
from nas.latency.faults import outcome_of

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
        MeasureError: as `captured`, where a pass waits for the device, or copies from the host.
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


@lru_cache(maxsize=16)
def side_stream(device: int) -> Any:
    """The stream of a device on which passes are warmed up and captured, for all of them the same one.

    Torch's own default for captures belongs to the device that was captured on first. cuBLAS keeps a workspace for each
    stream that it was called on, so that a stream a candidate would fill the memory with them; and one that it takes
    while capturing would belong to that graph.
    """
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def warm_up(run: Callable[[], object]) -> None:
    """The first passes, on another stream than the current one, as capturing asks for."""
    import torch

    stream = side_stream(torch.cuda.current_device())
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_PASSES):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()


def captured(run: Callable[[], object], passes: int = 1) -> tuple[Any, object]:
    """A graph of so many passes, one after the other, and what the last one answers.

    Raises:
        MeasureError: `invalid`, something in it cannot be captured; `oom`, memory is too small for it; `device_error`,
            it cannot be captured, and after that torch runs nothing more in this process.
    """
    import torch

    graph: Any = torch.cuda.CUDAGraph()
    output: object = None
    first: Exception | None = None
    before = torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph, stream=side_stream(torch.cuda.current_device())):
            try:
                for _ in range(passes):
                    output = run()
            except Exception as error:
                first = error
                raise
    except (RuntimeError, nas.MeasureError) as error:  # its passes before this one were waited for: the device is well
        raise _not_captured(first or error, graph, before) from error
    return graph, output


def _not_captured(first: Exception, graph: Any, before: Any) -> nas.MeasureError:
    """What is told of a capture that failed, after what it has left behind is cleared away as far as that goes.

    `first` is what broke it: the end of a broken capture raises too, and would hide that. Torch leaves the capture's
    stream the current one then, and older versions believe for ever that it still goes on: the next one cannot begin.
    """
    import torch

    traceback.clear_frames(first.__traceback__)  # which hold the network's activations
    told = f"the network cannot be captured in a CUDA graph: {(str(first).strip() or 'no message').splitlines()[0]}"
    try:
        torch.cuda.set_stream(before)
        graph.reset()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError as left:
        reason = (str(left).strip() or "no message").splitlines()[0]
        return nas.MeasureError(f"{told}; nothing runs in this process after that: {reason}", "device_error")
    return nas.MeasureError(told, "oom" if outcome_of(first) == "oom" else "invalid")


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
