"""timm's block strings, such as `ir_r3_k5_s2_e3_c40_se0.25`: what one says, or why nothing here can say it.

timm reads them in `timm.models._efficientnet_builder` and passes over what it does not know. Here every token is read
or refused: a string that is accepted means to timm, and here, all that it says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nas.arch import MAX_SIZE
from nas.errors import SpecError, nearest
from nas.zoo.rows import to_eights

KINDS: Mapping[str, str] = {
    "ir": "r k s e c",
    "er": "r k s e c",
    "ds": "r k s c",
    "dsa": "r k s c",
    "cn": "r k s c",
}
"""The kinds of blocks that can be said here, each with the tokens that it must have."""
WITHOUT_BLOCK: Mapping[str, str] = {
    "uir": "the universal inverted bottleneck of MobileNetV4",
    "mha": "multi-head attention between convolutions",
    "mqa": "multi-query attention",
}
ACTIVATIONS: Mapping[str, str] = {"re": "relu", "r6": "relu6", "hs": "hardswish", "sw": "silu", "mi": "mish"}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "e": ("ds", "dsa", "cn"),
    "se": ("ir", "er", "ds", "dsa"),
    "fc": ("er",),
    "gs": ("ir", "er", "ds", "dsa", "cn"),
    "a": ("ir",),
    "p": ("ir", "er", "ds", "dsa"),
    "d": ("ir", "ds", "dsa"),
}
"""Token -> the kinds that may have it, besides those that must. `e` of a kind that does not expand must be 1."""


@dataclass(frozen=True)
class BlockString:
    """What a block string says, as timm reads it.

    Attributes:
        text: the string itself, for messages.
        kind: "ir" inverted residual, "er" edge residual (fused), "ds" depthwise separable, "dsa" the same with an
            activation behind it, "cn" convolution.
        force_in: the width that "er" multiplies with `expand` instead of its input's; 0: the input's.
        group_size: channels in a group of a "cn" convolution; 0: one group.
        act: an activation of ours, None for the network's.
    """

    text: str
    kind: str
    repeats: int
    kernel: int
    stride: int
    channels: int
    expand: float = 1.0
    se: float = 0.0
    act: str | None = None
    skip: bool = False
    noskip: bool = False
    force_in: int = 0
    group_size: int = 0


def refused(text: str, token: str, why: str) -> SpecError:
    """The refusal of a token of a block string."""
    return SpecError(f"block string {text[:80]!r}: {token[:40]}: {why}")


def parse(text: str) -> BlockString:
    """What `text` says.

    Raises:
        SpecError: a token is unknown, malformed, missing or doubled, or has no block here; string and token are named.
    """
    kind, *tokens = text.split("_")
    if kind in WITHOUT_BLOCK:
        raise refused(text, kind, f"{WITHOUT_BLOCK[kind]}, for which there is no block here")
    if kind not in KINDS:
        raise refused(text, kind, f"unknown kind of block{nearest(kind, KINDS)}; there are {', '.join(KINDS)}")
    values: dict[str, str] = {}
    flags: set[str] = set()
    act = None
    for token in tokens:
        if token in ("skip", "noskip"):
            key = "skip"
            flags.add(token)
        elif token.startswith("n"):
            key = "n"
            act = _activation(text, token)
        else:
            key, value = _pair(text, kind, token)
        if key in values:
            raise refused(text, token, f"{key} is given twice")
        values[key] = value if key not in ("n", "skip") else token
    missing = [key for key in KINDS[kind].split() if key not in values]
    if missing:
        raise refused(text, ", ".join(missing), f"missing; {kind} needs {KINDS[kind]}, as in ir_r3_k5_s2_e3_c40")
    if kind == "dsa" and "skip" in flags:
        raise refused(text, "skip", "dsa has no residual, whatever it says")
    return _checked(text, kind, values, act, flags)


def _activation(text: str, token: str) -> str:
    if token[1:] not in ACTIVATIONS:
        known = ", ".join(f"n{short} ({name})" for short, name in ACTIVATIONS.items())
        raise refused(text, token, f"unknown activation; there are {known}")
    return ACTIVATIONS[token[1:]]


def _pair(text: str, kind: str, token: str) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z]+)(\d.*)", token)
    if not match:
        raise refused(text, token or "_", "not a token: a letter and a number, such as k3, or noskip")
    key, value = match[1], match[2]
    if key == "cc":
        raise refused(text, token, "conditionally parametrised convolutions, for which there is no block here")
    if key not in KINDS[kind].split() and kind not in OPTIONAL.get(key, ()):
        raise refused(text, token, f"{kind} has no {key}")
    return key, value


def _checked(text: str, kind: str, values: Mapping[str, str], act: str | None, flags: set[str]) -> BlockString:
    def number(key: str, default: float = 0.0) -> float:
        value = values.get(key)
        if value is not None and not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            raise refused(text, key + value, "not a number")
        return default if value is None else float(value)

    def whole(key: str, low: int = 0) -> int:
        value = values.get(key, "0")
        if not re.fullmatch(r"\d{1,9}", value) or not low <= int(value) <= MAX_SIZE:
            raise refused(text, key + value, f"must be a whole number from {low} to {MAX_SIZE}")
        return int(value)

    if "." in values["k"]:
        raise refused(text, f"k{values['k']}", "kernels of several sizes in one convolution have no block here")
    kernel, stride = whole("k"), whole("s")
    if kernel % 2 == 0:
        raise refused(text, f"k{kernel}", "kernels are odd here")
    if stride not in (1, 2):
        raise refused(text, f"s{stride}", "a stride is 1 or 2")
    for key, what in (("a", "an expansion"), ("p", "a projection")):
        if values.get(key, "1") != "1":
            raise refused(text, key + values[key], f"{what} by anything but a 1x1 convolution has no block here")
    if whole("d"):
        raise refused(text, f"d{values['d']}", "space to depth has no block here")
    channels, force_in = whole("c", low=1), whole("fc")
    for key, value in (("c", channels), ("fc", force_in)):
        if value and to_eights(value) != value:
            raise refused(text, f"{key}{value}", f"timm rounds it to a multiple of 8; write {key}{to_eights(value)}")
    expand, group_size = number("e", 1.0), whole("gs")
    if "e" in values and (expand != 1 if kind in OPTIONAL["e"] else expand == 0):
        why = f"{kind} does not expand" if kind in OPTIONAL["e"] else "must be above 0"
        raise refused(text, f"e{values['e']}", why)
    if kind == "er" and group_size:
        raise refused(text, f"gs{group_size}", "fused_mbconv has no groups")
    if kind not in ("er", "cn") and "gs" in values and group_size != 1:
        raise refused(text, f"gs{group_size}", "the k x k convolution of this block is depthwise here, gs1")
    return BlockString(
        text=text,
        kind=kind,
        repeats=whole("r", low=1),
        kernel=kernel,
        stride=stride,
        channels=channels,
        expand=expand,
        se=number("se"),
        act=act,
        skip="skip" in flags,
        noskip="noskip" in flags,
        force_in=force_in,
        group_size=group_size,
    )
