"""What a study freezes when it is created, and whether a study file still means the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nas.errors import StudyDriftError
from nas.plain import plain
from nas.registry import Origin
from nas.search.prepare import Prepared
from nas.spec import StudySpec
from nas.store.rows import StudyRow

FREE_TO_CHANGE = ("study", "plugins")

OF_THE_MACHINE = ("device", "environment", "threads")
"""Conditions that are others on another machine, though the study file says the same."""


def snapshot(spec: StudySpec) -> dict[str, Any]:
    """The study file as JSON, every default written out; but not how long a column may take, which may change."""
    frozen: dict[str, Any] = json.loads(json.dumps(spec.model_dump(mode="json")))
    for column in frozen["columns"].values():
        del column["timeout_s"]
    return frozen


def registry_snapshot(ready: Prepared) -> dict[str, Any]:
    """Version, source digest and origin of every block that the study names and of the metric of each column, with the
    conditions under which the column is measured here.
    """
    blocks, metrics = ready.plugins.blocks, ready.plugins.metrics
    names = sorted({str(name) for stage in ready.spec.stages for name in stage.block})
    return {
        "blocks": {name: _entry(blocks[name].version, blocks.origin(name)) for name in names},
        "columns": {
            column.name: _entry(column.metric.version, metrics.origin(column.metric.name))
            | {"metric": column.metric.name, "conditions": plain(column.conditions)}
            for column in ready.columns if column.metric is not None
        },
    }


def _entry(version: int, origin: Origin) -> dict[str, Any]:
    return {"version": version, "digest": origin.digest, "origin": origin.place}


def check_drift(
    study: StudyRow, spec: StudySpec, registry: Mapping[str, Any], mix_environments: bool = False
) -> list[str]:
    """What may differ and does, as notices. With `mix_environments` the machine may.

    Raises:
        StudyDriftError: what must not differ does; the first key is named.
    """
    old, new = dict(study.spec), snapshot(spec)
    for key in new:
        if key not in FREE_TO_CHANGE and (where := difference(old.get(key), new[key], key)):
            raise StudyDriftError(
                f"{spec.source}: study '{study.name}' was created with another {where}\n"
                "Give this study file another name, or go on with the one that the study was created with."
            )
    before_order, order = list(study.objectives), list(spec.objectives)
    if before_order != order:
        raise StudyDriftError(f"{spec.source}: study '{study.name}' was created with its objectives in another order: "
                              f"{', '.join(before_order)}, the file says {', '.join(order)}\n"
                              "Their order is that of the values of its trials: write them as they were.")
    notices = []
    sections: list[Any] = [old.get("study"), new["study"]]
    for key in ("sampler", "seed"):
        before, after = sections[0].get(key), sections[1][key]
        if before != after:
            notices.append(f"{key} is {after} from here on; the study began with {before}")
    before, after = sections[0].get("warm_start"), sections[1]["warm_start"]
    if after not in (before, None):
        began_with = "without one" if before is None else f"with '{before}'"
        notices.append(f"warm_start = '{after}' does nothing: study '{study.name}' was created {began_with}")
    for section in registry:
        began: Any = study.registry.get(section, {})
        for name, now in registry[section].items():
            if name in began:
                notices += _source_drift(f"{spec.source}: study '{study.name}'", section, name, began[name], now,
                                         mix_environments)
    return list(dict.fromkeys(notices))


def _source_drift(
    study: str, section: str, name: str, before: Mapping[str, Any], now: Mapping[str, Any], mix_environments: bool
) -> list[str]:
    """One entry of the registry: notices; raises as `check_drift` does."""
    what = f"block '{name}'" if section == "blocks" else f"metric '{now['metric']}'"
    if before["version"] != now["version"]:
        raise StudyDriftError(f"{study} was created with version {before['version']} of {what}, installed is version "
                              f"{now['version']}")
    place, notices = f"{section}.{name}", []
    old, new = before.get("conditions"), now.get("conditions")
    if mix_environments and isinstance(old, Mapping) and isinstance(new, Mapping):
        (here, old), (there, new) = _apart(old), _apart(new)
        if where := difference(here, there, place, "here it is"):
            notices.append(f"from here on {name} is measured under another {where}; --mix-environments was given")
    if where := difference(old, new, place, "here it is"):
        elsewhere = re.match(rf"{re.escape(place)}\.({'|'.join(OF_THE_MACHINE)})\b", where)
        raise StudyDriftError(f"{study} was measured under another {where}\n"
                              "Such values do not compare: give this study file another name, or go on where the study "
                              f"was begun{'; --mix-environments takes them for comparable' if elsewhere else ''}.")
    changed = [] if before["digest"] == now["digest"] else [f"the source of {what} has changed since the study began"]
    return notices + changed


def _apart(conditions: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The conditions of the machine, and the others."""
    machine = {key: value for key, value in conditions.items() if key in OF_THE_MACHINE}
    return machine, {key: value for key, value in conditions.items() if key not in machine}


def difference(old: Any, new: Any, place: str, says: str = "the file says") -> str | None:
    """The first place where two values of JSON differ, and how; None where they do not."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            if found := difference(old.get(key), new.get(key), f"{place}.{key}", says):
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            if found := difference(one, other, f"{place}[{index}]", says):
                return found
        return None
    return None if old == new else f"{place}: {_short(old)}, {says} {_short(new)}"


def _short(value: Any) -> str:
    """A value as JSON; of a fingerprint of 64 hex digits the first ones, which nobody compares further."""
    text = json.dumps(value)
    return f"{text[:13]}...\"" if re.fullmatch('"[0-9a-f]{40,}"', text) else text
