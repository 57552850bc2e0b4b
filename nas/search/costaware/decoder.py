"""Thousands of choices of a space at once, each as the network that it is, with all that is free to know of it.

Decoding one choice takes half a millisecond, and so does its cost. Networks of one space share their parts, though: a
stage depends on its own choices and on what arrives at it. Each part is decoded and counted once, by the same code
that decodes and counts an architecture; a network is a row of parts, and its cost their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.blocks import BlockIO
from nas.canonical import canonical_stage
from nas.chain import refuses, stem_shape
from nas.choices import Choice, format_choice
from nas.cost.count import count_head, count_stage, count_stem
from nas.cost.table import CostTable, CountedBlocks
from nas.errors import BlockError, SpecError
from nas.layers import activation, batch_norm
from nas.search.costaware.features import Scale, StageScales, Vector
from nas.search.costaware.networks import COSTS, Codes, Networks
from nas.search.entries import Entry
from nas.space import SearchSpace, Values


@dataclass(frozen=True)
class Part:
    """A stem, a stage or a head where it stands. `value` 0: it is not there."""

    value: int
    behind: int
    costs: Vector
    features: Vector


class _Place:
    """The parts that can stand at one place, by what arrives there and the choices that they depend on."""

    def __init__(self, columns: Sequence[int], decode: Callable[[int, Codes], Part | None], width: int) -> None:
        self._columns, self._decode = list(columns), decode
        self._known: dict[bytes, int] = {}
        self._values, self._behind = [0], [0]  # the first one is what cannot be
        self._costs, self._features = [np.zeros(len(COSTS))], [np.zeros(width)]
        self._tables: tuple[NDArray[np.int32], NDArray[np.int32], Vector, Vector] | None = None

    def at(
        self, codes: Codes, arriving: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], Vector, Vector]:
        """Values, what arrives behind (0 where it cannot be), costs and features of the part of each row."""
        rows = np.ascontiguousarray(np.column_stack([arriving, codes[:, self._columns]]), dtype=np.int32)
        keys: list[bytes] = rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel().tolist()
        places = [self._known.get(key, -1) for key in keys]
        for row, place in enumerate(places):
            if place < 0:
                places[row] = self._known[keys[row]] if keys[row] in self._known else self._add(keys[row], rows[row])
        if self._tables is None:
            self._tables = (np.array(self._values, dtype=np.int32), np.array(self._behind, dtype=np.int32),
                            np.array(self._costs), np.array(self._features))
        found = np.array(places, dtype=np.intp)
        values, behind, costs, features = self._tables
        return values[found], behind[found], costs[found], features[found]

    def _add(self, key: bytes, row: NDArray[np.int32]) -> int:
        part = self._decode(int(row[0]), row[1:]) if row[0] >= 0 else None
        place = 0
        if part is not None:
            place = len(self._values)
            self._values.append(part.value)
            self._behind.append(part.behind)
            self._costs.append(part.costs)
            self._features.append(part.features)
            self._tables = None
        self._known[key] = place
        return place


class Decoder:
    """Makes networks of choices of one space; what it has seen once it knows."""

    def __init__(self, space: SearchSpace, table: CostTable) -> None:
        self.space = space
        self.choices = tuple(dimension.choices for dimension in space.dimensions)
        self._places = [
            {format_choice(choice): place for place, choice in enumerate(choices)} for choices in self.choices
        ]
        self._names = [dimension.name for dimension in space.dimensions]
        self._table = table
        self._arriving: dict[tuple[Entry, str], int] = {}  # with the network's activation, which blocks are told
        self._entries: list[tuple[Entry, str]] = []
        self._interned: dict[object, int] = {}
        norm = space.spec.network.norm
        self._norm = Norm(norm.eps, norm.momentum)
        self._fixed = {name: choices[0] for name, choices in space.all_choices.items()}
        stages = len(space.spec.stages)
        own = [self._of(f"stage{position}.") for position in range(stages)]
        ends = [place for place in range(len(self._names)) if not any(place in columns for columns in own)]
        self._scales = [StageScales(space, position) for position in range(stages)]
        self._end_scales = {place: Scale.of(self.choices[place]) for place in ends}
        self._stem = _Place(ends, self._decode_stem(ends), sum(scale.width for scale in self._end_scales.values()))
        self._stages = [
            _Place(columns, self._decode_stage(position, columns), self._scales[position].width)
            for position, columns in enumerate(own)
        ]
        self._heads = _Place(ends, self._decode_head(ends), 0)
        self._runs = list(_runs(space))

    def _of(self, prefix: str) -> list[int]:
        return [place for place, name in enumerate(self._names) if name.startswith(prefix)]

    def encode(self, values: Values) -> Codes:
        """(dimensions,) of a choice of every dimension."""
        return np.array([places[format_choice(values[name])]
                         for name, places in zip(self._names, self._places, strict=True)], dtype=np.int32)

    def values(self, codes: Codes) -> Values:
        """The choice of every dimension of one row of codes."""
        return {name: choices[place]
                for name, choices, place in zip(self._names, self.choices, codes.tolist(), strict=True)}

    def networks(self, codes: Codes) -> Networks:
        """Those of (n, dimensions) choices that are networks.

        Raises:
            StoreError: the cost table lies in a database that cannot be read.
        """
        return self.networks_and_places(codes)[0]

    def networks_and_places(self, codes: Codes) -> tuple[Networks, NDArray[np.intp]]:
        """`networks`, and the row of `codes` of each."""
        values, arriving, costs, features = self._stem.at(codes, np.zeros(len(codes), dtype=np.int32))
        possible = values > 0
        parts, columns = [values], [features]
        arriving = np.where(possible, arriving, -1).astype(np.int32)
        for place in self._stages:
            values, behind, more, features = place.at(codes, arriving)
            possible &= behind > 0
            arriving = np.where(possible, behind, -1).astype(np.int32)
            costs = costs + more
            parts.append(values)
            columns.append(features)
        values, behind, more, _ = self._heads.at(codes, arriving)
        possible &= behind > 0
        costs = costs + more
        for run in self._runs:
            _move_up(parts, columns, run)
        stages = np.column_stack(parts[1:])
        order = np.argsort(stages == 0, axis=1, kind="stable")  # which of the positions do nothing tells nothing
        rows = np.column_stack([parts[0], np.take_along_axis(stages, order, axis=1), values])
        return Networks(codes, rows, costs, np.hstack(columns)).take(possible), np.flatnonzero(possible)

    def _intern(self, value: object) -> int:
        return self._interned.setdefault(value, len(self._interned) + 1)

    def _state(self, entry: Entry, act: str) -> int:
        if (entry, act) not in self._arriving:
            self._entries.append((entry, act))
            self._arriving[entry, act] = len(self._entries)
        return self._arriving[entry, act]

    def _chosen(self, columns: Sequence[int], codes: Codes) -> dict[str, Choice]:
        return self._fixed | {
            self._names[column]: self.choices[column][place]
            for column, place in zip(columns, codes.tolist(), strict=True)
        }

    def _bare(self, chosen: Mapping[str, Choice]) -> Architecture:
        """The network of a choice without its stages."""
        return self.space.decode_ends(chosen)

    def _decode_stem(self, columns: Sequence[int]) -> Callable[[int, Codes], Part | None]:
        def decode(_: int, codes: Codes) -> Part | None:
            chosen = self._chosen(columns, codes)
            try:
                arch = self._bare(chosen)
                counted = count_stem(arch, self._table)
            except (SpecError, BlockError):
                return None
            channels, height, width = stem_shape(arch)
            total = arch.stem.stride * (2 if arch.stem.pool else 1)
            entry = Entry(channels, height, width, min(arch.input_shape[1:]), total, max(1.0, total))
            identity = self._intern((arch.input_shape, arch.stem, arch.act, arch.drop_path))
            told = [scale.at(chosen[self._names[place]]) for place, scale in self._end_scales.items()]
            features = np.concatenate([np.zeros(0), *told])
            return Part(identity, self._state(entry, arch.act), _costs(counted), features)
        return decode

    def _decode_stage(self, position: int, columns: Sequence[int]) -> Callable[[int, Codes], Part | None]:
        scales = self._scales[position]

        def decode(state: int, codes: Codes) -> Part | None:
            entry, act = self._entries[state - 1]
            chosen = self._chosen(columns, codes)
            try:
                stage = self.space.decode_stage(chosen, position, entry.channels)
                if stage is None:
                    return Part(0, state, np.zeros(len(COSTS)), scales.of(None, entry.channels))
                return self._placed(stage, entry, act, state, scales)
            except (SpecError, BlockError):
                return None
        return decode

    def _placed(self, stage: Stage, entry: Entry, act: str, state: int, scales: StageScales) -> Part | None:
        spec = self.space.blocks[stage.block]
        io = BlockIO(entry.channels, stage.channels, stage.stride, batch_norm(self._norm), activation(act), 0.0)
        ios = io, replace(io, in_channels=stage.channels, stride=1)
        params = spec.complete(stage.params)
        if any(refuses(spec, one, params) is not None for one in ios[: stage.repeats]):
            return None
        after = entry.behind(stage.channels, stage.stride, spec.scale)
        if not after.fits:
            return None
        kept = canonical_stage(stage, spec, ios)
        if kept is None:
            return Part(0, state, np.zeros(len(COSTS)), scales.of(None, entry.channels))
        alone = Architecture((entry.channels, entry.height, entry.width), (kept,), act=act, norm=self._norm,
                             stem=Stem(entry.channels, stride=1, act=act), head=Head(act=act), classes=1, drop_path=0)
        shape = entry.channels, entry.height, entry.width
        counted = [blocks for blocks, _ in count_stage(alone, 0, shape, self.space.blocks, self._table)]
        return Part(self._intern(kept), self._state(after, act), _costs(*counted), scales.of(kept, entry.channels))

    def _decode_head(self, columns: Sequence[int]) -> Callable[[int, Codes], Part | None]:
        def decode(state: int, codes: Codes) -> Part | None:
            entry, _ = self._entries[state - 1]
            try:
                arch = self._bare(self._chosen(columns, codes))
                counted = count_head(arch, (entry.channels, entry.height, entry.width), self._table)
            except (SpecError, BlockError):
                return None
            return Part(self._intern(arch.head), state, _costs(counted), np.zeros(0))
        return decode


def _costs(*counted: CountedBlocks) -> Vector:
    totals = [sum(blocks.times * getattr(blocks.cost, name) for blocks in counted) for name in COSTS]
    return np.array(totals, dtype=np.float64)


def _runs(space: SearchSpace) -> list[list[int]]:
    """Positions in a row whose stages can change places where one does nothing: of the same choices, of one number of
    channels, and of stride 1.
    """
    stages = space.spec.stages
    runs: list[list[int]] = []
    for position, stage in enumerate(stages):
        if tuple(stage.stride) != (1,) or len(stage.channels) != 1:
            continue
        if runs and runs[-1][-1] == position - 1 and stages[position - 1] == stage:
            runs[-1].append(position)
        else:
            runs.append([position])
    return [run for run in runs if len(run) > 1]


def _move_up(parts: list[NDArray[np.int32]], columns: list[Vector], run: Sequence[int]) -> None:
    """In each row the stages of a run that do nothing go behind the others."""
    places = [position + 1 for position in run]  # the stem is first
    values = np.column_stack([parts[place] for place in places])
    order = np.argsort(values == 0, axis=1, kind="stable")
    moved = np.take_along_axis(values, order, axis=1)
    features = np.take_along_axis(np.stack([columns[place] for place in places], axis=1), order[:, :, None], axis=1)
    for index, place in enumerate(places):
        parts[place], columns[place] = moved[:, index], features[:, index]
