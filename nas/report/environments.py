"""Values of several machines: kept apart in a front, and told how they compare where they stand in two columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from nas.numbers import rounded
from nas.store.rows import COST, StudyRow, Verification

FEWEST = 3
"""Of fewer networks, a rank correlation says nothing."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """How two columns of one metric order and scale the same networks.

    Attributes:
        networks: how many have both values, each counted once.
        spearman, kendall: rank correlations (Kendall's tau-b); None where a column has one value only.
        ratio: the median over the networks of first / second.
    """

    first: str
    second: str
    networks: int
    spearman: float | None
    kendall: float | None
    ratio: float

    def __str__(self) -> str:
        ranks = ("rank correlation undefined, all values of a column are equal" if self.spearman is None
                 else f"Spearman {self.spearman:.2f}, Kendall {self.kendall:.2f}")
        return (f"{self.first} / {self.second}, over {self.networks} networks: {ranks}, median ratio "
                f"{rounded(self.ratio)}")


def of_one_environment(rows: Sequence[Row], columns: Sequence[str]) -> tuple[list[Row], tuple[str, ...]]:
    """Those of the rows whose values in the columns were measured in the same environments, and the fingerprints that
    the others have besides.

    The environments of most rows are taken, of equally many those of the newest row.
    """
    signatures = [_signature(row, columns) for row in rows]
    if len(set(signatures)) <= 1:
        return list(rows), ()
    counts = Counter(signatures)
    newest = {signature: place for place, signature in enumerate(signatures)}
    chosen = max(counts, key=lambda signature: (counts[signature], newest[signature]))
    kept = [row for row, signature in zip(rows, signatures, strict=True) if signature == chosen]
    others = {name for signature in counts for name in signature if name} - {name for name in chosen if name}
    return kept, tuple(sorted(others))


def of_the_search(
    known: Mapping[tuple[int, str], Verification], rows: Sequence[Row], mix_environments: bool
) -> tuple[dict[tuple[int, str], Verification], tuple[str, ...]]:
    """Those of the verifications that are not known to be of another environment than the search's value of the same
    column, and a word on the others; with `mix_environments`, all of them.
    """
    searched = {row["trial"]: row["measured"] for row in rows}
    kept, others = {}, set()
    for (trial, column), one in known.items():
        before = searched.get(trial, {}).get(column, (None,) * 4)[3]
        if mix_environments or one.environment is None or one.environment == before:
            kept[trial, column] = one
        else:
            others.add(one.environment)
    if not others:
        return kept, ()
    told = (f"{len(known) - len(kept)} of {len(known)} verified values were measured in another environment than the "
            f"search's ({', '.join(sorted(others))}), and are left out; --mix-environments takes them")
    return kept, (told,)


def _signature(row: Row, columns: Sequence[str]) -> tuple[str | None, ...]:
    """The environment's fingerprint of each column's value; None where its metric tells of none."""
    return tuple(row["measured"][column][3] if column in row["measured"] else None for column in columns)


def columns_compared(rows: Sequence[Row], study: StudyRow, mix_environments: bool) -> tuple[Comparison, ...]:
    """Each two columns of one metric, such as latencies on two devices, where three networks or more have both values,
    above 0.

    Without `mix_environments`, each column's values are those of one environment, as in a front.
    """
    measured = [column for column in study.columns if column.source != COST]
    pairs_of_names = [(one.name, other.name) for one, other in combinations(measured, 2) if one.metric == other.metric]
    found = []
    for first, second in pairs_of_names:
        both = [row for row in rows if row["arch_id"] and _value(row, first) > 0 and _value(row, second) > 0]
        if not mix_environments:
            both, _ = of_one_environment(both, (first, second))
        pairs = {row["arch_id"]: (_value(row, first), _value(row, second)) for row in both}
        if len(pairs) >= FEWEST:
            found.append(_comparison(first, second, list(pairs.values())))
    return tuple(found)


def _value(row: Row, column: str) -> float:
    value = row["measured"].get(column, (None,))[0]
    return value if value is not None and math.isfinite(value) else math.nan


def _comparison(first: str, second: str, pairs: Sequence[tuple[float, float]]) -> Comparison:
    import pandas as pd

    frame = pd.DataFrame(pairs, columns=["first", "second"])
    varied = bool((frame.nunique() > 1).all())
    spearman, kendall = (
        float(frame["first"].corr(frame["second"], method=method)) if varied else None
        for method in ("spearman", "kendall")
    )
    ratio = float((frame["first"] / frame["second"]).median())
    return Comparison(first, second, len(pairs), spearman, kendall, ratio)
