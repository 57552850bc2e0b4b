"""Optuna's storage on our connections: its tables and its answers, without its lock errors and with fewer writes."""

from __future__ import annotations

import functools
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from nas.store.engine import Durability, begin_immediately, engine_options, optuna_url, reading
from nas.store.faults import is_busy
from nas.store.optuna_rows import Known, insert_trial
from nas.store.optuna_tables import KNOWN_SCHEMA

_READERS = (
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "get_trial_id_from_study_id_trial_number",
    "get_trial_number_from_id",
    "get_trial_param",
    "get_trial_params",
    "get_trial_user_attrs",
    "get_trial_system_attrs",
    "get_trial",
    "get_all_trials",
    "get_best_trial",
    "get_n_trials",
    "get_current_version",
    "_get_trials",
    "_get_best_trial_id",
)
"""Methods of `RDBStorage` that only read, and so need not wait for a writer."""


class StudyStorage(RDBStorage):
    """A file's Optuna storage. Stock Optuna and its dashboard work on the same file at the same time.

    A trial that is created from a template (all parameters known) is written in one transaction of few statements.
    """

    def __init__(self, path: Path, *, busy_s: float, durability: Durability) -> None:
        # Optuna itself reports each new study on the terminal.
        logging.getLogger("optuna.storages._rdb.storage").setLevel(logging.WARNING)
        self._known: dict[int, Known] = {}
        deadline = time.monotonic() + busy_s
        while True:
            try:
                with reading():  # while it sets up its tables, Optuna reads on a second connection
                    super().__init__(optuna_url(path), engine_kwargs=engine_options(path, busy_s, durability))
                break
            except (StorageInternalError, OperationalError) as error:
                # Two processes set up one new file: the slower one begins again, and finds it done.
                self.engine.dispose()
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
            except RuntimeError:  # its tables are of another Optuna
                self.engine.dispose()
                raise
        self.writes_directly = self._knows_schema()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        with reading():
            super().__setstate__(state)

    @property
    def engine(self) -> Engine:
        """The engine; its transactions lock at once from its first use on, also in a copy that was unpickled."""
        engine: Engine = self.__dict__["engine"]
        return engine

    @engine.setter
    def engine(self, engine: Engine) -> None:
        begin_immediately(engine)
        self.__dict__["engine"] = engine

    def known(self, study_id: int) -> Known:
        """The distributions that were seen in a study, for `insert_trial`."""
        return self._known.setdefault(study_id, {})

    def finish_by_optuna(
        self, study: Study, number: int, state: TrialState, values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> bool:
        """Ends a running trial of `study`, which lies here, by Optuna's own calls; False where it does not run any
        more. Whoever was stopped in their midst may have set some constraints already, which stay.

        Raises:
            KeyError: the study has no such trial.
        """
        trial = Trial(study, self.get_trial_id_from_study_id_trial_number(study._study_id, number))
        known = trial.constraints
        try:
            for name, value in constraints.items():
                if name not in known:
                    trial.set_constraint(name, value)
            study.tell(number, values, state=state)
        except (UpdateFinishedTrialError, ValueError):  # tell's word on a trial that does not run
            if not self.get_trial(trial._trial_id).state.is_finished():
                raise
            return False
        return True

    def delete_study(self, study_id: int) -> None:
        """As Optuna's. Our rows of the study go with it."""
        self._known.pop(study_id, None)
        super().delete_study(study_id)

    def _knows_schema(self) -> bool:
        found = self.get_current_version()
        if found != KNOWN_SCHEMA:
            warnings.warn(f"this Optuna's tables have the schema {found}, and nas knows {KNOWN_SCHEMA}: trials are "
                          "written by Optuna itself, which is slower, and two runs of one study at once may disturb "
                          "each other; a newer nas may know it", stacklevel=4)
        return found == KNOWN_SCHEMA

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        if not self.writes_directly:
            return super()._create_new_trial(study_id, template_trial)
        try:
            with self.engine.begin() as connection:
                trial_id, _ = insert_trial(connection, study_id, template_trial, self.known(study_id))
        except SQLAlchemyError as error:
            raise StorageInternalError(f"cannot create a trial: {error}") from error
        return self.get_trial(trial_id)


def _only_reads(name: str) -> Any:
    stock = getattr(RDBStorage, name)

    @functools.wraps(stock)
    def method(self: StudyStorage, *args: Any, **kwargs: Any) -> Any:
        with reading():
            return stock(self, *args, **kwargs)

    return method


for _name in _READERS:
    setattr(StudyStorage, _name, _only_reads(_name))
