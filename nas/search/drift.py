"""What a study freezes when it is created, and whether a study file still means the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nas.errors import StudyDriftError
from nas.plugins import Plugins
from nas.space import SearchSpace
from nas.spec import StudySpec
from nas.store.rows import StudyRow

FREE_TO_CHANGE = ("study", "plugins")


def snapshot(spec: StudySpec) -> dict[str, Any]:
    """The study file as JSON, every default written out."""
    frozen: dict[str, Any] = json.loads(json.dumps(spec.model_dump(mode="json")))
    return frozen


def registry_snapshot(spec: StudySpec, space: SearchSpace, plugins: Plugins) -> dict[str, Any]:
    """Version, source digest and origin of every block that the study names."""
    names = sorted({str(name) for stage in spec.stages for name in stage.block})
    found = {}
    for name in names:
        origin = plugins.blocks.origin(name)
        found[name] = {"version": space.blocks[name].version, "digest": origin.digest, "origin": origin.place}
    return found


def check_drift(study: StudyRow, spec: StudySpec, registry: Mapping[str, Any]) -> list[str]:
    """What may differ and does, as notices.

    Raises:
        StudyDriftError: what must not differ does; the first key is named.
    """
    old, new = dict(study.spec), snapshot(spec)
    for key in new:
        if key not in FREE_TO_CHANGE and (where := _difference(old.get(key), new[key], key)):
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
    for name, entry in registry.items():
        before = dict(study.registry).get(name)
        if isinstance(before, Mapping) and before.get("version") != entry["version"]:
            raise StudyDriftError(f"{spec.source}: study '{study.name}' was created with version "
                                  f"{before.get('version')} of block '{name}', installed is version {entry['version']}")
        if isinstance(before, Mapping) and before.get("digest") != entry["digest"]:
            notices.append(f"the source of block '{name}' has changed since the study began")
    return notices


def _difference(old: Any, new: Any, place: str) -> str | None:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            if found := _difference(old.get(key), new.get(key), f"{place}.{key}"):
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            if found := _difference(one, other, f"{place}[{index}]"):
                return found
        return None
    return None if old == new else f"{place}: {json.dumps(old)}, the file says {json.dumps(new)}"
