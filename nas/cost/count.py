"""`count`: what an architecture costs, added up over its stem, its distinct blocks and its head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nas.arch import Architecture
from nas.blocks import BlockRegistry
from nas.chain import scaled, stage_ios, stem_shape
from nas.cost.table import BlockCost, BlockKey, CostTable
from nas.errors import SpecError
from nas.network import MAX_PARAMETERS, build_network, parameters_of
from nas.plugins import load_plugins
from nas.zoo import canonical_with, load

if TYPE_CHECKING:
    from torch import nn

    from nas.plugins import Plugins


@dataclass(frozen=True)
class Cost:
    """What a network costs for one image.

    Attributes:
        params: every parameter.
        macs: multiply-accumulates of convolutions, linear layers and matrix products, one each.
        flops: fvcore's `FlopCountAnalysis` total in eval mode.
        activations: fvcore's `ActivationCountAnalysis` total: outputs of those operations.
        receptive_field: "HxW" input pixels that one pixel of the last map sees through local operations.
        output_stride: input pixels between neighbours of the last map, vertically.
        global_ops: operations that see the whole map, with the stage they stand in.
        unsupported_ops: operations that compute and that no counter knows, and counters that disagree.
    """

    params: int
    macs: int
    flops: int
    activations: int
    receptive_field: str
    output_stride: float
    global_ops: tuple[str, ...]
    unsupported_ops: tuple[str, ...]


def count(arch: Architecture | str, plugins: Sequence[str | Path] = ()) -> Cost:
    """The cost of an architecture, of a published network by name, or of an architecture's text.

    Raises:
        SpecError: the architecture cannot be meant, or has more than 10 G parameters.
        BlockError: a block is unknown, refuses its place, or does not build.
        PluginError: a plugin file does not load.
    """
    known: Plugins = load_plugins(plugins)
    canonical = load(arch, plugins) if isinstance(arch, str) else canonical_with(arch, known)
    return count_architecture(canonical, known.blocks, CostTable())


def count_architecture(arch: Architecture, blocks: BlockRegistry, table: CostTable) -> Cost:
    """`count` of a canonical architecture; blocks that `table` holds are not counted again.

    Raises:
        SpecError: it has more than 10 G parameters.
        BlockError: a block does not build.
    """
    parts = list(_parts(arch, blocks))
    if any(table.get(key) is None for key, _, _ in parts):
        if (total := parameters_of(arch, blocks)) > MAX_PARAMETERS:
            raise SpecError(f"this network has {total:,} parameters, more than the {MAX_PARAMETERS:,} that are allowed")
        _fill(arch, blocks, table, parts)
    field_height, field_width, jump = Fraction(1), Fraction(1), Fraction(1)
    sums = dict.fromkeys(("params", "macs", "flops", "activations"), 0)
    unsupported: dict[str, None] = {}
    global_ops: dict[str, None] = {}
    for key, times, place in parts:
        cost = table.get(key)
        if cost is None:
            raise SpecError(f"{place}: was not counted")
        for name in sums:
            sums[name] += times * getattr(cost, name)
        grown = sum(jump * Fraction(cost.jump[0]) ** index for index in range(times)) if place != "head" else 0
        field_height += (Fraction(cost.field[0]) - 1) * grown
        field_width += (Fraction(cost.field[1]) - 1) * grown
        jump *= Fraction(cost.jump[0]) ** times
        unsupported |= dict.fromkeys(f"{place}: {name}" for name in cost.unsupported)
        if place != "head":
            global_ops |= dict.fromkeys(f"{place}: {name}" for name in cost.global_ops)
    return Cost(**sums, receptive_field=f"{_whole(field_height)}x{_whole(field_width)}", output_stride=float(jump),
                global_ops=tuple(global_ops), unsupported_ops=tuple(unsupported))


def _whole(size: Fraction) -> int:
    return -(-size.numerator // size.denominator)


def _parts(arch: Architecture, blocks: BlockRegistry) -> Iterator[tuple[BlockKey, int, str]]:
    """Each distinct part: its key, how often it stands there in a row, and its place."""
    channels, height, width = arch.input_shape
    norm = f"batch_norm({arch.norm.eps},{arch.norm.momentum})"
    stem = arch.stem
    own = f"kernel={stem.kernel},pool={stem.pool},act={stem.act}"
    yield BlockKey("(stem)", 1, "", own, channels, stem.channels, stem.stride, norm, arch.act, height, width), 1, "stem"
    before, height, width = stem_shape(arch)
    for position, (stage, ios) in enumerate(zip(arch.stages, stage_ios(arch), strict=True)):
        spec, digest = blocks[stage.block], blocks.origin(stage.block).digest
        for io, times in zip(ios, (1, stage.repeats - 1), strict=True):
            if times:
                yield BlockKey(spec.name, spec.version, digest, str(stage.params), io.in_channels, io.out_channels,
                               io.stride, norm, arch.act, height, width), times, f"stages.{position}"
                height, width = scaled(height, io.stride, spec.scale), scaled(width, io.stride, spec.scale)
        before = stage.channels
    head = arch.head
    own = f"hidden={head.hidden},act={head.act},classes={arch.classes},dropout={head.dropout}"
    yield BlockKey("(head)", 1, "", own, before, head.channels, 1, norm, arch.act, height, width), 1, "head"


def _fill(
    arch: Architecture, blocks: BlockRegistry, table: CostTable, parts: list[tuple[BlockKey, int, str]]
) -> None:
    """Counts the parts that are missing, on a network of one block of each kind."""
    from dataclasses import replace

    from nas.cost.tracing import trace

    shorter = replace(arch, stages=tuple(replace(stage, repeats=min(stage.repeats, 2)) for stage in arch.stages))
    network = build_network(shorter, blocks, seed=0)
    modules: list[nn.Module] = [network.get_submodule("stem")]
    modules += [block for stage in network.get_submodule("stages").children() for block in stage.children()]
    modules.append(network.get_submodule("head"))
    for (key, _, _), module in zip(parts, modules, strict=True):
        if table.get(key) is None:
            found: BlockCost = trace(module, (key.in_channels, key.height, key.width))
            table.put(key, found)
