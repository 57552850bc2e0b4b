"""What each block of a study's networks takes, by a model of the networks' times: the table of `nas report --blocks`.

Only times add up over blocks: a column whose metric is noisy and better when smaller, such as `latency_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.cost.table import BlockKey, CostTable
from nas.errors import MeasureError, SpecError
from nas.latency.prediction import FEWEST, LatencyModel, fit
from nas.latency.training import Conditions, Measured, Training
from nas.plugins import Plugins
from nas.store.rows import ColumnRow, StudyRow
from nas.store.store import Store
from nas.text import one_line

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.9
"""Of the intervals."""
REST = "(rest)"
"""The row of what no block takes."""
COLUMNS = ("column", "block", "params", "in_channels", "out_channels", "stride", "height", "width", "seen", "value",
           "low", "high", "share", "unit")


@dataclass(frozen=True)
class OfBlocks:
    """The blocks of a study, a row each, those that take most first.

    Attributes:
        frame: of `COLUMNS`. `height` and `width` are of the map that comes in, `seen` counts the study's measured
            networks that have the block, `value` is the time of one such block, and `share` its share of the predicted
            time of a network that has it, on average.
        notices: what stands behind each column, and why one is missing.
    """

    study: StudyRow
    frame: pd.DataFrame
    notices: tuple[str, ...]


def load_blocks(study: str, storage: str, plugins: Plugins) -> OfBlocks:
    """The table of a study, read without writing; `plugins` have the blocks of its networks.

    Raises:
        StoreError: the database cannot be read, or has no such study.
        SpecError: the study has no time among its columns.
        MeasureError: too little of them is measured.
    """
    import pandas as pd

    with Store.open(storage, read_only=True) as store:
        row = store.study(study)
        columns = _times(row, plugins)
        measured = store.trial_rows(row)
        table, rows, notices = CostTable(), list[dict[str, Any]](), list[str]()
        for column in columns:
            own = {trial["arch_id"] for trial in measured if trial["measured"].get(column.name, (None,))[0] is not None}
            seen = Training(store, _conditions(row, column, plugins), plugins.blocks, table).read()
            shown = [one for one in seen if one.arch_id in own]
            if len(seen) < FEWEST or not shown:
                notices.append(_too_few(column.name, len(seen), len(own), plugins))
                continue
            model = fit([one.network for one in seen], [one.value for one in seen])
            rows += _rows(column, model, shown)
            notices.append(_behind(column.name, model, shown))
    if not rows:
        raise MeasureError("--blocks: " + "\n".join(notices))
    whole = dict.fromkeys(("in_channels", "out_channels", "stride", "height", "width", "seen"), "Int64")
    return OfBlocks(row, pd.DataFrame(rows, columns=list(COLUMNS)).astype(whole), tuple(notices))


def _times(study: StudyRow, plugins: Plugins) -> list[ColumnRow]:
    """The columns that are times."""
    known = [column for column in study.columns if column.metric in plugins.metrics]
    noisy = [column for column in known if plugins.metrics[column.metric].noisy]
    if times := [column for column in noisy if column.direction == "minimize"]:
        return times
    told = f"--blocks: study {one_line(study.name)!r} has no column that is a time, such as latency_ms"
    if noisy:
        told += f"; {', '.join(one_line(column.name) for column in noisy)} does not add up over blocks"
    unknown = {column.metric for column in study.columns if column.source != "cost"} - {c.metric for c in known}
    if unknown:
        told += f"\nNot known here: {', '.join(sorted(map(one_line, unknown)))}; name its plugin with --plugin."
    raise SpecError(told)


def _conditions(study: StudyRow, column: ColumnRow, plugins: Plugins) -> Conditions:
    """How the study measures the column, as it was frozen."""
    seeded = plugins.metrics[column.metric].seeded
    columns: Any = study.registry.get("columns", {})
    frozen: Mapping[str, Any] = columns.get(column.name, {})
    settings: Any = study.spec.get("study", {})
    metric = (column.metric, int(frozen.get("version", 0)), str(frozen.get("digest", "")))
    return Conditions(metric, column.options, frozen.get("conditions") or {},
                      settings.get("seed") if seeded else None)


def _too_few(name: str, seen: int, own: int, plugins: Plugins) -> str:
    """Why a column has no table."""
    told = (f"{one_line(name)}: {seen} networks are measured under the study's conditions, by blocks and metric as "
            f"they are here; a model takes {FEWEST}")
    if own > seen:
        told += (f". The study itself has measured {own}: their blocks are not here, name their plugin with --plugin; "
                 f"or their source has changed since{plugins.hint()}")
    return told


def _behind(name: str, model: LatencyModel, shown: Sequence[Measured]) -> str:
    """What a table stands on."""
    import numpy as np

    _, low, high = model.predict([one.network for one in shown], LEVEL)
    wide = float(np.median(np.sqrt(high / low)))
    others = model.networks - len(shown)
    told = f", {others} of them by other studies" if others else ""
    return (f"{one_line(name)}: a model of {model.networks} measured networks{told}, which predicts another network to "
            f"within a factor of {wide:.2f} in nine of ten cases. {REST} is what a network takes beside its blocks. "
            "Times that always occur together are told apart by what they cost alone, as wide intervals show.")


def _rows(column: ColumnRow, model: LatencyModel, shown: Sequence[Measured]) -> list[dict[str, Any]]:
    """A row a block that the networks have, and one for the rest."""
    import numpy as np

    predicted = model.predict([one.network for one in shown], LEVEL).value
    found: dict[BlockKey, dict[str, Any]] = {}
    shares: dict[BlockKey, list[float]] = {}
    rest = np.array(predicted)
    for place, one in enumerate(shown):
        values, lows, highs = model.of_blocks(one.network, LEVEL)
        for blocks, value, low, high in zip(one.network, values, lows, highs, strict=True):
            rest[place] -= blocks.times * value
            found.setdefault(blocks.key, _row(column, blocks.key, float(value), float(low), float(high)))
        for key, value in {blocks.key: value for blocks, value in zip(one.network, values, strict=True)}.items():
            shares.setdefault(key, []).append(float(value / predicted[place]))
    rows = [row | {"seen": len(of), "share": sum(of) / len(of)} for key, row in found.items() for of in [shares[key]]]
    rows.sort(key=lambda row: -row["value"])
    left = {"column": column.name, "block": REST, "params": "", "seen": len(shown), "value": float(rest.mean()),
            "share": float((rest / predicted).mean()), "unit": column.unit}
    return [*rows, {**dict.fromkeys(COLUMNS), **left}]


def _row(column: ColumnRow, key: BlockKey, value: float, low: float, high: float) -> dict[str, Any]:
    return {
        "column": column.name, "block": key.block, "params": key.params, "in_channels": key.in_channels,
        "out_channels": key.out_channels, "stride": key.stride, "height": key.height, "width": key.width,
        "value": value, "low": low, "high": high, "unit": column.unit,
    }
