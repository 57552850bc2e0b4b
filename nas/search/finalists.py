"""Who is measured again before a study ends: the front, and those who would be on it if they were a little better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.front import pareto_mask
from nas.spec import Bound
from nas.store.rows import TrialRecord

MOST_MEMBERS = 20
MOST_OTHERS = 4
"""No more others than that, and no more than a half of the members, where there are any."""
NEAR = 0.1
"""How much better the noisy columns of an other may have been than they were measured."""


def finalists(
    records: Sequence[TrialRecord],
    objectives: Mapping[str, str],
    bounds: Sequence[Bound],
    noisy: Mapping[str, str],
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """The front's members and the nearest others, each in the order of their trials.

    Where the front has more than `MOST_MEMBERS`, those that are spread over the first objective are taken, both ends
    among them. An other is a trial that breaks no bound and is on the front once each of its noisy columns is better
    by `NEAR`; those that need the least come first.

    Args:
        records: the study's trials.
        objectives: column -> direction.
        bounds: the constraints.
        noisy: the columns whose values differ from process to process, with the direction in which each is better.
    """
    done = [record for record in records if record.outcome == "ok" and objectives.keys() <= record.values.keys()]
    front = _front([record for record in done if _kept(record.values, bounds)], objectives)
    members = {record.number for record in front}
    others = []
    for record in done:
        if record.number in members:
            continue
        needed = _needed(record, front, objectives, bounds, noisy)
        if needed is not None:
            others.append((needed, record))
    nearest = sorted(others, key=lambda other: (other[0], other[1].number))
    most = min(MOST_OTHERS, (len(front) + 1) // 2) if front else MOST_OTHERS
    return _spread(front, next(iter(objectives))), sorted((one for _, one in nearest[:most]), key=_number)


def _needed(
    record: TrialRecord,
    front: Sequence[TrialRecord],
    objectives: Mapping[str, str],
    bounds: Sequence[Bound],
    noisy: Mapping[str, str],
) -> float | None:
    """The smallest share, in steps, by which the noisy columns must be better for it to be on the front."""
    for step in range(1, 11):
        share = NEAR * step / 10
        better = dict(record.values)
        for name, direction in noisy.items():
            if name in better:
                better[name] *= 1 + share if direction == "maximize" else 1 - share
        if _kept(better, bounds) and _joins(better, front, objectives):
            return share
    return None


def _joins(values: Mapping[str, float], front: Sequence[TrialRecord], objectives: Mapping[str, str]) -> bool:
    points = [[values[name] for name in objectives], *([one.values[name] for name in objectives] for one in front)]
    return bool(pareto_mask(points, list(objectives.values()))[0])


def _kept(values: Mapping[str, float], bounds: Sequence[Bound]) -> bool:
    return all(bound.column in values and bound.violation(values[bound.column]) <= 0 for bound in bounds)


def _front(records: Sequence[TrialRecord], objectives: Mapping[str, str]) -> list[TrialRecord]:
    if not records:
        return []
    points = [[record.values[name] for name in objectives] for record in records]
    mask = pareto_mask(points, list(objectives.values()))
    return [record for record, on_it in zip(records, mask, strict=True) if on_it]


def _spread(front: Sequence[TrialRecord], objective: str) -> list[TrialRecord]:
    if len(front) <= MOST_MEMBERS:
        return list(front)
    ordered = sorted(front, key=lambda record: (record.values[objective], record.number))
    step = (len(ordered) - 1) / (MOST_MEMBERS - 1)
    return sorted((ordered[round(place * step)] for place in range(MOST_MEMBERS)), key=_number)


def _number(record: TrialRecord) -> int:
    return record.number
