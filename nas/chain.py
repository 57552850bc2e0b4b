"""An architecture as the chain of blocks that it is: each with what it takes in and puts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nas.arch import Architecture, Stage
from nas.blocks import BlockIO, BlockRegistry, BlockSpec
from nas.choices import Choice, Params
from nas.errors import BlockError, SpecError
from nas.layers import activation, batch_norm


@dataclass(frozen=True)
class Placed:
    """A block at its place: the `index`-th of its stage, taking in (io.in_channels, height, width)."""

    stage: int
    index: int
    spec: BlockSpec
    params: Mapping[str, Choice]
    io: BlockIO
    height: int
    width: int


def scaled(size: int, stride: int, scale: str = "down") -> int:
    """The side of a feature map after a block: halved and rounded up, or doubled, at stride 2."""
    return size * stride if scale == "up" else -(-size // stride)


def stem_shape(arch: Architecture) -> tuple[int, int, int]:
    """(channels, height, width) behind the stem."""
    stride = arch.stem.stride * (2 if arch.stem.pool else 1)
    _, height, width = arch.input_shape
    return arch.stem.channels, scaled(height, stride), scaled(width, stride)


def stage_ios(arch: Architecture) -> Iterator[tuple[BlockIO, BlockIO]]:
    """For each stage what its first block is told and what the others are, without drop path."""
    norm, act = batch_norm(arch.norm), activation(arch.act)
    channels = arch.stem.channels
    for stage in arch.stages:
        first = BlockIO(channels, stage.channels, stage.stride, norm, act, 0.0)
        yield first, replace(first, in_channels=stage.channels, stride=1)
        channels = stage.channels


def chain(arch: Architecture, blocks: BlockRegistry) -> Iterator[Placed]:
    """Every block in order. Drop path rises linearly: rate x number of the block / how many there are."""
    total = sum(stage.repeats for stage in arch.stages)
    _, height, width = stem_shape(arch)
    number = 0
    for position, (stage, (first, rest)) in enumerate(zip(arch.stages, stage_ios(arch), strict=True)):
        spec = blocks[stage.block]
        for index in range(stage.repeats):
            io = replace(rest if index else first, drop_path=arch.drop_path * number / total)
            yield Placed(position, index, spec, stage.params, io, height, width)
            height, width = scaled(height, io.stride, spec.scale), scaled(width, io.stride, spec.scale)
            number += 1


def where(position: int, stage: Stage) -> str:
    """How messages name a stage."""
    return f"stages[{position}] ({stage.block})"


def check(arch: Architecture, blocks: BlockRegistry) -> None:
    """Asks every block whether it accepts its place. Builds nothing.

    Raises:
        BlockError: a block is unknown, of another version, or refuses its parameters or channels.
        SpecError: an activation is unknown, or the input is smaller than the strides need.
    """
    for act in (arch.stem.act, arch.head.act):
        activation(act)
    side, stride, worst = min(arch.input_shape[1:]), float(arch.stem.stride * (2 if arch.stem.pool else 1)), 1.0
    for position, (stage, ios) in enumerate(zip(arch.stages, stage_ios(arch), strict=True)):
        place = where(position, stage)
        try:
            spec = blocks[stage.block]
            params = spec.complete(stage.params)
        except BlockError as error:
            raise BlockError(f"{place}: {error}") from None
        if spec.version != stage.version:
            raise BlockError(f"{place}: written for version {stage.version}, installed is version {spec.version}")
        for io in ios[: stage.repeats]:
            if (refusal := refuses(spec, io, params)) is not None:
                raise BlockError(f"{place}: {refusal}")
        worst = max(worst, stride)
        stride = stride / stage.stride if spec.scale == "up" else stride * stage.stride
    worst = max(worst, stride)
    if side < worst:
        raise SpecError(f"input {'x'.join(map(str, arch.input_shape))} is too small: its shorter side is {side}, "
                        f"and the strides of stem and stages multiply to {worst:g}")


def refuses(spec: BlockSpec, io: BlockIO, params: Params) -> str | None:
    """Why the block refuses this place, or None; what its `check` raises is a refusal too."""
    try:
        refusal = spec.check(io, params)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a stranger's check may raise anything, `sys.exit()` too
        return f"its check raises {type(error).__name__}: {error}"
    return None if refusal is None else str(refusal)
