"""Everything that is asked before a study starts, so that a mistake costs no trial and leaves nothing behind."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

from nas.arch import Norm
from nas.blocks import BlockIO, BlockSpec
from nas.chain import Placed, refuses, scaled
from nas.choices import Choice, Params, format_choice
from nas.errors import BlockError, NasError, SpecError
from nas.layers import activation, batch_norm
from nas.network import MAX_PARAMETERS, parameters_of, try_block
from nas.space import SearchSpace

Choices: TypeAlias = dict[str, tuple[Choice, ...]]
"""What each key of a stage can be, for one of its blocks."""
_COMBINATIONS = 1024
_DRAWS = 50


def check_space(space: SearchSpace) -> None:
    """Asks every block about every choice, builds each once on the meta device, and draws a few networks.

    Raises:
        SpecError: a choice that no combination makes acceptable, or stages that cannot be built; the key is named.
    """
    for position, stage in enumerate(space.spec.stages):
        for name in stage.block:
            _check_block(space, position, space.blocks[str(name)])
    _check_draws(space)


def _check_block(space: SearchSpace, position: int, spec: BlockSpec) -> None:
    stage = space.spec.stages[position]
    named = {**stage.named, **stage.tables.get(spec.name, {})}
    choices: Choices = {key: tuple(named.get(key, default)) for key, default in spec.params.items()}
    choices |= {"channels": stage.channels, "stride": stage.stride}
    if (refusal := _refusal(space, position, spec, choices)) is not None:
        usual: Choices = {key: tuple(default) for key, default in spec.params.items()}
        usual |= {"channels": tuple(space.channels_before(position)), "stride": (1,)}
        for key, others in usual.items():
            if others != choices[key] and _refusal(space, position, spec, {**choices, key: others}) is None:
                raise _refused(space, position, spec, key, choices[key][0], refusal)
        raise space.spec.error(f"stages[{position}].block", f"block '{spec.name}' cannot be here: {refusal}")
    for key, options in choices.items():
        for choice in options if len(options) > 1 else ():
            if (refusal := _refusal(space, position, spec, {**choices, key: (choice,)})) is not None:
                raise _refused(space, position, spec, key, choice, refusal)


def _refused(
    space: SearchSpace, position: int, spec: BlockSpec, key: str, choice: Choice, refusal: str
) -> SpecError:
    own = f"{spec.name}." if key in space.spec.stages[position].tables.get(spec.name, {}) else ""
    return space.spec.error(
        f"stages[{position}].{own}{key}", f"block '{spec.name}' refuses {format_choice(choice)}: {refusal}"
    )


def _refusal(space: SearchSpace, position: int, spec: BlockSpec, choices: Choices) -> str | None:
    """None as soon as one combination is accepted and builds, else why the first one is refused."""
    network = space.spec.network
    norm = batch_norm(Norm(network.norm.eps, network.norm.momentum))
    act = activation(network.act[0])
    first: str | None = None
    height, width = space.input_shapes[-1][1:]
    for before, *rest in _combinations([tuple(sorted(space.channels_before(position))), *choices.values()]):
        values = dict(zip(choices, rest, strict=True))
        channels, stride = int(str(values.pop("channels"))), int(str(values.pop("stride")))
        io = BlockIO(int(str(before)), channels, stride, norm, act, 0.0)
        params = Params(values)
        refusal = refuses(spec, io, params)
        if refusal is None:
            try:
                try_block(Placed(position, 0, spec, params, io, scaled(height, 2), scaled(width, 2)))
                return None
            except BlockError as error:
                refusal = str(error)
        first = first or refusal
    return first


def _combinations(axes: Sequence[Sequence[Choice]]) -> Iterator[Sequence[Choice]]:
    """All of them, or where they are too many as many at random: the first ones would all share their first values."""
    if math.prod(map(len, axes)) <= _COMBINATIONS:
        yield from product(*axes)
        return
    rng = random.Random(0)
    for _ in range(_COMBINATIONS):
        yield [rng.choice(axis) for axis in axes]


def _check_draws(space: SearchSpace) -> None:
    rng = random.Random(0)
    draws = [{d.name: d.choices[0] for d in space.dimensions}, *(space.draw(rng) for _ in range(_DRAWS))]
    complaint: NasError | None = None
    for values in draws:
        try:
            arch = space.decode(values)
            if (total := parameters_of(arch, space.blocks)) > MAX_PARAMETERS:
                raise SpecError(f"a network of {total:,} parameters is past the {MAX_PARAMETERS:,} that are allowed; "
                                "take fewer channels or repeats")
            return
        except NasError as error:
            complaint = complaint or error
    raise SpecError(f"{space.spec.source}: {complaint}")
