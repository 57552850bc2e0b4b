"""Everything that is asked before a study starts, so that a mistake costs no trial and leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice, product

from nas.blocks import BlockSpec
from nas.choices import Choice, format_choice, told
from nas.errors import NasError, SpecError
from nas.network import try_network
from nas.search.entries import Entry, entries
from nas.search.trying import STAGE_KEYS, Choices, Refusal, Tries, choices_of, combinations
from nas.space import SearchSpace, Values

_DRAWS = 50
_WHOLE = 64
"""Whole networks that are tried, the smallest first, after no draw was one."""


def check_space(space: SearchSpace) -> None:
    """Asks every block about every choice, builds each once on the meta device, and looks for one whole network.

    Raises:
        SpecError: a choice that no combination makes acceptable, or stages that cannot be built; the key is named.
    """
    _check_strides(space)
    tries = Tries(space)
    reached = [sorted(arriving) for arriving in entries(space)]
    for position, stage in enumerate(space.spec.stages):
        for name in stage.block:
            _BlockCheck(space, tries, position, space.blocks[str(name)], reached[position]).run()
    _check_networks(space, tries)


def _check_strides(space: SearchSpace) -> None:
    """Each resolution, and each choice of a stride, must leave some network whose strides the input bears."""
    spec, stem = space.spec, space.spec.network.stem
    side = min(space.input_shapes[0][1:])
    if not entries(space)[-1]:
        side = max(min(shape[1:]) for shape in space.input_shapes)
        place = "input.resolution" if spec.input.resolution else "input.shape"
        raise spec.error(place, f"the input is too small: its shorter side is {side}, {_least(space, {})}\n"
                         "Give a larger input, or fewer stages of stride 2.")
    searched: dict[str, Sequence[Choice]] = {"input.resolution": spec.input.resolution or ()}
    searched |= {"network.stem.stride": stem.stride, "network.stem.pool": stem.pool}
    searched |= {f"stages[{position}].stride": stage.stride for position, stage in enumerate(spec.stages)}
    for place, choices in searched.items():
        for choice in choices if len(choices) > 1 else ():
            fixed = {place: choice}
            if not entries(space, fixed)[-1] and entries(space, fixed, fitting=False)[-1]:
                side = max(entry.side for entry in entries(space, fixed, fitting=False)[-1])
                raise spec.error(place, f"{format_choice(choice)} leaves no network: the input's shorter side is "
                                 f"{side}, {_least(space, fixed)}")


def _least(space: SearchSpace, fixed: dict[str, Choice]) -> str:
    least = min(entry.worst for entry in entries(space, fixed, fitting=False)[-1])
    return f"and the strides of stem and stages multiply to at least {least:g}"


class _BlockCheck:
    """One block of one stage, asked about every choice."""

    def __init__(
        self, space: SearchSpace, tries: Tries, position: int, spec: BlockSpec, arriving: Sequence[Entry]
    ) -> None:
        self._space, self._tries, self._position, self._spec = space, tries, position, spec
        self._arriving = arriving
        self._stage = space.spec.stages[position]
        self._choices = choices_of(space, position, spec)
        table = self._stage.tables.get(spec.name, {})
        self._named = [key for key in spec.params if key in table or key in self._stage.named]
        self._place = {key: f"stages[{position}].{spec.name}.{key}" if key in table else f"stages[{position}].{key}"
                       for key in (*self._named, *STAGE_KEYS)}

    def run(self) -> None:
        """Raises `SpecError` for the first choice that nothing makes acceptable."""
        if (refusal := self._ask(self._choices)) is not None:
            raise self._blame(refusal)
        accepted = self._accepted_together()
        for key, options in self._choices.items():
            for place, choice in enumerate(options if len(options) > 1 else ()):
                if (key, place) in accepted:
                    continue
                refusal = self._ask({**self._choices, key: (choice,)})
                if refusal is None:
                    continue
                if key in self._place:
                    raise self._error(key, (choice,), refusal)
                # The study did not ask for it: what `check` turns down here is left out, what fails is a bug.
                if refusal.built:
                    raise self._space.spec.error(
                        f"stages[{self._position}].block", f"block '{self._spec.name}' fails with its own choice "
                        f"{key} = {format_choice(choice)}: {refusal.why}\nName {key} in the stage to leave it out."
                    )

    def _accepted_together(self) -> set[tuple[str, int]]:
        """Choices, as keys and places, that some combinations have accepted in which every choice stands once."""
        found: set[tuple[str, int]] = set()
        for turn in range(max(map(len, self._choices.values()))):
            places = {key: turn % len(options) for key, options in self._choices.items()}
            values = {key: self._choices[key][place] for key, place in places.items()}
            if any(self._tries.at(self._position, self._spec, entry, values) is None for entry in self._arriving):
                found |= places.items()
        return found

    def _ask(self, choices: Choices) -> Refusal | None:
        return self._tries.first_accepted(self._position, self._spec, self._arriving, choices)

    def _blame(self, refusal: Refusal) -> SpecError:
        """The error of the first key that makes an acceptable block unacceptable."""
        choices = dict(self._choices) | {key: options[:1] for key, options in self._spec.params.items()}
        if (without := self._ask(choices)) is None:
            for key in self._named:
                choices[key] = self._choices[key]
                if (found := self._ask(choices)) is not None:
                    return self._error(key, self._choices[key], found)
            return self._no_place(refusal)
        same = sorted({entry.channels for entry in self._arriving})
        for key, other in (("channels", same), ("stride", (1,)), ("repeats", (1,))):
            if self._ask({**choices, key: other}) is None:
                return self._error(key, self._choices[key], without)
        return self._no_place(without)

    def _no_place(self, refusal: Refusal) -> SpecError:
        told = f"block '{self._spec.name}' cannot stand here: {refusal.why}"
        return self._space.spec.error(f"stages[{self._position}].block", told)

    def _error(self, key: str, options: Sequence[Choice], refusal: Refusal) -> SpecError:
        choice = " and ".join(map(told, options))
        return self._space.spec.error(self._place[key], f"block '{self._spec.name}' refuses {choice}: {refusal.why}")


def _check_networks(space: SearchSpace, tries: Tries) -> None:
    """At least one whole network must be there: a draw is one nearly always, else it is looked for stage by stage."""
    smallest = {d.name: min(d.choices, key=_size) for d in space.dimensions}
    rng = random.Random(0)
    draws = [{d.name: d.choices[0] for d in space.dimensions}, smallest, *(space.draw(rng) for _ in range(_DRAWS))]
    complaints: list[NasError] = []
    for values in draws:
        if (complaint := _complaint(space, values)) is None:
            return
        complaints.append(complaint)
    reached = _beginnings(space)
    for position in range(len(space.spec.stages)):
        before, first = reached, Refusal("nothing that can arrive here is accepted")
        reached = {}
        for entry, chosen in before.items():
            for after, more in _continued(space, tries, position, entry):
                if isinstance(after, Refusal):
                    first = after
                else:
                    reached.setdefault(after, {**chosen, **more})
        if not reached:
            raise space.spec.error(f"stages[{position}]", f"no network of this study can be built: {first.why}")
    for chosen in islice(reached.values(), _WHOLE):
        if _complaint(space, {name: chosen.get(name, choice) for name, choice in smallest.items()}) is None:
            return
    raise SpecError(f"{space.spec.source}: no network of this study can be built: {complaints[1]}")


def _complaint(space: SearchSpace, values: Values) -> NasError | None:
    try:
        try_network(space.decode(values), space.blocks)
    except NasError as error:
        return error
    return None


def _beginnings(space: SearchSpace) -> dict[Entry, Values]:
    """What can arrive at the first stage, and a choice of the stem that makes it so."""
    stem = space.spec.network.stem
    found: dict[Entry, Values] = {}
    for shape, stride, pool in product(space.input_shapes, stem.stride, stem.pool):
        fixed = {"input.resolution": shape[1], "network.stem.stride": stride, "network.stem.pool": pool}
        for entry in entries(space, fixed)[0]:
            found[entry] = {"resolution": shape[1], "stem.stride": stride, "stem.pool": pool,
                            "stem.channels": entry.channels}
    return found


def _continued(
    space: SearchSpace, tries: Tries, position: int, entry: Entry
) -> Iterator[tuple[Entry | Refusal, Values]]:
    """Every feature map that the stage can make of `entry` with one choice that does, and why others are refused."""
    stage, prefix = space.spec.stages[position], f"stage{position}"
    if 0 in stage.repeats and 1 in stage.stride and entry.channels in stage.channels:
        yield entry, {f"{prefix}.repeats": 0, f"{prefix}.stride": 1, f"{prefix}.channels": entry.channels}
    for name in stage.block if any(stage.repeats) else ():
        spec, seen = space.blocks[str(name)], set()
        choices = {key: sorted(options, key=_size) for key, options in choices_of(space, position, spec).items()}
        own = {key for key in spec.params if key in stage.tables.get(spec.name, {}) or key not in stage.named}
        for values in combinations(choices):
            after = entry.behind(int(str(values["channels"])), int(str(values["stride"])), spec.scale)
            if after in seen:
                continue
            if (refusal := tries.at(position, spec, entry, values)) is not None:
                yield refusal, {}
                continue
            seen.add(after)
            yield after, {f"{prefix}.block": name} | {
                f"{prefix}.{spec.name}.{key}" if key in own else f"{prefix}.{key}": value
                for key, value in values.items()
            }


def _size(choice: Choice) -> tuple[bool, float]:
    """Orders choices from small to large; what is no number comes first, in its own order."""
    number = isinstance(choice, int | float) and not isinstance(choice, bool)
    return number, float(choice) if number else 0.0  # type: ignore[arg-type]  # a number
