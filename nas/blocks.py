"""What a block plugin hands over: `BlockSpec`, and what the network tells the block: `BlockIO`.

Pure values: no pluggy, no Optuna, and no torch until a block is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from nas.arch import NAME, STAGE_KEYS
from nas.choices import Choice, Params, normalise
from nas.errors import BlockError, SpecError, nearest
from nas.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

RESERVED = frozenset({"block", *STAGE_KEYS})
"""Keys of a stage that no block parameter may be named like."""


@dataclass(frozen=True)
class BlockIO:
    """What the network tells a block: a feature map of (batch, in_channels, H, W) comes in, and
    (batch, out_channels, H / stride, W / stride) goes out, rounded up; H x stride where the spec says `scale = "up"`.
    """

    in_channels: int
    out_channels: int
    stride: int
    norm: Callable[[int], nn.Module]
    act: Callable[[], nn.Module]
    drop_path: float


def nothing(io: BlockIO, params: Mapping[str, Choice]) -> str | None:
    """The default `check`: refuses nothing."""
    return None


def unchanged(io: BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """The default `canonical`: every parameter has an effect."""
    return params


def never(io: BlockIO, params: Mapping[str, Choice]) -> bool:
    """The default `noop`: the block does something."""
    return False


def by_slices(block: nn.Module, parent: nn.Module) -> None:
    """The default `inherit`: copies into `block` the leading channels and the centres of the kernels of `parent`.

    Both are blocks of one spec; an entry of `block`'s state dict that `parent` lacks, or that is larger or of another
    rank there, keeps its value.
    """
    source = parent.state_dict()
    merged = {name: _sliced(mine, source.get(name)) for name, mine in block.state_dict().items()}
    block.load_state_dict(merged)


def _sliced(mine: Tensor, theirs: Tensor | None) -> Tensor:
    if theirs is None or theirs.dim() != mine.dim():
        return mine
    if any(small > large for small, large in zip(mine.shape, theirs.shape, strict=True)):
        return mine
    cut = []
    for axis, (small, large) in enumerate(zip(mine.shape, theirs.shape, strict=True)):
        start = (large - small) // 2 if axis >= 2 else 0
        cut.append(slice(start, start + small))
    return theirs[tuple(cut)].clone()


@dataclass(frozen=True)
class BlockSpec:
    """One kind of block.

    Attributes:
        name: what study files call it; lower case letters, digits and underscores.
        version: raise it when the same parameters begin to mean another network.
        build: `build(io, **params)` returns the module.
        params: parameter -> default search choices, the first of which is the default value.
        check: why this combination is refused (groups must divide in_channels, ...), or None.
        canonical: the parameters that have an effect; what it leaves out is written as its default.
        noop: True where the block does nothing at all, so that it is left out of the network.
        scale: whether a stride of 2 halves ("down") or doubles ("up") the feature map.
        initializes_itself: keep the block's own initial weights instead of the network's scheme.
        inherit: `inherit(block, parent)` takes over a wider or deeper twin's weights.
    """

    name: str
    version: int
    build: Callable[..., nn.Module]
    params: Mapping[str, Sequence[Choice]] = field(default_factory=dict)
    check: Callable[[BlockIO, Mapping[str, Choice]], str | None] = nothing
    canonical: Callable[[BlockIO, Mapping[str, Choice]], Mapping[str, Choice]] = unchanged
    noop: Callable[[BlockIO, Mapping[str, Choice]], bool] = never
    scale: Literal["down", "up"] = "down"
    initializes_itself: bool = False
    inherit: Callable[[nn.Module, nn.Module], None] = by_slices

    @cached_property
    def defaults(self) -> Params:
        """Every parameter at its default value."""
        return Params({name: choices[0] for name, choices in self.params.items()})

    def complete(self, params: Mapping[str, Choice]) -> Params:
        """`params` with the defaults of what they do not name.

        Raises:
            BlockError: a parameter is not one of this block's.
        """
        for name in params:
            if name not in self.params:
                has = ", ".join(self.params) or "none"
                raise BlockError(
                    f"block '{self.name}' has no parameter {name!r}{nearest(name, self.params)}; it has {has}"
                )
        return Params({**self.defaults, **params})


def broken_contract(spec: object) -> str | None:
    """What is wrong with a block spec that a plugin handed over, or None."""
    if not isinstance(spec, BlockSpec):
        return f"nas_blocks must give BlockSpec values, got {type(spec).__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        return f"block name {spec.name!r} must be lower case letters, digits and underscores"
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        return f"block '{spec.name}': version {spec.version!r} must be a whole number from 1"
    if spec.scale not in ("down", "up"):
        return f"block '{spec.name}': scale {spec.scale!r} must be 'down' or 'up'"
    for hook in ("build", "check", "canonical", "noop", "inherit"):
        if not callable(getattr(spec, hook)):
            return f"block '{spec.name}': {hook} must be callable, got {getattr(spec, hook)!r}"
    if not isinstance(spec.params, Mapping):
        return f"block '{spec.name}': params must be a mapping of names to choices, got {type(spec.params).__name__}"
    for name, choices in spec.params.items():
        if problem := _broken_parameter(name, choices):
            return f"block '{spec.name}': {problem}"
    return None


def _broken_parameter(name: object, choices: object) -> str | None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"parameter name {name!r} must be lower case letters, digits and underscores"
    if name in RESERVED:
        return f"parameter {name!r} is a key of every stage; choose another name"
    if isinstance(choices, str) or not isinstance(choices, Sequence) or not choices:
        return f"parameter {name!r} needs a tuple of at least one choice, got {choices!r}"
    known: list[Choice] = []
    for choice in choices:
        try:
            value = normalise(choice)
        except SpecError as error:
            return f"parameter {name!r}: {error}"
        if value in known:  # True == 1 as well: Optuna cannot tell them apart
            return f"parameter {name!r}: {choice!r} is listed twice"
        known.append(value)
    return None


class BlockRegistry(Registry[BlockSpec]):
    """The blocks that are known; raises `BlockError` for one that is not."""

    kind = "block"
    error = BlockError
    broken_contract = staticmethod(broken_contract)
