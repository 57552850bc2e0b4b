"""From what a study file calls its data to the `Dataset`, kept in this process for the next network."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

from nas.choices import shown
from nas.errors import SpecError, nearest
from nas.train.data.arrays import Npz
from nas.train.data.cluttered import Cluttered
from nas.train.data.dataset import Dataset, Parts, Shape, assemble
from nas.train.data.digits import Digits
from nas.train.data.folder import Folder
from nas.train.data.sounds import Sounds


class Source(Protocol):
    """Where images come from. Both methods raise `SpecError` for what cannot be used."""

    def stamp(self) -> str:
        """A short text that is cheap to find and changes where the content does."""

    def parts(self, shape: Shape) -> Parts:
        """The images, at any size, in their splits; `shape` is what the networks take."""


BUILT_IN: Mapping[str, Callable[[], Source]] = {"digits": Digits, "cluttered": Cluttered, "sounds": Sounds}
WITH_PATH: Mapping[str, Callable[[str], Source]] = {"folder": Folder, "npz": Npz}

SOURCES = (*BUILT_IN, *(f"{kind}:PATH" for kind in WITH_PATH))
"""What `data` can be."""

KEPT = 4
"""Data sets that are held in memory at a time: a study may propose several resolutions."""

_cache: OrderedDict[tuple[str, Shape, str], Dataset] = OrderedDict()
_lock = threading.Lock()


def load_data(source: str, shape: Shape, classes: int | None = None) -> Dataset:
    """The data set of this name, at this shape.

    It is kept in memory, and loaded again only after its files have changed. A relative PATH starts at the current
    directory, `~` is the home directory.

    Args:
        source: "digits", "cluttered", "sounds", "folder:PATH" or "npz:PATH".
        shape: (channels, height, width) of the networks' input, which the images are resized to.
        classes: how many classes the networks tell apart, or None to ask nothing.

    Raises:
        SpecError: the source is unknown, missing, unreadable, too small, too large for this machine's memory, or
            has other channels or another number of classes.
    """
    origin = _source(source)
    with _lock:
        key = (source, shape, origin.stamp())
        data = _cache.pop(key, None)
        if data is None:
            data = assemble(source, origin.parts(shape), shape)
        _cache[key] = data
        while len(_cache) > KEPT:
            _cache.popitem(last=False)
    if classes is not None and classes != len(data.class_names):
        raise SpecError(
            f'data = "{source}" has {len(data.class_names)} classes, the study\'s networks tell {classes} apart.\n'
            f"Set [input] classes to {len(data.class_names)}, or use other data."
        )
    return data


def _source(name: str) -> Source:
    kind, colon, path = name.partition(":")
    if not colon and kind in BUILT_IN:
        return BUILT_IN[kind]()
    if colon and kind in WITH_PATH:
        if not path:
            raise SpecError(f'data = "{name}" names no path; write "{kind}:PATH".')
        return WITH_PATH[kind](path)
    if kind in WITH_PATH:
        raise SpecError(f'data = "{name}" names no path; write "{kind}:PATH".')
    if kind in BUILT_IN:
        raise SpecError(f'data = "{name}": {kind} takes no path; write "{kind}".')
    raise SpecError(f'unknown data {shown(name)}{nearest(kind, (*BUILT_IN, *WITH_PATH))}; '
                    f'there are {", ".join(SOURCES)}.')
