"""A network's time, part by part: stem, each stage, head. The arithmetic, and the job of the device's worker.

One pass is cut by reading the clock between the parts, on the device's own time line where it has one: nothing is
synchronised in between, so that the cuts add up to the pass. Uncut passes are timed alternately, under the same noise.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nas.text import several
from nas.worker import Tell

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nas.latency.options import LatencyOptions, Shape

TOLERANCE = 0.1
"""What the parts add up to may differ from the whole by this share."""
ROUNDS, LEAST_S = 100, 2.0
"""It is cut so many times, or for so long, each time after a whole pass; at most for twice `max_seconds`."""
LEAST_ROUNDS = 5
"""However long a pass takes, it is cut so many times."""
MOST_ROUNDS = 2000


@dataclass(frozen=True)
class Split:
    """Milliseconds of each part, in order, and of the whole network, timed alternately.

    Attributes:
        parts_ms: the mean over the middle half of the passes that were cut, ordered by how long they took in all.
        whole_ms: the same of passes that were not cut.
        rounds: passes that were cut, and as many that were not.
        conditions: device, threads, batch norm folded and the like, for people.
    """

    parts_ms: tuple[float, ...]
    whole_ms: float
    rounds: int
    conditions: str

    @property
    def sum_ms(self) -> float:
        """What the parts add up to."""
        return sum(self.parts_ms)

    @property
    def adds_up(self) -> bool:
        """Whether the parts add up to the whole."""
        return abs(self.sum_ms - self.whole_ms) <= TOLERANCE * self.whole_ms


def middle_half(passes: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean of each part over the middle half of the passes, ordered by what their parts add up to.

    Not the medians of the parts: where now this part is held up and now that one, every median is that of an
    undisturbed part, and they add up to a pass as there was none.

    Raises:
        ValueError: there are no passes.
    """
    if not passes:
        raise ValueError("no passes have no middle")
    ordered = sorted(passes, key=sum)
    kept = ordered[len(ordered) // 4 : len(ordered) - len(ordered) // 4]
    return tuple(sum(times) / len(kept) for times in zip(*kept, strict=True))


def parts_of(network: nn.Module) -> list[nn.Module]:
    """Stem, each stage and head of a network that `nas.network.build_network` made, in the order in which they run."""
    stem, stages, head = (network.get_submodule(name) for name in ("stem", "stages", "head"))
    return [stem, *stages.children(), head]


def cut(parts: Sequence[nn.Module], x: Tensor, mark: Callable[[], object]) -> Tensor:
    """One pass of `x` through the parts, with a mark before the first and after each; what the network answers."""
    mark()
    for part in parts:
        x = part(x)
        mark()
    return x


def split(arguments: Mapping[str, Any], tell: Tell) -> object:
    """The job: `network`, its `options`, `plugin_files`, `entry_points`; a `Split` in plain values.

    Raises:
        NasError: the network cannot be built or run, or the device cannot do what is asked for.
    """
    from nas.bench.jobs import BUILD_LIMIT_S
    from nas.errors import NasError
    from nas.latency.device import local_device
    from nas.latency.options import LatencyOptions
    from nas.network import build_network
    from nas.plugins import load_plugins
    from nas.zoo import resolve

    tell.phase("building the network", BUILD_LIMIT_S)
    plugins = load_plugins(arguments["plugin_files"], arguments["entry_points"])
    options = LatencyOptions.of(arguments["options"])
    arch: Any = resolve(arguments["network"], plugins)
    module = build_network(arch, plugins.blocks, seed=0)
    try:
        local_device(options.device)
        options.resolve(_capturing([]), [arch.input_shape])
    except NasError as error:
        return {"refused": str(error)}
    return asdict(_timed(module, arch.input_shape, options, tell))


def _timed(module: nn.Module, shape: Shape, options: LatencyOptions, tell: Tell) -> Split:
    import torch

    from nas.latency.candidate import memory_given_back, prepare_candidate
    from nas.latency.environment import describe, lock_names
    from nas.latency.faults import named
    from nas.latency.lock import held
    from nas.latency.measure import TIMING_SLACK_S
    from nas.latency.quiet import as_asked, no_garbage_collection
    from nas.latency.sampling import warm_up
    from nas.latency.stopping import WARM_UP, Budget
    from nas.latency.timing import timer_of
    from nas.runtimes import DeviceCall

    given: list[tuple[nn.Module, Tensor]] = []
    conditions = options.resolve(_capturing(given), [shape])
    device = conditions.device
    with memory_given_back(device), as_asked(device.kind, conditions.threads):
        candidate = prepare_candidate(module, shape, options, conditions, seed=0)
        network, x = given[-1]
        call = DeviceCall(candidate.call)  # by the clock that the parts are timed by
        parts, timer = parts_of(network), timer_of(device.torch_name)
        with (
            held(lock_names(describe(device)), lambda: tell.phase("waiting for the device", None)),
            named("timing the parts"), no_garbage_collection(), torch.inference_mode(),
        ):
            tell.phase("timing the parts", 2 * options.max_seconds + TIMING_SLACK_S)
            budget = Budget(ROUNDS, LEAST_S, 2 * options.max_seconds)
            warm = warm_up(call, timer, WARM_UP[device.kind], budget)
            until = time.perf_counter() + budget.seconds(2 * warm.level_s) - warm.seconds
            whole: list[list[float]] = []
            cuts: list[list[float]] = []
            while len(whole) < LEAST_ROUNDS or (time.perf_counter() < until and len(whole) < MOST_ROUNDS):
                if len(whole) % 2:  # neither kind always follows the other
                    cuts.append(_cut_times(parts, x, device.torch_name))
                whole.append([timer(call)])
                if len(cuts) < len(whole):
                    cuts.append(_cut_times(parts, x, device.torch_name))
    folded = f"{candidate.folding.folded} of {candidate.folding.norms} batch norms folded"
    said = (f"{device} ({device.name}), eager, batch {options.batch}, {options.dtype}, "
            f"{several(conditions.threads, 'thread')}, {folded}")
    parts_ms = tuple(1e3 * seconds for seconds in middle_half(cuts))
    return Split(parts_ms, 1e3 * middle_half(whole)[0], len(whole), said)


def _capturing(given: list[tuple[nn.Module, Tensor]]) -> Any:
    """Eager, as a runtime that lays aside the network and the input that it is given: folded, and on the device."""
    from nas.runtimes import RuntimeOptions, RuntimeSpec

    def prepare(network: nn.Module, x: Tensor, _options: RuntimeOptions) -> Callable[[], object]:
        given.append((network, x))
        return functools.partial(network, x)

    return RuntimeSpec("eager", 1, prepare)


def _cut_times(parts: Sequence[nn.Module], x: Tensor, device: str) -> list[float]:
    """Seconds of each part in one pass."""
    if device == "cpu":
        marks: list[int] = []
        cut(parts, x, lambda: marks.append(time.perf_counter_ns()))
        return [(end - begin) / 1e9 for begin, end in itertools.pairwise(marks)]
    import torch

    make: Any = torch.cuda.Event  # untyped
    with torch.cuda.device(device):
        events = [make(enable_timing=True) for _ in range(len(parts) + 1)]
        coming = iter(events)
        torch.cuda.synchronize()
        cut(parts, x, lambda: next(coming).record())
        events[-1].synchronize()
    return [begin.elapsed_time(end) / 1e3 for begin, end in itertools.pairwise(events)]
