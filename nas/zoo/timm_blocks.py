"""Architectures from timm's block strings, exactly: as many parameters, MACs and activations as timm's own stages.

What lies around the blocks stands in no string. It is a family's, as timm builds it by default: no dropout and no drop
path, stem 3x3 of stride 2, 1000 classes. Padding is symmetric; networks of timm with TensorFlow's padding (`tf_...`)
have equal costs and other logits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nas.arch import MAX_SIZE, Architecture, Head, Norm, Stage, Stem
from nas.choices import Choice
from nas.errors import SpecError, nearest
from nas.zoo.rows import to_eights
from nas.zoo.timm_text import KINDS, WITHOUT_BLOCK, BlockString, parse, refused

BlockStrings = str | Sequence[str | Sequence[str]]
"""Words in a text, a list of them, or timm's `arch_def`: a list of stages, each a list of strings."""
DEFAULT_FAMILY = "efficientnet"
DEEPEST = 32
"""Past this stride timm's networks dilate instead."""


@dataclass(frozen=True)
class Family:
    """What lies around the blocks. `excite`: squeeze-excite is MobileNetV3's (of the width inside, rounded to a
    multiple of 8; ReLU and hard sigmoid), not EfficientNet's (of the block's input; its activation and sigmoid).
    """

    act: str
    stem: int
    head: Head
    crop: int = 224
    eps: float = 1e-5
    excite: bool = False


def _projected(act: str) -> Head:
    return Head(channels=1280, dropout=0, act=act)


FAMILIES: Mapping[str, Family] = {
    "efficientnet": Family("silu", 32, _projected("silu")),
    "efficientnetv2": Family("silu", 24, _projected("silu"), crop=384, eps=1e-3),
    "mobilenetv2": Family("relu6", 32, _projected("relu6")),
    "mnasnet": Family("relu", 32, _projected("relu")),
    "mobilenetv3": Family("hardswish", 16, Head(channels=0, hidden=1280, dropout=0, act="hardswish"), excite=True),
}
"""Of timm's efficientnet_b0, tf_efficientnetv2_s, mobilenetv2_100, mnasnet_100 and mobilenetv3_large_100."""


def is_block_text(text: str) -> bool:
    """Whether a text is meant as block strings: its first word, less a family's, is a kind and tokens."""
    words = text.replace(",", " ").split()
    family, colon, after = words[0].partition(":") if words else ("", "", "")
    if colon and (family in FAMILIES or (not after and family not in ("timm", "torchvision"))):
        return True
    kinds = "|".join((*KINDS, *WITHOUT_BLOCK))
    return bool(words) and re.match(rf"(({kinds})_|[a-z]+_([a-z]+[\d.]+_)*r\d+(_|$))", words[0]) is not None


def architecture_of(
    blocks: BlockStrings,
    family: str | None = None,
    input_shape: tuple[int, int, int] | None = None,
    classes: int = 1000,
) -> Architecture:
    """The architecture that timm's block strings describe, not canonical yet.

    Args:
        blocks: "ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24", a list of such strings, or a list of lists of them. The first word
            may name the family: "mobilenetv3: ds_r1_k3_s1_c16_nre ...".
        family: a key of `FAMILIES`, where no word names it; None: "efficientnet".
        input_shape: (channels, height, width); None: the family's.
        classes: of the classifier.

    Raises:
        SpecError: there is no such family; a string cannot be said exactly, and string, token and reason are named.
    """
    words = list(_words(blocks))
    if words and words[0].endswith(":"):
        named = words.pop(0).removesuffix(":")
        if family is not None and family != named:
            raise SpecError(f"the block strings are of family {named!r}, and family = {family!r}; give one of them")
        family = named
    family = DEFAULT_FAMILY if family is None else family
    if family not in FAMILIES:
        raise SpecError(f"unknown family of block strings {family!r}{nearest(family, FAMILIES)}; "
                        f"there are {', '.join(FAMILIES)}")
    if not words:
        raise SpecError("no block string is given; write some, such as ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24")
    around = FAMILIES[family]
    return Architecture(
        input_shape=(3, around.crop, around.crop) if input_shape is None else input_shape,
        stages=tuple(_stages([parse(word) for word in words], around)),
        stem=Stem(channels=around.stem, act=around.act),
        head=around.head,
        classes=classes,
        act=around.act,
        norm=Norm(eps=around.eps, momentum=0.1),
        drop_path=0.0,
    )


def _words(blocks: BlockStrings) -> Iterator[str]:
    """The strings one by one. In a list within a list, timm takes the stride of the first one alone."""
    for item in (blocks,) if isinstance(blocks, str) else blocks:
        if isinstance(item, str):
            yield from item.replace(",", " ").replace(":", ": ").split()
            continue
        if not isinstance(item, Sequence) or not all(isinstance(each, str) for each in item):
            raise SpecError(f"block strings are a text, a list of texts or a list of lists of them, got {item!r:.60}")
        for position, each in enumerate(item):
            if position and re.search(r"_s[02-9]", each):
                raise refused(each, "s", "timm takes the stride of a stage's first string alone; write s1, or a stage "
                                         "of its own")
            yield each


