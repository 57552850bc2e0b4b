"""The owner's side of a network's time, part by part: asks the device's worker, and says what cannot be cut."""

from __future__ import annotations

from nas.arch import Architecture
from nas.bench.split import TOLERANCE, Split
from nas.errors import SpecError
from nas.latency.options import LatencyOptions
from nas.numbers import rounded
from nas.text import several
from nas.worker import borrowed

SPLIT_SECONDS = 3.0
"""Of warm-up and passes, a network."""


def split_times(
    arch: Architecture, options: LatencyOptions, plugin_files: tuple[str, ...] = (), entry_points: bool = True
) -> Split:
    """Where a network's time goes, in the order of `nas.cost.count.count_parts`; eager whatever the options say.

    Raises:
        SpecError: the device cannot do what is asked for.
        MeasureError: the network cannot be run there.
    """
    task = {"network": str(arch), "options": options.as_dict(), "plugin_files": plugin_files,
            "entry_points": entry_points}
    with borrowed(options.device) as worker:
        told = worker.call("nas.bench.split:split", task)
    if "refused" in told:
        raise SpecError(told["refused"])
    return Split(**{**told, "parts_ms": tuple(told["parts_ms"])})


def in_words(found: Split) -> str:
    """The sum of the parts beside the whole."""
    share = found.sum_ms / found.whole_ms
    whole = f"{share:.1%} of the whole network's {rounded(found.whole_ms)} ms"
    line = (f"the parts add up to {rounded(found.sum_ms)} ms, {whole}: means over the middle half, by time, of "
            f"{several(found.rounds, 'pass')} cut into parts and as many whole ones, timed alternately\n"
            f"{found.conditions}")
    if not found.adds_up:
        line += (f"\nThey differ by more than {TOLERANCE:.0%}: something else took the device meanwhile. "
                 "Try again when it is idle.")
    return line
