"""`[study] enqueue`: networks that a study begins with, before its sampler is asked.

A published network has the input, classes, norm, drop path and dropout that it was published with, which are hardly the
study's, and which say how a network is used and trained, not which one it is: they are taken over from the study, in a
word. Everything else must lie in the space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nas.arch import Architecture, Norm
from nas.choices import format_choice, normalise, shown
from nas.errors import NasError
from nas.plugins import Plugins
from nas.search.columns import broken, told_broken
from nas.search.propose import Candidate, Proposer
from nas.space import SearchSpace, Values
from nas.spec import StudySpec
from nas.store.rows import TrialRecord
from nas.zoo.finding import resolve
from nas.zoo.opaque import PREFIXES

_Number = TypeVar("_Number", int, float)

ENQUEUE = "enqueue"
"""The `sampler` of trials that the study file asks for."""

FOUNDERS: Mapping[str, Any] = {"NSGAIISampler:generation": 0}
"""What NSGA-II must find noted of a trial that it did not propose to breed from it: that it is of the first generation.
"""


@dataclass(frozen=True)
class Enqueued:
    """One entry: its key, its place as a message shows it, and its network's choice of every dimension."""

    key: str
    place: str
    values: Values
    arch_id: str


def enqueued(spec: StudySpec, space: SearchSpace, plugins: Plugins) -> tuple[tuple[Enqueued, ...], tuple[str, ...]]:
    """The entries that lie in the space, and a word on each of the others and on what is taken over from the study.

    Raises:
        SpecError: an entry is no network that could be searched; file, key and value are named.
    """
    entries: dict[str, Enqueued] = {}
    notices = []
    for position, text in enumerate(spec.study.enqueue):
        key = f"study.enqueue[{position}]"
        try:
            arch = None if text.strip().startswith(PREFIXES) else resolve(text, plugins)
        except NasError as error:
            raise spec.error(key, error) from None
        if not isinstance(arch, Architecture):
            raise spec.error(key, f"{shown(text)} is of another library, which is known as a whole alone\nGive what is "
                             "written in blocks: a published network's name, an architecture's text, timm's block "
                             "strings.")
        place = f"{spec.source}: {key}: {shown(text)}"
        ours, changed = _as_the_studys(arch, spec)
        try:
            values = space.encode(ours)
            arch_id = space.decode(values).arch_id
        except NasError as error:
            notices.append(f"{place} is left out: {str(error).splitlines()[0]}")
            continue
        if arch_id in entries:
            notices.append(f"{place} is left out: it is the same network as {entries[arch_id].key}")
            continue
        if changed:
            notices.append(f"{place} is evaluated as the study has it: {', '.join(changed)}")
        entries[arch_id] = Enqueued(key, place, values, arch_id)
    return tuple(entries.values()), tuple(notices)


def _as_the_studys(arch: Architecture, spec: StudySpec) -> tuple[Architecture, list[str]]:
    """The network with what the study says of input, classes, norm, drop path and dropout; and what that changes."""
    shape = spec.input.shape
    if spec.input.resolution:
        side = _nearest(spec.input.resolution, arch.input_shape[1])
        shape = (shape[0], side, side)
    norm = Norm(spec.network.norm.eps, spec.network.norm.momentum)
    drop_path = _nearest(spec.network.drop_path, arch.drop_path)
    dropout = _nearest(spec.network.head.dropout, arch.head.dropout)
    facts: list[tuple[str, object, object]] = [
        ("input", _by(arch.input_shape), _by(shape)),
        ("classes", arch.classes, spec.input.classes),
        ("norm.eps", arch.norm.eps, norm.eps),
        ("norm.momentum", arch.norm.momentum, norm.momentum),
        ("drop_path", arch.drop_path, drop_path),
        ("head.dropout", arch.head.dropout, dropout),
    ]
    changed = [f"{name} {_text(ours)} for {_text(its)}" for name, its, ours in facts if ours != its]
    head = replace(arch.head, dropout=dropout)
    ours = replace(arch, input_shape=shape, classes=spec.input.classes, norm=norm, drop_path=drop_path, head=head)
    return ours, changed


def _nearest(choices: Sequence[_Number], wanted: _Number) -> _Number:
    """The choice nearest to what is wanted, of two the larger one."""
    return min(choices, key=lambda choice: (abs(choice - wanted), -choice))


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _text(value: object) -> str:
    return value if isinstance(value, str) else format_choice(normalise(value))


class Queue:
    """The entries that are still to be tried, in their order."""

    def __init__(self, entries: Sequence[Enqueued], spec: StudySpec, proposer: Proposer) -> None:
        self._entries, self._spec, self._proposer = list(entries), spec, proposer
        self._waiting: list[Candidate] = []

    def look(self, records: Sequence[TrialRecord]) -> tuple[str, ...]:
        """Looks at every entry before the first trial of a run; a word on each one that is left out. Those that an
        earlier run has enqueued are done, without a word.
        """
        known = {record.arch_id: record for record in reversed(records)}
        notices = []
        for entry in self._entries:
            if (record := known.get(entry.arch_id)) is not None:
                if record.sampler != ENQUEUE:
                    notices.append(f"{entry.place} is left out: it is trial {record.number} already")
                continue
            found = self._proposer.look(entry.values)
            if isinstance(found, Candidate):
                self._waiting.append(replace(found, sampler=ENQUEUE, system_attrs=FOUNDERS))
                continue
            failed = broken(self._spec.bounds, found.free) if found.outcome == "infeasible" else []
            why = told_broken(failed, found.free) if failed else found.reason
            notices.append(f"{entry.place} is left out: {why}")
        return tuple(notices)

    def next(self, tried: set[str]) -> Candidate | None:
        """The first one that no trial has; None where there is none left."""
        while self._waiting and self._waiting[0].arch.arch_id in tried:
            self._waiting.pop(0)
        return self._waiting[0] if self._waiting else None
