"""Published networks, written as stages of plugin blocks, and the way from a name or a text to an `Architecture`.

`input_shape` is the published crop at which a network was evaluated; dropout, drop path and norms are as published.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from nas.arch import Architecture
from nas.canonical import canonicalise
from nas.errors import BlockError, SpecError, nearest
from nas.plugins import Plugins, load_plugins

ELSEWHERE = ("torchvision:", "timm:")
"""Prefixes of networks that other libraries build."""


def names() -> tuple[str, ...]:
    """The names of the published networks."""
    return tuple(_networks())


def load(name_or_text: str, plugins: Sequence[str | Path] = ()) -> Architecture:
    """A published network by name, or the architecture that a text writes out; canonical, every parameter filled in.

    `plugins` are local plugin files whose blocks the text may name, besides those that are installed.

    Raises:
        SpecError: no network has this name; the text is malformed.
        BlockError: a block is unknown, of another version, or refuses its place.
        PluginError: a plugin file does not load.
    """
    return resolve(name_or_text, load_plugins(plugins))


def resolve(name_or_text: str, plugins: Plugins) -> Architecture:
    """`load` with plugins that are loaded already; raises what it raises."""
    if not isinstance(name_or_text, str):
        raise SpecError(f"a network is a name or an architecture's text, got {type(name_or_text).__name__}")
    return canonical_with(_find(name_or_text.strip()), plugins)


def canonical_with(arch: Architecture, plugins: Plugins) -> Architecture:
    """The canonical twin of `arch`; where a block is unknown, the message tells which plugins did not load.

    Raises:
        BlockError: a block is unknown, of another version, or refuses its place.
        SpecError: an activation is unknown, or the input is smaller than the strides need.
    """
    try:
        return canonicalise(arch, plugins.blocks)
    except BlockError as error:
        if all(stage.block in plugins.blocks for stage in arch.stages):
            raise
        raise BlockError(f"{error}{plugins.hint()}") from None


def _find(name_or_text: str) -> Architecture:
    if name_or_text.startswith(ELSEWHERE):
        raise SpecError(f"{name_or_text!r}: networks of other libraries cannot be loaded; "
                        f"the published ones here are {', '.join(names())}")
    if "(" in name_or_text:
        return Architecture.parse(name_or_text)
    if name_or_text not in _networks():
        raise SpecError(f"unknown network {name_or_text[:60]!r}{nearest(name_or_text[:60], names())}; "
                        f"there are {', '.join(names())}, or write an architecture's text")
    return _networks()[name_or_text]


@cache
def _networks() -> Mapping[str, Architecture]:
    """`NETWORKS` of every module of this room: a family of published networks is one file."""
    home = importlib.import_module(__package__)
    found: dict[str, Architecture] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(home.__path__)):
        found |= getattr(importlib.import_module(f"{__package__}.{module}"), "NETWORKS", {})
    return found