def _stages(strings: Sequence[BlockString], family: Family) -> Iterator[Stage]:
    channels, stride = family.stem, 2
    for string in strings:
        stride *= string.stride
        if stride > DEEPEST:
            raise refused(string.text, f"s{string.stride}", f"the strides multiply to {stride}, and timm dilates past "
                                                            f"{DEEPEST}, for which mbconv has no parameter")
        first = _block(string, channels, string.stride, family)
        rest = _block(string, string.channels, 1, family) if string.repeats > 1 else first
        try:
            if first == rest:
                yield Stage(first[0], 1, string.repeats, string.channels, string.stride, first[1])
            else:
                yield Stage(first[0], 1, 1, string.channels, string.stride, first[1])
                yield Stage(rest[0], 1, string.repeats - 1, string.channels, 1, rest[1])
        except SpecError as error:
            raise SpecError(f"block string {string.text[:80]!r}: {error}") from None
        channels = string.channels


def _block(string: BlockString, channels: int, stride: int, family: Family) -> tuple[str, dict[str, Choice]]:
    """Block and parameters of one block of a string that takes in `channels`."""
    residual = stride == 1 and channels == string.channels and string.kind in ("ir", "er", "ds")
    if string.noskip and residual:
        raise refused(string.text, "noskip", f"a block of stride 1 from {channels} to {channels} channels has a "
                                             "residual here")
    params: dict[str, Choice] = {"kernel": string.kernel, "act": string.act}
    if string.kind == "cn":
        return _convolution(string, channels, params)
    if string.kind == "dsa":
        if string.se:
            raise refused(string.text, f"se{string.se:g}", "depthwise_separable has no channel attention")
        return "depthwise_separable", params
    inside = channels if string.kind == "ds" else to_eights((string.force_in or channels) * string.expand)
    if inside > MAX_SIZE:
        raise refused(string.text, f"e{string.expand:g}", f"it is {inside} wide inside; at most {MAX_SIZE}")
    params["expand"] = 1 if string.kind == "ds" else _expand(inside, channels, string.expand)
    params |= _attention(string, channels, inside, family)
    return "fused_mbconv" if string.kind == "er" else "mbconv", params


def _convolution(string: BlockString, channels: int, params: dict[str, Choice]) -> tuple[str, dict[str, Choice]]:
    """With a residual it is the fused block that does not expand, which keeps its activation."""
    if string.skip and string.group_size:
        raise refused(string.text, f"gs{string.group_size}", "a convolution with a residual has no groups here")
    if string.skip:
        return "fused_mbconv", {**params, "expand": 1, "se": 0}
    groups, rest = divmod(channels, string.group_size) if string.group_size else (1, 0)
    if rest:
        raise refused(string.text, f"gs{string.group_size}", f"does not divide the {channels} input channels")
    if string.channels % groups:
        raise refused(string.text, f"gs{string.group_size}", f"cuts the {channels} input channels into {groups} "
                                                             f"groups, which do not divide the {string.channels} that "
                                                             "go out")
    return "conv", {**params, "groups": groups}


def _attention(string: BlockString, channels: int, inside: int, family: Family) -> dict[str, Choice]:
    if not string.se:
        return {"se": 0}
    token = f"se{string.se:g}"
    if family.excite:
        kind, squeeze = "hard_se", to_eights(inside * string.se)
    else:
        kind, squeeze = "se", round(inside * (string.se / string.expand))
        act = string.act or family.act
        if act != "silu":
            raise refused(string.text, token, f"squeeze-excite with {act} and a sigmoid has no block here: "
                                              "se has SiLU and a sigmoid, hard_se ReLU and a hard sigmoid")
    if not 1 <= squeeze <= MAX_SIZE:
        raise refused(string.text, token, f"of {channels} input channels it leaves a squeeze of {squeeze} channels")
    return {"se": _squeeze(squeeze, channels, string.se), "attention": kind}


def _expand(inside: int, channels: int, written: float) -> float:
    """The ratio with round(channels x ratio) = inside: as written where that gives it, else the shortest decimal.

    Never 1, at which a block here leaves out its expansion, and timm's ir and er do not: their e1 is 1.01, or less.
    """
    ratio, scale = written, 10
    while ratio == 1 or round(channels * ratio) != inside:
        scale *= 10
        rounded = round(inside / channels * scale) / scale
        ratio = rounded if rounded != 1 else 1 + 1 / scale
    return ratio


def _squeeze(squeeze: int, channels: int, written: float) -> float:
    """The ratio with int(channels x ratio) = squeeze: as written where that gives it, else the shortest decimal."""
    ratio, scale = written, 10
    while int(channels * ratio) != squeeze:
        scale *= 10
        ratio = -(-squeeze * scale // channels) / scale
    return ratio
