"""The one value among the many descriptions of a network: defaults written out, what has no effect dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nas.arch import Architecture, Stage
from nas.blocks import BlockIO, BlockRegistry, BlockSpec
from nas.chain import check, stage_ios, where
from nas.choices import Choice, Params
from nas.errors import BlockError, SpecError


def canonicalise(arch: Architecture, blocks: BlockRegistry) -> Architecture:
    """The canonical twin of `arch`, after every block has accepted its place.

    Adjacent equal stages stay two stages; blocks that do nothing are left out.

    Raises:
        BlockError: a block is unknown, of another version, or refuses its parameters or channels.
        SpecError: this is no architecture; an activation is unknown, or the input is smaller than the strides need.
    """
    if not isinstance(arch, Architecture):
        raise SpecError(f"an Architecture is needed here, got {type(arch).__name__} {str(arch)[:60]!r}\n"
                        "Only what is written as stages of blocks can be taken apart and searched; a network of "
                        "another library can be built, counted and measured, as a whole.")
    check(arch, blocks)
    stages = []
    for position, (stage, ios) in enumerate(zip(arch.stages, stage_ios(arch), strict=True)):
        spec = blocks[stage.block]
        try:
            kept = canonical_stage(stage, spec, ios)
        except (SpecError, BlockError) as error:
            raise BlockError(f"{where(position, stage)}: {error}") from None
        if kept:
            stages.append(kept)
    stem = replace(arch.stem, kernel=_square(arch.stem.kernel))
    return replace(arch, stages=tuple(stages), stem=stem)


def canonical_stage(stage: Stage, spec: BlockSpec, ios: tuple[BlockIO, BlockIO]) -> Stage | None:
    """The canonical twin of a stage whose first block is told `ios[0]` and whose others `ios[1]`; None where it does
    nothing.

    Raises:
        SpecError, BlockError: the block's `canonical` or `noop` fails, or gives what it cannot.
    """
    ios = ios if stage.repeats > 1 else ios[:1]  # type: ignore[assignment]
    given = Params({name: _square(value) if name == "kernel" else value for name, value in stage.params.items()})
    given = spec.complete(given)
    proposals = [spec.complete(_effective(spec, io, given)) for io in ios]
    agreed = {
        name: proposals[0][name] if all(_same(p[name], proposals[0][name]) for p in proposals) else value
        for name, value in given.items()
    }
    params = Params(agreed)
    idle = [_idle(spec, io, params) for io in ios]
    if all(idle):
        return None
    repeats = 1 if len(idle) == 2 and idle[1] else stage.repeats
    return replace(stage, repeats=repeats, params=params)


def _effective(spec: BlockSpec, io: BlockIO, params: Params) -> Mapping[str, Choice]:
    try:
        effective = spec.canonical(io, params)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's canonical may raise anything, `sys.exit()` too
        raise SpecError(f"its canonical raises {type(error).__name__}: {error}") from error
    if not isinstance(effective, Mapping):
        raise SpecError(f"its canonical must return a mapping, got {type(effective).__name__}")
    return effective


def _idle(spec: BlockSpec, io: BlockIO, params: Params) -> bool:
    try:
        return bool(spec.noop(io, params))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's noop may raise anything, `sys.exit()` too
        raise SpecError(f"its noop raises {type(error).__name__}: {error}") from error


def _same(one: Choice, other: Choice) -> bool:
    return type(one) is type(other) and one == other


def _square(kernel: Choice) -> int | str:
    """A kernel written "3x3" is the kernel 3."""
    if isinstance(kernel, str) and len(set(kernel.split("x"))) == 1 and kernel.split("x")[0].isdigit():
        return int(kernel.split("x")[0])
    return kernel  # type: ignore[return-value]  # of a block: any choice
