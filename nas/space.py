"""The search space of a study: which parameters are suggested, and which network a choice of all of them is.

Every parameter of every stage is always suggested, since a space of fixed dimension is what samplers model best. What
has no effect in one choice is collapsed afterwards, so that two choices of one network decode to one architecture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.blocks import RESERVED, BlockRegistry, BlockSpec, never
from nas.canonical import canonicalise
from nas.choices import Choice, Params, format_choice, normalise
from nas.errors import BlockError, SpecError, nearest
from nas.spec import StageSection, StudySpec

Values = Mapping[str, Choice]
"""A choice of every dimension, by the dimension's name."""


@dataclass(frozen=True)
class Dimension:
    """One parameter that is searched: `stage2.kernel`, and what it can be."""

    name: str
    choices: tuple[Choice, ...]


class SearchSpace:
    """The space that a study file spans over the blocks that are known.

    Raises:
        SpecError: the file names a block or a parameter that there is not, or stages that cannot follow each other.
    """

    def __init__(self, spec: StudySpec, blocks: BlockRegistry) -> None:
        self.spec = spec
        self.blocks = blocks
        self._all: dict[str, tuple[Choice, ...]] = {}
        self._declare_network()
        for position, stage in enumerate(spec.stages):
            self._declare_stage(position, stage)

    def _declare_network(self) -> None:
        network, stem, head = self.spec.network, self.spec.network.stem, self.spec.network.head
        if self.spec.input.resolution:
            self._all["resolution"] = self.spec.input.resolution
        self._all |= {"act": network.act, "drop_path": network.drop_path}
        self._all |= {f"stem.{key}": getattr(stem, key) for key in ("channels", "kernel", "stride", "pool")}
        self._all |= {f"head.{key}": getattr(head, key) for key in ("channels", "hidden", "dropout")}
        for part, section in (("stem", stem), ("head", head)):
            if section.act is not None:
                self._all[f"{part}.act"] = section.act

    def _declare_stage(self, position: int, stage: StageSection) -> None:
        specs = {name: self._block(position, name) for name in stage.block}
        for key in stage.named:
            if not any(key in spec.params for spec in specs.values()):
                known = {name for spec in specs.values() for name in spec.params} | RESERVED
                raise self._error(
                    f"stages[{position}].{key}",
                    f"none of the blocks {', '.join(specs)} has a parameter "
                    f"'{key}'{nearest(key, known)}; they have {', '.join(sorted(known - RESERVED)) or 'none'}",
                )
        for name, table in stage.tables.items():
            if name not in specs:
                raise self._error(
                    f"stages[{position}].{name}",
                    f"a table of the parameters of block '{name}', which is "
                    f"not among this stage's blocks {', '.join(specs)}{nearest(name, specs)}",
                )
            for key in table:
                if key not in specs[name].params:
                    raise self._error(
                        f"stages[{position}].{name}.{key}",
                        f"block '{name}' has no parameter '{key}'"
                        f"{nearest(key, specs[name].params)}; it has {', '.join(specs[name].params) or 'none'}",
                    )
        prefix = f"stage{position}"
        self._all |= {f"{prefix}.{key}": getattr(stage, key) for key in ("block", "repeats", "channels", "stride")}
        self._all |= {f"{prefix}.{key}": choices for key, choices in stage.named.items()}
        for spec in specs.values():
            for key, choices in spec.params.items():
                if key in stage.tables.get(spec.name, {}):
                    self._all[f"{prefix}.{spec.name}.{key}"] = stage.tables[spec.name][key]
                elif key not in stage.named:
                    self._all[f"{prefix}.{spec.name}.{key}"] = tuple(map(normalise, choices))
        self._check_leaving_out(position, stage)

    def _check_leaving_out(self, position: int, stage: StageSection) -> None:
        """`repeats = 0` leaves a stage out, which must be possible in some choice of the strides and channels."""
        if 0 not in stage.repeats:
            return
        before = self.channels_before(position)
        if 1 not in stage.stride:
            raise self._error(
                f"stages[{position}].repeats",
                "0 leaves the stage out, which its stride of 2 forbids; write stride = 1, or repeats from 1",
            )
        if not before & set(stage.channels):
            raise self._error(
                f"stages[{position}].repeats",
                f"0 leaves the stage out, but it would change the channels "
                f"from {_either(before)} to {_either(stage.channels)}",
            )

    def channels_before(self, position: int) -> set[int]:
        """Every number of channels that the stage at `position` can take in."""
        possible = set(self.spec.network.stem.channels)
        for stage in self.spec.stages[:position]:
            possible = set(stage.channels) | (possible & set(stage.channels) if 0 in stage.repeats else set())
        return possible

    def _block(self, position: int, name: Choice) -> BlockSpec:
        try:
            return self.blocks[str(name)]
        except BlockError as error:
            raise self._error(f"stages[{position}].block", error) from None

    def _error(self, place: str, message: object) -> SpecError:
        return self.spec.error(place, message)

    @property
    def all_choices(self) -> Mapping[str, tuple[Choice, ...]]:
        """What can be chosen, single choices included."""
        return self._all

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What is searched, in the order of the file. A single choice is fixed, not searched."""
        return tuple(Dimension(name, choices) for name, choices in self._all.items() if len(choices) > 1)

    @cached_property
    def size(self) -> int:
        """How many choices of all dimensions there are; of distinct networks there may be fewer."""
        return math.prod(len(dimension.choices) for dimension in self.dimensions)

    @cached_property
    def input_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Every (channels, height, width) that a candidate can have."""
        channels, height, width = self.spec.input.shape
        resolutions = self.spec.input.resolution
        return tuple((channels, side, side) for side in resolutions) if resolutions else ((channels, height, width),)

    def decode(self, values: Values) -> Architecture:
        """The canonical architecture of a choice of every dimension.

        Raises:
            SpecError, BlockError: this choice is no network (a block refuses its place, a left-out stage would change
                channels, the input is too small), and why.
        """
        chosen = {name: choices[0] for name, choices in self._all.items()} | dict(values)
        arch = replace(self.decode_ends(chosen), stages=tuple(self._decode_stages(chosen)))
        return canonicalise(arch, self.blocks)

    def decode_ends(self, chosen: Values) -> Architecture:
        """Input, stem, head and what else is not of a stage, of a choice of everything; without a stage."""
        channels, height, width = self.spec.input.shape
        if "resolution" in chosen:
            height = width = int(str(chosen["resolution"]))
        act = str(chosen["act"])
        stem = {key: chosen[f"stem.{key}"] for key in ("channels", "kernel", "stride", "pool")}
        head = {key: chosen[f"head.{key}"] for key in ("channels", "hidden", "dropout")}
        return Architecture(
            input_shape=(channels, height, width),
            stages=(),
            stem=Stem(**stem, act=str(chosen.get("stem.act", act))),  # type: ignore[arg-type]  # Stem checks them
            head=Head(**head, act=str(chosen.get("head.act", act))),  # type: ignore[arg-type]
            classes=self.spec.input.classes,
            act=act,
            norm=Norm(self.spec.network.norm.eps, self.spec.network.norm.momentum),
            drop_path=chosen["drop_path"],  # type: ignore[arg-type]
        )

    def _decode_stages(self, chosen: Values) -> Iterator[Stage]:
        before = int(str(chosen["stem.channels"]))
        for position in range(len(self.spec.stages)):
            stage = self.decode_stage(chosen, position, before)
            if stage is not None:
                yield stage
                before = stage.channels

    def decode_stage(self, chosen: Values, position: int, before: int) -> Stage | None:
        """The stage at `position` of a choice of everything that concerns it, at which `before` channels arrive; None
        where it is left out.

        Raises:
            SpecError: it is left out, and would have changed channels or stride.
        """
        prefix = f"stage{position}"
        repeats, channels, stride = (chosen[f"{prefix}.{key}"] for key in ("repeats", "channels", "stride"))
        if repeats != 0:
            return self._decode_stage(chosen, position)
        if stride != 1 or channels != before:
            raise SpecError(
                f"stages[{position}]: repeats = 0 leaves it out, but it changes {before} channels "
                f"to {channels} at stride {stride}"
            )
        return None

    def _decode_stage(self, chosen: Values, position: int) -> Stage:
        prefix = f"stage{position}"
        spec = self.blocks[str(chosen[f"{prefix}.block"])]
        repeats, channels, stride = (chosen[f"{prefix}.{key}"] for key in ("repeats", "channels", "stride"))
        params = {}
        for key in spec.params:
            own = f"{prefix}.{spec.name}.{key}"
            params[key] = chosen[own if own in chosen else f"{prefix}.{key}"]
        return Stage(spec.name, spec.version, repeats, channels, stride, Params(params))  # type: ignore[arg-type]

    def everything(self) -> Iterator[Values]:
        """Every choice of all dimensions, in order; `size` of them."""
        names = [dimension.name for dimension in self.dimensions]
        for combination in product(*(dimension.choices for dimension in self.dimensions)):
            yield dict(zip(names, combination, strict=True))

    def draw(self, rng: random.Random) -> Values:
        """A choice of every dimension, uniformly at random."""
        return {dimension.name: rng.choice(dimension.choices) for dimension in self.dimensions}

    def neighbour(self, values: Values, rng: random.Random) -> Values:
        """`values` with one dimension chosen anew, and each further one with a chance of one in how many there are."""
        if not self.dimensions:
            return dict(values)
        sure = rng.randrange(len(self.dimensions))
        changed = dict(values)
        for index, dimension in enumerate(self.dimensions):
            if index == sure or rng.random() < 1 / len(self.dimensions):
                now = format_choice(values[dimension.name])
                others = [choice for choice in dimension.choices if format_choice(choice) != now]
                changed[dimension.name] = rng.choice(others)
        return changed

    def encode(self, arch: Architecture) -> Values:
        """A choice of every dimension that decodes to `arch`: the inverse of `decode`.

        Raises:
            SpecError: the architecture does not lie in this space; the first thing that differs is named.
            BlockError: the architecture is none of blocks that are known.
        """
        arch = canonicalise(arch, self.blocks)
        wanted: dict[str, Choice] = {"act": arch.act, "drop_path": arch.drop_path, "resolution": arch.input_shape[1]}
        for part, section in (("stem", arch.stem), ("head", arch.head)):
            wanted |= {f"{part}.{key}": value for key, value in vars(section).items()}
        chosen = {}
        for name, choices in self._all.items():
            if name in wanted:
                chosen[name] = self._pick(name, choices, wanted[name])
        stages = self._encode_stages(arch, 0, 0, arch.stem.channels)
        values = {d.name: {**chosen, **stages}.get(d.name, d.choices[0]) for d in self.dimensions}
        found = self.decode(values)
        if found != arch:
            raise SpecError(f"not in this space: {_first_difference(found, arch)}")
        return values

    def _pick(self, name: str, choices: tuple[Choice, ...], wanted: Choice) -> Choice:
        for choice in choices:
            if format_choice(choice) == format_choice(normalise(wanted)):
                return choice
        raise SpecError(
            f"not in this space: {name} is {format_choice(normalise(wanted))}, "
            f"the study has {', '.join(map(format_choice, choices))}"
        )

    def _encode_stages(self, arch: Architecture, done: int, position: int, before: int) -> dict[str, Choice]:
        """Matches the stages of `arch` behind the first `done` with the study's from `position` on; a stage of the
        study may be left out or idle.
        """
        left = arch.stages[done:]
        if position == len(self.spec.stages):
            if left:
                raise SpecError(f"not in this space: it has {len(left)} stages more than the study")
            return {}
        complaint = SpecError(f"not in this space: the study's stages[{position}] has no counterpart in it")
        if left:
            try:
                own = self._encode_stage(replace(arch, stages=left[:1]), position, before)
                return own | self._encode_stages(arch, done + 1, position + 1, left[0].channels)
            except SpecError as error:
                complaint = error
        for idle in self._idle(position, before):
            try:
                return idle | self._encode_stages(arch, done, position + 1, before)
            except SpecError:
                continue
        raise complaint

    def _encode_stage(self, arch: Architecture, position: int, before: int) -> dict[str, Choice]:
        """The choices of the study's stage that give the only stage of `arch`, which takes in `before` channels.

        What has no effect stands at a value of the block's own, which need not be among the choices: the first choice
        that comes out as this stage will do.
        """
        prefix, (stage,) = f"stage{position}", arch.stages
        wanted: dict[str, Choice] = {
            f"{prefix}.{key}": getattr(stage, key) for key in ("block", "channels", "stride", "repeats")
        }
        for key, value in stage.params.items():
            own = f"{prefix}.{stage.block}.{key}"
            wanted[own if own in self._all else f"{prefix}.{key}"] = value
        found: dict[str, Choice] = {}
        missing: dict[str, SpecError] = {}
        for name, value in wanted.items():
            try:
                found[name] = self._pick(name, self._all.get(name, ()), value)
            except SpecError as error:
                if name in (f"{prefix}.block", f"{prefix}.channels", f"{prefix}.stride"):
                    raise
                missing[name] = error
        for guess in product(*(self._all[name] for name in missing)) if missing else ():
            guessed = found | dict(zip(missing, guess, strict=True))
            if self._gives(guessed, arch, position, before):
                return guessed
        if missing:
            raise next(iter(missing.values()))
        return found

    def _gives(self, chosen: Values, arch: Architecture, position: int, before: int) -> bool:
        every = {name: choices[0] for name, choices in self._all.items()} | dict(chosen)
        stem = replace(arch.stem, channels=before)
        try:
            stages = (self._decode_stage(every, position),)
            return canonicalise(replace(arch, stem=stem, stages=stages), self.blocks).stages == arch.stages
        except (SpecError, BlockError):
            return False

    def _idle(self, position: int, before: int) -> Iterator[dict[str, Choice]]:
        """The choices that may make the stage at `position` nothing at all."""
        prefix, stage = f"stage{position}", self.spec.stages[position]
        if 1 not in stage.stride or before not in stage.channels:
            return
        place: dict[str, Choice] = {f"{prefix}.stride": 1, f"{prefix}.channels": before}
        if 0 in stage.repeats:
            yield place | {f"{prefix}.repeats": 0}
        for name in stage.block:
            if self.blocks[name].noop is not never:
                yield place | {f"{prefix}.block": name, f"{prefix}.repeats": max(stage.repeats)}


def _either(choices: set[int] | tuple[int, ...]) -> str:
    return " or ".join(format_choice(choice) for choice in sorted(choices))


def _first_difference(found: Architecture, wanted: Architecture) -> str:
    for ours, theirs in zip(found.text.split(), wanted.text.split(), strict=False):
        if ours != theirs:
            return f"it has {theirs}, the study {ours}"
    return f"it has {len(wanted.stages)} stages, the study {len(found.stages)}"
