"""Blocks tried at their places: asked by `check`, and built once on the meta device. No place is tried twice."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from nas.arch import Norm
from nas.blocks import BlockIO, BlockSpec
from nas.chain import Placed, refuses
from nas.choices import Choice, Params
from nas.errors import BlockError, SpecError
from nas.layers import activation, batch_norm
from nas.network import MAX_PARAMETERS, try_block
from nas.search.entries import Entry
from nas.space import SearchSpace

MAX_TRIED = 20_000
"""Combinations that are asked about. A space of which fewer than one in so many can be built is no space to search:
the proposals would never meet it."""
MAX_BUILT = 256
"""Combinations that are built, where `check` accepts them and their build fails."""

Choices = Mapping[str, Sequence[Choice]]
STAGE_KEYS = ("channels", "stride", "repeats")


@dataclass(frozen=True)
class Refusal:
    """Why a block does not take a place; `built` where its `check` had accepted what its build does not."""

    why: str
    built: bool = False


def combinations(choices: Choices) -> Iterator[dict[str, Choice]]:
    """Every combination if there are not too many, else as many drawn at random, the same ones each time."""
    if math.prod(map(len, choices.values())) <= MAX_TRIED:
        for values in product(*choices.values()):
            yield dict(zip(choices, values, strict=True))
        return
    rng = random.Random(0)
    for _ in range(MAX_TRIED):
        yield {key: rng.choice(options) for key, options in choices.items()}


def choices_of(space: SearchSpace, position: int, spec: BlockSpec) -> dict[str, Sequence[Choice]]:
    """What a block can be told in a stage: its parameters, and the stage's channels, stride and repeats (from 1)."""
    stage = space.spec.stages[position]
    named = {**stage.named, **stage.tables.get(spec.name, {})}
    choices: dict[str, Sequence[Choice]] = {key: named.get(key, default) for key, default in spec.params.items()}
    repeats = [number for number in stage.repeats if number] or [1]
    return choices | {"channels": stage.channels, "stride": stage.stride, "repeats": repeats}


class Tries:
    """Tries blocks of one space, and remembers what came of it."""

    def __init__(self, space: SearchSpace) -> None:
        self._norm = batch_norm(Norm(space.spec.network.norm.eps, space.spec.network.norm.momentum))
        self._act = activation(space.spec.network.act[0])
        self._drop_path = max(float(rate) for rate in space.spec.network.drop_path)
        self._built: dict[object, Refusal | None] = {}

    def first_accepted(
        self, position: int, spec: BlockSpec, entries: Sequence[Entry], choices: Choices
    ) -> Refusal | None:
        """None as soon as one combination at one of the entries is accepted and builds, else why the first was not."""
        first: Refusal | None = None
        built = 0
        for values in combinations({"": range(len(entries)), **choices}):
            entry = entries[int(str(values.pop("")))]
            refusal = self.at(position, spec, entry, values)
            if refusal is None:
                return None
            if first is None or (refusal.built and not first.built):
                first = refusal
            built += refusal.built
            if built == MAX_BUILT:
                break
        return first or Refusal("no input of this study is large enough for the strides before it")

    def at(self, position: int, spec: BlockSpec, entry: Entry, values: Mapping[str, Choice]) -> Refusal | None:
        """Why the blocks of a stage do not take what arrives as `entry`, or None. `values` has the stage's keys too."""
        channels, stride, repeats = (int(str(values[key])) for key in STAGE_KEYS)
        params = Params({key: value for key, value in values.items() if key not in STAGE_KEYS})
        after = entry.behind(channels, stride, spec.scale)
        if not after.fits:
            return Refusal(f"the strides multiply to {after.worst:g}, and the input's shorter side is {entry.side}")
        first = BlockIO(entry.channels, channels, stride, self._norm, self._act, self._drop_path)
        places = [Placed(position, 0, spec, params, first, entry.height, entry.width)]
        if repeats > 1:
            rest = replace(first, in_channels=channels, stride=1)
            places.append(Placed(position, 1, spec, params, rest, after.height, after.width))
        for placed in places:
            if (why := refuses(spec, placed.io, params)) is not None:
                return Refusal(why)
        for placed in places:
            if (refusal := self._build(placed)) is not None:
                return refusal
        return None

    def _build(self, placed: Placed) -> Refusal | None:
        io = placed.io
        key = (placed.stage, placed.index, placed.spec.name, placed.params, io.in_channels, io.out_channels, io.stride,
               placed.height, placed.width)
        if key not in self._built:
            try:
                total = try_block(placed)
            except (BlockError, SpecError) as error:
                self._built[key] = Refusal(str(error), built=True)
            else:
                giant = f"one block of {total:,} parameters is past the {MAX_PARAMETERS:,} that a network may have"
                self._built[key] = Refusal(giant, built=True) if total > MAX_PARAMETERS else None
        return self._built[key]
