"""NAS-Bench-Macro (Su et al. 2021, arXiv:2106.08543): its two blocks, and its published accuracies as a metric.

A network of its space is a key of eight digits, one a layer: 0 is `identity`, 1 is `mb3_k3`, 2 is `mb6_k5`. All 6,561
were trained three times on CIFAR-10. An identity that is not the first layer of its width does nothing: keys that
differ only in where those stand are one network here, which gets the accuracy of the key that has them last.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

import nas
from nas_blocks.mbconv import mbconv

LAYERS = ((64, 2), (128, 3), (256, 3))
"""Channels and layers of each width; its first layer halves the map."""
DIGITS: Mapping[str, str] = {"identity": "0", "mb3_k3": "1", "mb6_k5": "2"}
BLOCKS: Mapping[str, str] = {digit: block for block, digit in DIGITS.items()}
OPTIONS: Mapping[str, object] = {"table": "nas-bench-macro_cifar10.json"}
ORIGIN = (
    "It is the file nas-bench-macro_cifar10.json of https://github.com/xiusu/NAS-Bench-Macro.\n"
    "Put it into the current directory, or write its path as table in [columns.macro_accuracy]."
)


def mb3_k3(io: nas.BlockIO) -> nn.Module:
    """The inverted bottleneck of kernel 3 that expands to 3 times its input's channels."""
    return mbconv(io, kernel=3, expand=3)


def mb6_k5(io: nas.BlockIO) -> nn.Module:
    """The inverted bottleneck of kernel 5 that expands to 6 times its input's channels."""
    return mbconv(io, kernel=5, expand=6)


def architecture(key: str) -> nas.Architecture:
    """The network of a key: a stage a layer."""
    digits = iter(key)
    stages = [
        nas.Stage(BLOCKS[next(digits)], 1, 1, channels, 1 if layer else 2)
        for channels, layers in LAYERS
        for layer in range(layers)
    ]
    return nas.Architecture(
        input_shape=(3, 32, 32),
        stages=tuple(stages),
        stem=nas.Stem(channels=32, stride=1, act="relu"),
        head=nas.Head(channels=1280, dropout=0, act="relu"),
        classes=10,
        act="relu",
        norm=nas.Norm(eps=1e-5, momentum=0.1),
        drop_path=0,
    )


def key_of(arch: nas.Architecture) -> str:
    """The key of a network, with the identities that do nothing last in their width.

    Raises:
        MeasureError: with the outcome `invalid`: the network is none of the 6,561.
    """
    if replace(arch, stages=()) != replace(architecture("0" * 8), stages=()):
        raise _outside("input, classes, stem, head, norm, act or drop_path differ")
    layers = []
    for stage in arch.stages:
        if stage.block not in DIGITS:
            raise _outside(f"its layers are {', '.join(DIGITS)}, not {stage.block}")
        strides = [stage.stride] + [1] * (stage.repeats - 1)
        layers += [(stage.channels, stride, DIGITS[stage.block]) for stride in strides]
    key, read = "", 0
    for channels, most in LAYERS:
        own = [(stride, digit) for width, stride, digit in layers if width == channels]
        if [width for width, _, _ in layers[read : read + len(own)]] != [channels] * len(own):
            raise _outside(f"its layers of {channels} channels do not follow each other")
        if not 1 <= len(own) <= most or [stride for stride, _ in own] != [2] + [1] * (len(own) - 1):
            raise _outside(f"{channels} channels have at most {most} layers, of which the first alone has stride 2")
        effective = [digit for _, digit in own[1:] if digit != "0"]
        key += "".join([own[0][1], *effective]).ljust(most, "0")
        read += len(own)
    if read != len(layers):
        raise _outside(f"channels are {', '.join(str(channels) for channels, _ in LAYERS)}")
    return key


def _outside(why: str) -> nas.MeasureError:
    return nas.MeasureError(f"no network of NAS-Bench-Macro: {why}", outcome="invalid")


def macro_accuracy(context: nas.MetricContext) -> nas.Estimate:
    """The published test accuracy in percent, the mean of three trainings, which are its samples.

    Raises:
        MeasureError: the network is not in the table, or the table cannot be read any more.
    """
    key = key_of(context.arch)
    content, problem = _read(context.options)
    if problem:
        raise nas.MeasureError(problem)
    row = _rows(content)[key]
    return nas.Estimate(row["mean_acc"], samples=row["test_acc"], conditions={"key": key})


def check(setting: nas.Setting) -> str | None:
    """Why there is no table at the path of the option `table`."""
    content, problem = _read(setting.options)
    if problem:
        return problem
    try:
        rows = _rows(content)
        for digits in product(BLOCKS, repeat=8):
            key = "".join(digits)
            figures = [rows[key]["mean_acc"], *rows[key]["test_acc"]]
            if len(figures) == 1 or not all(isinstance(each, int | float) and math.isfinite(each) for each in figures):
                raise ValueError(f"{key}: its accuracies are not finite numbers")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        cause = f"{type(error).__name__}: {str(error)[:60]}"
        return f"table = {str(setting.options['table'])!r} is not the table of NAS-Bench-Macro ({cause}).\n{ORIGIN}"
    return None


def conditions(setting: nas.Setting) -> Mapping[str, object]:
    """The content of the table."""
    return {"table_sha256": hashlib.sha256(_read(setting.options)[0]).hexdigest()}


def _read(options: Mapping[str, object]) -> tuple[bytes, str]:
    """The content of the table's file, and else what is wrong with the path."""
    path = options["table"]
    if not isinstance(path, str):
        return b"", f"table = {path!r} must be a path, in quotes"
    try:
        return Path(path).expanduser().read_bytes(), ""
    except FileNotFoundError:
        return b"", f"table = {path!r}: there is no such file.\n{ORIGIN}"
    except (OSError, ValueError) as error:
        return b"", f"table = {path!r} cannot be read: {getattr(error, 'strerror', None) or error}"


@functools.lru_cache(maxsize=1)
def _rows(content: bytes) -> dict[str, Any]:
    """The table of a file's content, kept for the next network."""
    rows: dict[str, Any] = json.loads(content)
    return rows


@nas.hookimpl
def nas_blocks() -> Iterable[nas.BlockSpec]:
    """The two blocks beside `identity`."""
    yield nas.BlockSpec("mb3_k3", version=1, build=mb3_k3)
    yield nas.BlockSpec("mb6_k5", version=1, build=mb6_k5)


@nas.hookimpl
def nas_metrics() -> Iterable[nas.MetricSpec]:
    """The metric `macro_accuracy`."""
    yield nas.MetricSpec(
        name="macro_accuracy",
        unit="%",
        direction="maximize",
        version=1,
        compute=macro_accuracy,
        cost="cheap",
        options=OPTIONS,
        check=check,
        conditions=conditions,
        seeded=False,
    )
