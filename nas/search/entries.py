"""What a stage can be given: every feature map that the choices of stem and earlier stages let arrive at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nas.chain import scaled
from nas.choices import Choice
from nas.space import SearchSpace

Fixed = Mapping[str, Choice]
"""Keys of the study file, `stages[1].stride`, at one of their choices."""

C = TypeVar("C")


@dataclass(frozen=True, order=True)
class Entry:
    """A feature map of (channels, height, width); `side` is the input's shorter one, `stride` the product of strides
    so far, `worst` the largest that it was. Where `side < worst` the input is too small.
    """

    channels: int
    height: int
    width: int
    side: int
    stride: float
    worst: float

    def behind(self, channels: int, stride: int, scale: str) -> Entry:
        """What a block makes of it."""
        total = self.stride / stride if scale == "up" else self.stride * stride
        height, width = scaled(self.height, stride, scale), scaled(self.width, stride, scale)
        return Entry(channels, height, width, self.side, total, max(self.worst, total))

    @property
    def fits(self) -> bool:
        """Whether the input is large enough for the strides so far."""
        return self.side >= self.worst


def entries(space: SearchSpace, fixed: Fixed | None = None, *, fitting: bool = True) -> list[set[Entry]]:
    """For each stage the feature maps that can arrive at it, and last those that can arrive at the head.

    Args:
        fixed: choices to look at alone.
        fitting: leave out those for whose strides the input is too small.
    """
    fixed = fixed or {}
    reached = [{entry for entry in _behind_stem(space, fixed) if entry.fits or not fitting}]
    for position in range(len(space.spec.stages)):
        arriving = {
            after for entry in reached[-1] for after in _behind_stage(space, position, entry, fixed)
            if after.fits or not fitting
        }
        reached.append(arriving)
    return reached


def _behind_stem(space: SearchSpace, fixed: Fixed) -> Iterator[Entry]:
    stem = space.spec.network.stem
    for _, height, width in space.input_shapes:
        if fixed.get("input.resolution", height) != height:
            continue
        for stride in _choices(fixed, "network.stem.stride", stem.stride):
            for pool in _choices(fixed, "network.stem.pool", stem.pool):
                total = stride * (2 if pool else 1)
                for channels in stem.channels:
                    yield Entry(channels, scaled(height, total), scaled(width, total), min(height, width), total, total)


def _behind_stage(space: SearchSpace, position: int, entry: Entry, fixed: Fixed) -> Iterator[Entry]:
    stage = space.spec.stages[position]
    scales = {space.blocks[str(name)].scale for name in stage.block}
    for stride in _choices(fixed, f"stages[{position}].stride", stage.stride):
        for channels in stage.channels:
            if 0 in stage.repeats and stride == 1 and channels == entry.channels:
                yield entry
            if any(stage.repeats):
                for scale in scales:
                    yield entry.behind(channels, stride, scale)


def _choices(fixed: Fixed, key: str, choices: Sequence[C]) -> Sequence[C]:
    return [choice for choice in choices if choice == fixed[key]] if key in fixed else choices
