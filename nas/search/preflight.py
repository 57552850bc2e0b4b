"""Everything that is asked before a study starts, so that a mistake costs no trial and leaves nothing behind."""

from __future__ import annotations

import random
from itertools import islice, product

from nas.arch import Norm
from nas.blocks import BlockIO, BlockSpec
from nas.chain import Placed, refuses, scaled
from nas.choices import Choice, Params, format_choice
from nas.errors import BlockError, NasError, SpecError
from nas.layers import activation, batch_norm
from nas.network import MAX_PARAMETERS, parameters_of, try_block
from nas.space import SearchSpace

_COMBINATIONS = 256
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
    choices: dict[str, tuple[Choice, ...]] = {
        key: tuple(named.get(key, default)) for key, default in spec.params.items()
    }
    choices |= {"channels": stage.channels, "stride": stage.stride}
    for key, options in choices.items():
        for choice in options:
            fixed = {**choices, key: (choice,)}
            if (refusal := _first_refusal(space, position, spec, fixed)) is not None:
                place = f"stages[{position}].{key}"
                if key in stage.tables.get(spec.name, {}):
                    place = f"stages[{position}].{spec.name}.{key}"
                raise space.spec.error(place, f"block '{spec.name}' refuses {format_choice(choice)}: {refusal}")


def _first_refusal(
    space: SearchSpace, position: int, spec: BlockSpec, choices: dict[str, tuple[Choice, ...]]
) -> str | None:
    """None as soon as one combination is accepted and builds, else why the first one was refused."""
    network = space.spec.network
    norm = batch_norm(Norm(network.norm.eps, network.norm.momentum))
    try:
        act = activation(network.act[0])
    except SpecError as error:
        raise space.spec.error("network.act", error) from None
    first: str | None = None
    height, width = space.input_shapes[-1][1:]
    combinations = product(sorted(space.channels_before(position)), *choices.values())
    for before, *rest in islice(combinations, _COMBINATIONS):
        values = dict(zip(choices, rest, strict=True))
        channels, stride = int(str(values.pop("channels"))), int(str(values.pop("stride")))
        io = BlockIO(int(str(before)), channels, stride, norm, act, 0.0)
        params = Params(values)
        refusal = refuses(spec, io, params)
        if refusal is None:
            try:
                try_block(Placed(position, 0, spec, params, io, scaled(height, 2), scaled(width, 2)))
            except BlockError as error:
                return str(error)
            return None
        first = first or refusal
    return first


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
