"""The way from a name or a text to a network: published ones, written as stages of plugin blocks; an architecture's
text; timm's block strings; and, opaque, what torchvision and timm build.

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
from nas.zoo.opaque import PREFIXES, Opaque, load_opaque
from nas.zoo.timm_blocks import BlockStrings, architecture_of, is_block_text


def names() -> tuple[str, ...]:
    """The names of the published networks."""
    return tuple(_networks())


def load(network: BlockStrings, plugins: Sequence[str | Path] = ()) -> Architecture | Opaque:
    """A network by name or text. An architecture is canonical, every parameter filled in.

    Args:
        network: a published network's name; an architecture's text; `torchvision:NAME` or `timm:NAME`, which give an
            `Opaque`; or timm's block strings, in a text or in lists (see `nas.zoo.timm_blocks.architecture_of`).
        plugins: local plugin files whose blocks the text may name, besides those that are installed.

    Raises:
        SpecError: no network has this name; the text is malformed; a library is missing, or its network does not turn
            images into (batch, classes); a block string cannot be said exactly.
        BlockError: a block is unknown, of another version, or refuses its place.
        PluginError: a plugin file does not load.
    """
    return resolve(network, load_plugins(plugins))


def resolve(network: BlockStrings, plugins: Plugins) -> Architecture | Opaque:
    """`load` with plugins that are loaded already; raises what it raises."""
    if not isinstance(network, str | list | tuple):
        raise SpecError(f"a network is a name or an architecture's text, got {type(network).__name__}")
    if isinstance(network, str) and network.strip().startswith(PREFIXES):
        return load_opaque(network.strip())
    return canonical_with(_find(network), plugins)


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


def _find(network: BlockStrings) -> Architecture:
    if not isinstance(network, str):
        return architecture_of(network)
    text = network.strip()
    if "(" in text:
        return Architecture.parse(text)
    if is_block_text(text):
        return architecture_of(text)
    if text not in _networks():
        raise SpecError(f"unknown network {text[:60]!r}{nearest(text[:60], names())}\n"
                        f"There are {', '.join(names())}.\n"
                        "Or write an architecture's text, timm's block strings, torchvision:NAME or timm:NAME.")
    return _networks()[text]


@cache
def _networks() -> Mapping[str, Architecture]:
    """`NETWORKS` of every module of this room: a family of published networks is one file."""
    home = importlib.import_module(__package__)
    found: dict[str, Architecture] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(home.__path__)):
        found |= getattr(importlib.import_module(f"{__package__}.{module}"), "NETWORKS", {})
    return found
