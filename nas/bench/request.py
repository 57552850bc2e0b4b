"""What a bench is asked for. What it means on the device is found out by the device's worker, see `nas.bench.jobs`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.bench.published import published
from nas.bench.result import Conditions, Published
from nas.choices import shown
from nas.errors import SpecError
from nas.latency.options import MAX_BATCH, LatencyOptions, find_runtime
from nas.plugins import Plugins, load_plugins
from nas.zoo import names, resolve


@dataclass(frozen=True)
class Subject:
    """A network that is to be measured: as it was asked for, and as it is called in tables."""

    text: str
    label: str
    input_shape: tuple[int, int, int]
    published: Published | None


@dataclass(frozen=True)
class Request:
    """Everything that was asked for, in words that can be meant; the device has not been asked yet.

    Attributes:
        runtimes: None: eager, and on CUDA `cuda_graph` as well where a plugin brings it.
        batches: ascending; None: those of the device, see `nas.bench.jobs.BATCHES`.
        max_seconds: of warm-up and sampling, a network, all its measurements together.
    """

    subjects: tuple[Subject, ...]
    options: LatencyOptions
    runtimes: tuple[str, ...] | None
    batches: tuple[int, ...] | None
    max_seconds: float
    plugin_files: tuple[str, ...] = ()
    entry_points: bool = True

    def arguments(self) -> dict[str, Any]:
        """For a job of the worker: plain values."""
        return {
            "options": self.options.as_dict(),
            "runtimes": self.runtimes,
            "batches": self.batches,
            "max_seconds": self.max_seconds,
            "plugin_files": self.plugin_files,
            "entry_points": self.entry_points,
            "shapes": {subject.label: subject.input_shape for subject in self.subjects},
        }


def make_request(
    networks: Sequence[str],
    *,
    every: bool = False,
    runtimes: Sequence[str] = (),
    batches: Sequence[int] = (),
    max_seconds: float = LatencyOptions.max_seconds,
    plugin_files: Sequence[str | Path] = (),
    entry_points: bool = True,
    **options: Any,
) -> Request:
    """A request out of what a caller gives; `every` puts the zoo's networks first, `options` are of LatencyOptions.

    Raises:
        SpecError: there is no network; a name, an option, a batch or a runtime cannot be meant.
        BlockError, PluginError: a network cannot be built, a plugin cannot be loaded.
    """
    files = tuple(str(Path(file).expanduser().resolve()) for file in plugin_files)
    plugins = load_plugins(files, entry_points)
    asked = dict.fromkeys([*(names() if every else ()), *networks])
    if not asked:
        raise SpecError("give the networks to measure, or --all for every published one that nas knows")
    checked = LatencyOptions(max_seconds=max_seconds, **options)
    for runtime in runtimes:
        find_runtime(runtime, plugins.runtimes)
    for batch in batches:
        LatencyOptions(batch=batch)
    return Request(
        tuple(_subject(text, plugins) for text in asked), checked, tuple(dict.fromkeys(runtimes)) or None,
        tuple(sorted(set(batches))) or None, max_seconds, files, entry_points,
    )


def _subject(text: str, plugins: Plugins) -> Subject:
    network = resolve(text, plugins)
    known = text in names() or network.arch_id is None
    return Subject(text, text.strip() if known else str(network.arch_id), network.input_shape,
                   published(text.strip(), network))


def parse_batches(text: str) -> tuple[int, ...]:
    """"1,8,64" as numbers.

    Raises:
        SpecError: there is something else in it.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,9}", word) and 1 <= int(word) <= MAX_BATCH for word in words):
        raise SpecError(f"--batch: {shown(text)}: give whole numbers from 1 to {MAX_BATCH}, separated by "
                        "commas: 1,8,64")
    return tuple(int(word) for word in words)


def parse_threads(text: str) -> int | str:
    """A number of threads, or "auto".

    Raises:
        SpecError: it is neither.
    """
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    if text != LatencyOptions.threads:
        raise SpecError(f"--threads: {shown(text)}: give a whole number from 1, or auto")
    return text


def conditions_of(told: Mapping[str, Any]) -> Conditions:
    """What the worker found, as a value.

    Raises:
        SpecError: the device cannot do what was asked for.
    """
    if "refused" in told:
        raise SpecError(told["refused"])
    return Conditions(**{**told, "runtimes": tuple(told["runtimes"]), "batches": tuple(told["batches"])})
