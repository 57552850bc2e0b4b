"""Reads a study and asks everything that can be asked before a database is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.errors import SpecError
from nas.outcomes import COST_COLUMNS
from nas.plugins import Plugins, load_plugins
from nas.search.asking import Asking, Here, InWorker
from nas.search.columns import Column, resolve_columns
from nas.search.enqueue import Enqueued, enqueued
from nas.search.preflight import check_space
from nas.space import SearchSpace
from nas.spec import StudySpec, load_spec, parse_spec


@dataclass(frozen=True)
class Prepared:
    """A study that has passed every check and has touched no database yet."""

    spec: StudySpec
    plugins: Plugins
    space: SearchSpace
    columns: tuple[Column, ...]
    asking: Asking
    enqueued: tuple[Enqueued, ...] = ()
    notices: tuple[str, ...] = ()
    """What the user should know of the study file."""


def prepare(
    study: str | Path | StudySpec,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    entry_points: bool = True,
    isolated: bool = True,
) -> Prepared:
    """Reads and checks everything that a study needs.

    `isolated`: metrics are asked in workers, not in this process.

    Raises:
        NasError: the study file, a plugin, a choice, a column or the machine is not what it should be.
    """
    spec = load_spec(study)
    asking: Asking = InWorker() if isolated else Here()
    if device is not None and (missing := asking.missing(device)) is not None:  # asked where no column has one, too
        raise SpecError(f"--device: {missing}")
    loaded = load_plugins([*spec.plugin_files, *plugins], entry_points)
    try:
        space = SearchSpace(spec, loaded.blocks)
    except SpecError as error:
        if all(block in loaded.blocks for stage in spec.stages for block in stage.block):
            raise
        raise SpecError(f"{error}{loaded.hint()}") from None
    if device is not None:
        spec = _on_device(spec, loaded, device)
    columns = resolve_columns(spec, space, loaded, asking)
    check_space(space)
    entries, notices = enqueued(spec, space, loaded)
    told = tuple(dict.fromkeys(column.notice for column in columns if column.notice))
    return Prepared(spec, loaded, space, columns, asking, entries, (*told, *notices))


def _on_device(spec: StudySpec, plugins: Plugins, device: str) -> StudySpec:
    """`--device` replaces the device of every column whose metric has one."""
    columns = {name: section.model_dump() for name, section in spec.columns.items()}
    for name in dict.fromkeys([*spec.objectives, *spec.constraints, *spec.columns]):
        wanted = str(columns.get(name, {}).get("metric") or name)
        metric = plugins.metrics.get(wanted) if wanted not in COST_COLUMNS and wanted in plugins.metrics else None
        if metric is not None and metric.options is not None and "device" in metric.options:
            columns[name] = {**columns.get(name, {}), "device": device}
    data = spec.model_dump(mode="python")
    return parse_spec({**data, "stages": [_plain(stage) for stage in data["stages"]], "columns": columns}, spec.source)


def _plain(stage: Mapping[str, object]) -> dict[str, object]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in stage.items()}
