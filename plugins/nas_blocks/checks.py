"""Why a value of a built-in parameter is refused: sentences that name the value and the remedy. None of them raises.

A block's `check` is `first(...)` over a generator of these, so that a later question may rely on the earlier answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from nas.arch import MAX_SIZE, kernel_size
from nas.choices import Choice, shown
from nas.errors import SpecError, nearest
from nas.layers import ACTIVATIONS

MAX_KERNEL = 9_999
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
"""Those of `torch.nn.Conv2d`."""


def first(problems: Iterable[str | None]) -> str | None:
    """The first sentence, asked for one at a time, or None where there is none."""
    return next((problem for problem in problems if problem is not None), None)


def is_number(value: Choice) -> bool:
    """Whether this is an int or a float; True and False are neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(name: str, value: Choice, low: int, high: int) -> str | None:
    """Why `value` is no whole number from `low` to `high`."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return f"{name} must be a whole number from {low} to {high}, got {shown(value)}"


def one_of(name: str, value: Choice, names: Iterable[str]) -> str | None:
    """Why `value` is none of `names`."""
    names = tuple(names)
    if isinstance(value, str) and value in names:
        return None
    hint = nearest(value, names) if isinstance(value, str) else ""
    return f"{name} {shown(value)} is unknown{hint}; it is one of {', '.join(names)}"


def kernel(value: Choice) -> str | None:
    """Why this is neither an odd int nor "HxW" with both odd."""
    if isinstance(value, int) and abs(value) > MAX_KERNEL:
        return f"kernel must be at most {MAX_KERNEL}, got {shown(value)}"
    try:
        kernel_size(value)
    except SpecError:
        return f'kernel must be an odd int or "HxW" with both odd, got {shown(value)}'
    return None


def act(value: Choice) -> str | None:
    """Why this is neither None, the network's activation, nor the name of one."""
    return None if value is None else one_of("act", value, ACTIVATIONS)


def flag(name: str, value: Choice) -> str | None:
    """Why this is neither true nor false."""
    return None if isinstance(value, bool) else f"{name} must be true or false, got {shown(value)}"


def groups(value: Choice, in_channels: int, out_channels: int) -> str | None:
    """Why the channels cannot be cut into this many equal groups."""
    if problem := whole("groups", value, 1, MAX_SIZE):
        return problem
    for channels, which in ((in_channels, "input"), (out_channels, "output")):
        if channels % value:  # type: ignore[operator]  # whole
            return f"groups {value} does not divide the {channels} {which} channels; take a common divisor of both"
    return None


def same_padding(size: Choice, dilation: int) -> tuple[int, int]:
    """What keeps (height, width) / stride, rounded up: half of the dilated kernel's overhang, for each axis."""
    height, width = kernel_size(size)
    return dilation * (height - 1) // 2, dilation * (width - 1) // 2


def padding(value: Choice, size: Choice, dilation: int) -> str | None:
    """Why this padding is unknown, or gives another output than (height, width) / stride, rounded up."""
    same = same_padding(size, dilation)
    if value == "same" or (isinstance(value, int) and not isinstance(value, bool) and (value, value) == same):
        return None
    remedy = f'{same[0]} or "same"' if same[0] == same[1] else '"same"'
    if not isinstance(value, int) or isinstance(value, bool):
        return f"padding {shown(value)} is unknown; take {remedy}"
    return f"padding {shown(value)} changes the map's size at kernel {size} and dilation {dilation}; take {remedy}"


def expand(value: Choice, in_channels: int) -> str | None:
    """Why a block cannot be this many times as wide inside as its input."""
    if not is_number(value) or not 0 < value <= MAX_SIZE:  # type: ignore[operator]  # a number
        return f"expand must be a number above 0, at most {MAX_SIZE}, got {shown(value)}"
    hidden = hidden_width(in_channels, value)  # type: ignore[arg-type]
    if hidden < 1:
        return f"expand {shown(value)} of {in_channels} input channels leaves a hidden width of 0; take a larger one"
    if hidden > MAX_SIZE:
        return f"expand {shown(value)} of {in_channels} input channels is {hidden} wide inside; at most {MAX_SIZE}"
    return None


def hidden_width(in_channels: int, expand: float) -> int:
    """round(in_channels x expand), the width of a block's inside."""
    return round(in_channels * expand)
