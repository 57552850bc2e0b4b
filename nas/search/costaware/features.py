"""What a model sees of a network: numbers for each part of it, that follow from what the part is, not from the choice.

Where a stage was left out, another choice may be the same network with another stage left out. Of stages with the same
choices those that are there are moved up (`nas.search.costaware.networks`); of others the numbers may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nas.arch import Stage
from nas.choices import Choice, format_choice
from nas.space import SearchSpace

Vector = NDArray[np.float64]

APART = 0.5**0.5
"""Between two categories lies a distance of 1, as between the two ends of what is ordered."""


@dataclass(frozen=True)
class Scale:
    """The columns of one choice: a number from 0 to 1 by its rank where all are numbers, else a column each."""

    choices: tuple[Choice, ...]
    ordered: bool
    _known: dict[str, Vector] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, choices: Sequence[Choice]) -> Scale:
        """Of the choices of one dimension, each counted once."""
        distinct = tuple({format_choice(choice): choice for choice in choices}.values())
        numbers = [choice for choice in distinct if isinstance(choice, int | float) and not isinstance(choice, bool)]
        if len(numbers) == len(distinct):
            return cls(tuple(sorted(numbers)), ordered=True)
        return cls(distinct, ordered=False)

    @property
    def width(self) -> int:
        """How many columns; none where there is nothing to choose."""
        return 0 if len(self.choices) < 2 else 1 if self.ordered else len(self.choices)

    def at(self, choice: Choice) -> Vector:
        """The columns at a choice; of one that is not among them (what has no effect stands at a default), all 0."""
        text = format_choice(choice)
        if text not in self._known:
            texts = [format_choice(one) for one in self.choices]
            place = texts.index(text) if text in texts else None
            columns = np.zeros(self.width)
            if place is not None and self.width:
                columns[:] = place / (len(texts) - 1) if self.ordered else [APART * (one == text) for one in texts]
            self._known[text] = columns
        return self._known[text]


class StageScales:
    """The columns of the stage at one position of a space: its block, or none, and whatever can be chosen of it."""

    def __init__(self, space: SearchSpace, position: int) -> None:
        section = space.spec.stages[position]
        left_out: tuple[Choice, ...] = (None,)  # also where the block turns out to do nothing
        self._block = Scale.of((*section.block, *left_out))
        self._own = {key: Scale.of(getattr(section, key)) for key in ("repeats", "channels", "stride")}
        choices: dict[str, list[Choice]] = {}
        for name in map(str, section.block):
            for key, default in space.blocks[name].params.items():
                given = section.tables.get(name, {}).get(key, section.named.get(key, default))
                choices.setdefault(key, []).extend(given)
        self._params = {key: Scale.of(given) for key, given in choices.items()}
        scales = (self._block, *self._own.values(), *self._params.values())
        self.width = sum(scale.width for scale in scales)

    def of(self, stage: Stage | None, channels: int) -> Vector:
        """Of a canonical stage; of one that is not there, through which `channels` pass."""
        if stage is None:
            own: Mapping[str, Choice] = {"repeats": 0, "channels": channels, "stride": 1}
            params: Mapping[str, Choice] = {}
        else:
            own = {key: getattr(stage, key) for key in self._own}
            params = stage.params
        columns = [self._block.at(stage.block if stage else None)]
        columns += [scale.at(own[key]) for key, scale in self._own.items()]
        columns += [scale.at(params[key]) if key in params else np.zeros(scale.width)
                    for key, scale in self._params.items()]
        return np.concatenate(columns)
