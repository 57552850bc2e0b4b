"""What is written into Optuna's tables and ours in one transaction: a study, and the begin and the end of a trial.

Where Optuna's schema is not known, Optuna writes its part itself, and ours follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from optuna.exceptions import DuplicatedStudyError
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.errors import StoreError
from nas.store import owner, studies, trials
from nas.store.database import Database
from nas.store.optuna_rows import finish_trial, insert_study, insert_trial
from nas.store.optuna_tables import METRIC_NAMES_KEY, UUID_KEY
from nas.store.rows import CarriedTrial, Direction, StudyRow, Told, TrialEnd, TrialStart
from nas.store.storage import StudyStorage


def create_study(
    database: Database,
    storage: StudyStorage,
    study: StudyRow,
    directions: Sequence[Direction],
    metric_names: Sequence[str],
    carried: Sequence[CarriedTrial],
) -> StudyRow:
    """`study` with the id that Optuna gave it, and with the trials that are `carried` over.

    Raises:
        StoreError: Optuna has a study of this name; an objective or a constraint is of no column; trials are to be
            carried over, and Optuna writes its part itself, which is not all or nothing.
    """
    studies.check_columns(study)
    if not storage.writes_directly:
        if carried:
            raise StoreError(f"{database.path}: this Optuna's tables are not known, so that trials cannot be carried "
                             "over at once: leave warm_start out, or use an Optuna that nas knows")
        return _create_by_optuna(database, storage, study, directions, metric_names)
    user_attrs = {UUID_KEY: study.uuid}
    system_attrs = {METRIC_NAMES_KEY: list(metric_names)}
    with database.write() as connection:
        if studies.optuna_has(connection, study.name):
            raise _taken(study.name)
        optuna_id = insert_study(connection, study.name, directions, user_attrs, system_attrs)
        created = dataclasses.replace(study, optuna_id=optuna_id)
        studies.insert_ours(connection, created)
        known: dict[str, str] = {}
        for one in carried:
            _, number = insert_trial(connection, optuna_id, one.template, known)
            trials.insert_start(connection, created, number, one.start, owner.current())
            trials.write_end(connection, created, number, one.end, one.measurements)
    return created


def _create_by_optuna(
    database: Database,
    storage: StudyStorage,
    study: StudyRow,
    directions: Sequence[Direction],
    metric_names: Sequence[str],
) -> StudyRow:
    try:
        optuna_id = storage.create_new_study([StudyDirection[name.upper()] for name in directions], study.name)
    except DuplicatedStudyError:
        raise _taken(study.name) from None
    created = dataclasses.replace(study, optuna_id=optuna_id)
    try:
        storage.set_study_user_attr(optuna_id, UUID_KEY, study.uuid)
        storage.set_study_system_attr(optuna_id, METRIC_NAMES_KEY, list(metric_names))
        with database.write() as connection:
            studies.insert_ours(connection, created)
    except BaseException:
        storage.delete_study(optuna_id)
        raise
    return created


def begin_trial(
    database: Database,
    storage: StudyStorage,
    study: StudyRow,
    template: FrozenTrial,
    start: TrialStart,
    *,
    total: int | None,
) -> int | None:
    """The number of a new trial like `template`, with our row of it, owned by this process; None where the study does
    not want it any more.
    """
    here = owner.current()
    if not storage.writes_directly:
        with database.read() as connection:
            if total is not None and not trials.is_wanted(connection, study, start.arch_id, total, here):
                return None
        trial_id = storage.create_new_trial(study.optuna_id, template)
        number = storage.get_trial_number_from_id(trial_id)
        try:
            with database.write() as connection:
                trials.insert_start(connection, study, number, start, here)
        except BaseException:
            if not template.state.is_finished():
                storage.set_trial_state_values(trial_id, TrialState.FAIL)
            raise
        return number
    try:
        with database.write() as connection:
            if total is not None and not trials.is_wanted(connection, study, start.arch_id, total, here):
                return None
            _, number = insert_trial(connection, study.optuna_id, template, storage.known(study.optuna_id))
            trials.insert_start(connection, study, number, start, here)
    except KeyError:
        raise StoreError(f"study '{study.name}' is no longer in {database.path}") from None
    return number


def end_trial(
    database: Database,
    storage: StudyStorage,
    study: StudyRow,
    number: int,
    end: TrialEnd,
    measurements: Mapping[str, int],
    told: Told | None,
) -> None:
    """How a trial ended, on our side and, where `told`, on Optuna's. Where Optuna writes its side itself, it does so
    afterwards: of what is stopped between the two, the next run tells it.

    Raises:
        StoreError: the outcome is none, or the study has no such trial.
    """
    with database.write() as connection:
        trials.write_end(connection, study, number, end, measurements)
        if told is not None and storage.writes_directly:
            state = TrialState[told.state]
            finish_trial(connection, study.optuna_id, number, state, told.values, told.constraints)
    if told is not None and not storage.writes_directly:
        tell(database, storage, study, number, told)


def tell(database: Database, storage: StudyStorage, study: StudyRow, number: int, told: Told) -> None:
    """Optuna's side of a trial's end; nothing where it has ended there."""
    state = TrialState[told.state]
    if storage.writes_directly:
        with database.write() as connection:
            finish_trial(connection, study.optuna_id, number, state, told.values, told.constraints)
    else:
        storage.finish_by_optuna(Study(study.name, storage), number, state, told.values, told.constraints)


def _taken(name: str) -> StoreError:
    return StoreError(f"there is a study '{name}' already; go on with it, or give another name")
