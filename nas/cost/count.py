"""What an architecture costs: the sum over its blocks, each counted once and kept in a table. Loads no torch itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nas.arch import Architecture
from nas.blocks import BlockIO, BlockRegistry
from nas.chain import scaled, stem_shape
from nas.cost.result import Cost, PartCost
from nas.cost.table import BlockCost, BlockKey, CostTable, CountedBlocks, Size
from nas.errors import SpecError
from nas.layers import activation, batch_norm
from nas.plugins import load_plugins
from nas.zoo import Opaque, canonical_with, resolve

if TYPE_CHECKING:
    from torch import nn

NORM = "batch_norm"
"""The kind of norm of every architecture. Its eps and momentum cost nothing."""

_TABLE = CostTable()


def count(
    arch: Architecture | Opaque | str | nn.Module,
    plugins: Sequence[str | Path] = (),
    *,
    input_shape: tuple[int, int, int] | None = None,
) -> Cost:
    """What a network costs, exactly. Nothing is allocated, unless a block can only be counted by running it.

    Args:
        arch: an architecture or an opaque network, what `nas.load` takes as text, or any module. An opaque network is
            counted as a whole, and the pool before its classifier is one of its `global_ops`.
        plugins: local plugin files whose blocks it may name, besides those that are installed.
        input_shape: (channels, height, width) of a module's input; an architecture has its own.

    Raises:
        SpecError: the architecture cannot be meant; `input_shape` is missing for a module, or given for another.
        BlockError: a block is unknown, refuses its place, does not build or run, or gives another shape than it should.
        PluginError: a plugin file does not load.
    """
    if not isinstance(arch, Architecture | Opaque | str):
        from torch import nn

        if not isinstance(arch, nn.Module):
            raise SpecError(f"an architecture, a text or a module can be counted, got {type(arch).__name__} "
                            f"{str(arch)[:60]!r}; nas.load makes an architecture of block strings in a list")
        if input_shape is None:
            raise SpecError(f"input_shape: give the (channels, height, width) that a {type(arch).__name__} takes in")
        return count_module(arch, input_shape)
    if input_shape is not None:
        raise SpecError("input_shape is for modules: an architecture has its own, as has a network of a library")
    known = load_plugins(plugins)
    value = resolve(arch, known) if isinstance(arch, str) else arch
    if isinstance(value, Opaque):
        return count_opaque(value)
    return count_architecture(canonical_with(value, known), known.blocks, _TABLE)


def count_opaque(network: Opaque) -> Cost:
    """`count` of a network of another library: as `count_module` counts it, but without its weights wherever their
    values do not matter.

    Raises:
        BlockError: the network does not run on an image of its shape.
        SpecError: its library is not installed; it cannot be counted without its weights, and these are too many.
    """
    from nas.cost.module import count_block

    cost = count_block(str(network), network.make, network.input_shape, paths=True)
    return _total([_Part("", 1, cost)], cost.field, max(cost.jump))


def count_module(net: nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """What any network costs for one image of (channels, height, width), as a whole; its mode is left as it is.

    The pool before its classifier is one of `global_ops`: nothing tells it from others.

    Raises:
        BlockError: the network does not run on an image of this shape.
    """
    from nas.cost.module import count_network

    cost = count_network(net, input_shape)
    return _total([_Part("", 1, cost)], cost.field, max(cost.jump))


def count_architecture(arch: Architecture, blocks: BlockRegistry, table: CostTable) -> Cost:
    """`count` of an architecture that is canonical already, with a table of what was counted before.

    Raises:
        BlockError: a block does not build or run, or gives another shape than it should.
        SpecError: it has more than 10 G parameters.
    """
    parts = list(_parts(arch, blocks, table))
    _refuse_giant(parts)
    return _total(parts, parts[-1].field, parts[-1].jump)


def count_parts(arch: Architecture, blocks: BlockRegistry, table: CostTable) -> tuple[PartCost, ...]:
    """Stem, each stage and head of an architecture that is canonical already; they add up to `count_architecture`.

    Raises:
        BlockError: a block does not build or run, or gives another shape than it should.
        SpecError: it has more than 10 G parameters.
    """
    parts = list(_parts(arch, blocks, table))
    _refuse_giant(parts)
    names = ["stem", *(f"stages.{position}" for position in range(len(arch.stages))), "head"]
    texts = ["", *(f"{stage.block} x {stage.repeats}" for stage in arch.stages), ""]
    told = []
    for name, text in zip(names, texts, strict=True):
        own = [part for part in parts if part.place == name]
        told.append(PartCost(name, text, own[-1].shape, _total(own, own[-1].field, own[-1].jump)))
    return tuple(told)


def count_blocks(arch: Architecture, blocks: BlockRegistry, table: CostTable) -> tuple[CountedBlocks, ...]:
    """Every block of an architecture that is canonical already, stem and head among them, in order; equal blocks in a
    row are one entry. They add up to `count_architecture`.

    Raises:
        BlockError: a block does not build or run, or gives another shape than it should.
        SpecError: it has more than 10 G parameters.
    """
    parts = list(_parts(arch, blocks, table))
    _refuse_giant(parts)
    return tuple(CountedBlocks(part.key, part.times, part.cost) for part in parts if part.key is not None)


def _parts(arch: Architecture, blocks: BlockRegistry, table: CostTable) -> Iterator[_Part]:
    stem = count_stem(arch, table)
    jump: Size = arch.stem.stride * (2 if arch.stem.pool else 1)
    vertical, horizontal = stem.cost.field
    shape = stem_shape(arch)
    yield _Part("stem", 1, stem.cost, shape, (vertical, horizontal), jump, stem.key)
    for position, stage in enumerate(arch.stages):
        spec = blocks[stage.block]
        stride = stage.stride
        for counted, behind in count_stage(arch, position, shape, blocks, table):
            vertical += counted.times * (counted.cost.field[0] - 1) * jump
            horizontal += counted.times * (counted.cost.field[1] - 1) * jump
            if stride != 1:
                jump = jump / Fraction(stride) if spec.scale == "up" else jump * stride
            shape, stride = behind, 1
            yield _Part(f"stages.{position}", counted.times, counted.cost, shape, (vertical, horizontal), jump,
                        counted.key)
    head = count_head(arch, shape, table)
    yield _Part("head", 1, head.cost, (arch.classes,), (vertical, horizontal), jump, head.key)


def count_stem(arch: Architecture, table: CostTable) -> CountedBlocks:
    """The stem of an architecture."""
    (channels, height, width), stem = arch.input_shape, arch.stem
    kind = f"kernel={stem.kernel},pool={stem.pool}"
    key = BlockKey("(stem)", 1, "", kind, channels, stem.channels, stem.stride, NORM, stem.act, height, width)
    return CountedBlocks(key, 1, _looked_up(table, key, lambda key: _count_stem(arch, key)))


def count_head(arch: Architecture, shape: tuple[int, int, int], table: CostTable) -> CountedBlocks:
    """The head of an architecture, at which (channels, height, width) arrives."""
    (channels, height, width), head = shape, arch.head
    kind = f"channels={head.channels},hidden={head.hidden}"
    key = BlockKey("(head)", 1, "", kind, channels, arch.classes, 1, NORM, head.act, height, width)
    return CountedBlocks(key, 1, _looked_up(table, key, lambda key: _count_head(arch, key)))


def count_stage(
    arch: Architecture, position: int, shape: tuple[int, int, int], blocks: BlockRegistry, table: CostTable
) -> Iterator[tuple[CountedBlocks, tuple[int, int, int]]]:
    """The blocks of a canonical stage, at which (channels, height, width) arrives: the first one and then the others,
    each with the shape behind them.

    Raises:
        BlockError: a block does not build or run, or gives another shape than it should.
    """
    stage = arch.stages[position]
    spec, digest, params = blocks[stage.block], blocks.origin(stage.block).digest, str(stage.params)
    (channels, height, width), stride = shape, stage.stride
    for times in (1, stage.repeats - 1) if stage.repeats > 1 else (1,):
        key = BlockKey(stage.block, stage.version, digest, params, channels, stage.channels, stride, NORM, arch.act,
                       height, width)
        cost = _looked_up(table, key, lambda key: _count_block(arch, blocks, position, key))
        height, width = scaled(height, stride, spec.scale), scaled(width, stride, spec.scale)
        channels, stride = stage.channels, 1
        yield CountedBlocks(key, times, cost), (channels, height, width)


def _refuse_giant(parts: Sequence[_Part]) -> None:
    from nas.network import MAX_PARAMETERS

    total = sum(part.times * part.cost.params for part in parts)
    if total > MAX_PARAMETERS:
        largest = max(parts, key=lambda part: part.times * part.cost.params)
        raise SpecError(f"this network has {total:,} parameters, more than the {MAX_PARAMETERS:,} that are allowed\n"
                        f"Most are in {largest.place}: {largest.times * largest.cost.params:,}. "
                        "Take fewer channels or repeats.")


class _Part(NamedTuple):
    """Equal blocks in a row, and how far the network has come behind them: shape, receptive field, output stride."""

    place: str
    times: int
    cost: BlockCost
    shape: tuple[int, ...] = ()
    field: tuple[Size, Size] = (1, 1)
    jump: Size = 1
    key: BlockKey | None = None


def _looked_up(table: CostTable, key: BlockKey, count_it: Callable[[BlockKey], BlockCost]) -> BlockCost:
    cost = table.get(key)
    if cost is None:
        cost = count_it(key)
        table.put(key, cost)
    return cost


def _count_block(arch: Architecture, blocks: BlockRegistry, position: int, key: BlockKey) -> BlockCost:
    from nas.cost.module import count_block

    stage, spec = arch.stages[position], blocks[key.block]
    io = BlockIO(key.in_channels, key.out_channels, key.stride, batch_norm(arch.norm), activation(arch.act), 0.0)
    shape = key.in_channels, key.height, key.width
    expected = key.out_channels, scaled(key.height, io.stride, spec.scale), scaled(key.width, io.stride, spec.scale)
    place = f"stages[{position}] ({spec.name}), stride {io.stride}"
    return count_block(place, lambda: spec.build(io, **stage.params), shape, expected)


def _count_stem(arch: Architecture, key: BlockKey) -> BlockCost:
    return _count_end(replace(arch, stages=()), "stem", (key.in_channels, key.height, key.width))


def _count_head(arch: Architecture, key: BlockKey) -> BlockCost:
    """Behind a stem of as many channels as the last stage has. Its pool is not one of the global operations."""
    alone = replace(arch, stages=(), stem=replace(arch.stem, channels=key.in_channels))
    return replace(_count_end(alone, "head", (key.in_channels, key.height, key.width)), global_ops=())


def _count_end(arch: Architecture, end: str, shape: tuple[int, int, int]) -> BlockCost:
    """Stem or head of a network without stages."""
    import torch

    from nas.cost.module import count_block
    from nas.network import build_network

    large = replace(arch, input_shape=(arch.input_shape[0], 8, 8))  # any that its strides can halve

    def build() -> nn.Module:
        part: nn.Module = getattr(build_network(large, BlockRegistry(), device=torch.get_default_device()), end)
        return part

    return count_block(end, build, shape)


def _total(parts: Sequence[_Part], field: tuple[Size, Size], jump: Size) -> Cost:
    params = macs = flops = activations = 0
    seen: list[str] = []
    unsupported: list[str] = []
    doubtful: list[str] = []
    for place, times, cost, *_ in parts:
        params += times * cost.params
        macs += times * cost.macs
        flops += times * cost.flops
        activations += times * cost.activations
        if cost.global_ops:
            seen += [f"{place}: {name}" if place else name for name in cost.global_ops]
        if cost.unsupported:
            unsupported += cost.unsupported
        if cost.fvcore_macs != cost.torch_macs:
            doubtful.append(place)
    if doubtful:
        unsupported.append(_disagreement(parts, doubtful))
    return Cost(
        params,
        macs,
        flops,
        activations,
        receptive_field="x".join(str(ceil(extent)) for extent in field),
        output_stride=int(jump) if jump == int(jump) else float(jump),
        global_ops=tuple(dict.fromkeys(seen)),
        unsupported_ops=tuple(dict.fromkeys(unsupported)),
    )


def _disagreement(parts: Sequence[_Part], places: Sequence[str]) -> str:
    fvcore = sum(part.times * part.cost.fvcore_macs for part in parts)
    torch = sum(part.times * part.cost.torch_macs for part in parts)
    where = f" ({', '.join(dict.fromkeys(places))})" if any(places) else ""
    return f"macs: fvcore {fvcore}, FlopCounterMode/2 {torch}{where}"
