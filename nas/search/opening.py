"""A study in its database: found as it was created and compared with its file, or created, with what it begins with."""

from __future__ import annotations

from collections.abc import Callable

from nas.errors import StoreError
from nas.search.carrying import carry_over
from nas.search.drift import check_drift, registry_snapshot, snapshot
from nas.search.prepare import Prepared
from nas.store import Store
from nas.store.rows import StudyRow


def find_or_create(
    store: Store, ready: Prepared, mix_environments: bool, tell: Callable[[str], None]
) -> tuple[StudyRow, tuple[str, ...]]:
    """The study of this name, and what the user should know; `tell` hears what is carried over.

    Raises:
        StudyDriftError: there is one, and the file says something else.
        SpecError: the study that it is to be warmed up by is none.
        StoreError: Optuna has a study of this name that is not ours.
    """
    spec = ready.spec
    registry = registry_snapshot(ready)
    if (found := store.find_study(spec.study.name)) is not None:
        return found, (*ready.notices, *check_drift(found, spec, registry, mix_environments))
    carried, told = carry_over(store, ready, tell)
    directions = list(spec.objectives.values())
    try:
        created = store.create_study(
            spec.study.name, directions, list(spec.objectives), spec=snapshot(spec), registry=registry,
            columns=[column.row() for column in ready.columns], objectives=spec.objectives,
            constraints=[(bound.column, bound.operator, bound.bound) for bound in spec.bounds], trials=carried,
        )
    except StoreError:
        if (found := store.find_study(spec.study.name)) is None:
            raise
        return found, (*ready.notices, *check_drift(found, spec, registry, mix_environments))  # another run was faster
    return created, (*ready.notices, *told)
