"""`Store`: an open database of studies. Each method is one transaction."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import SQLAlchemyError

from nas.errors import StoreError
from nas.store import costs, measurements, owner, reading, studies, trials, verifications
from nas.store.database import Database
from nas.store.engine import Durability, create_file, enter_wal, leave_wal, optuna_url, read_only_engine
from nas.store.faults import file_error
from nas.store.location import BUSY_S, Contents, database_path, examine
from nas.store.rows import (
    CarriedTrial,
    ColumnRow,
    Comparable,
    Direction,
    Measurement,
    Operator,
    StudyRow,
    Told,
    TrialEnd,
    TrialRecord,
    TrialStart,
    Verification,
)
from nas.store.schema import HEAD, check_revision, migrate
from nas.version import VERSION

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from nas.store.storage import StudyStorage


class Store:
    """Studies, trials and measurements in one SQLite file, beside Optuna's tables. Open it with `Store.open`.

    A context manager: on leaving, the file becomes a plain one again that any browser of databases opens. A store
    belongs to its process; a child process opens its own.
    """

    def __init__(self, database: Database, storage: StudyStorage | None) -> None:
        self._database = database
        self._storage = storage

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool = True,
        read_only: bool = False,
        durability: Durability = "normal",
        busy_s: float = BUSY_S,
    ) -> Self:
        """The store at `url`, "sqlite:///" and a path to the letter. A missing or empty file is a new database; a
        database of Optuna's gets our tables beside its own.

        Args:
            create: False where the file must exist.
            read_only: for reports: nothing is written, and `optuna` is not there. Implies `create=False`.
            durability: "normal" keeps what is finished when processes die, "full" also when power fails.
            busy_s: how long the lock of another process is waited for.

        Raises:
            StoreError: the file cannot be opened, is damaged, is not ours, or is of a newer nas.
        """
        path = database_path(url).absolute()  # wherever the process goes meanwhile
        contents = examine(path, create=create and not read_only, read_only=read_only)
        check_revision(path, contents.revision, read_only=read_only)
        if read_only:
            return cls(Database(path, read_only_engine(path, busy_s), read_only=True), None)
        storage = _open_storage(path, contents, durability, busy_s)
        return cls(Database(path, storage.engine), storage)

    @classmethod
    def peek(cls, url: str, name: str) -> StudyRow | None:
        """The study of this name, None where there is none yet; the file is left as it is, to the byte.

        Raises:
            StoreError: the file cannot be opened for writing, is damaged, or is not ours.
        """
        contents = examine(database_path(url).absolute(), create=True, read_only=False)
        if contents.revision != HEAD:  # new, of Optuna alone, or to be migrated
            return None
        with cls.open(url, read_only=True) as store:
            return store.find_study(name)

    def close(self) -> None:
        """Closes the file."""
        if self._storage is not None:
            self._storage.remove_session()
        self._database.engine.dispose()
        if not self._database.read_only:
            leave_wal(self._database.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    @property
    def optuna(self) -> StudyStorage:
        """Optuna's storage on this file, for `optuna.load_study(storage=...)`.

        Raises:
            StoreError: the store was opened read-only.
        """
        if self._storage is None:
            raise StoreError(f"{self.path}: this database was opened read-only")
        return self._storage

    @property
    def optuna_url(self) -> str:
        """What Optuna itself and its dashboard open this file by, wherever the process goes meanwhile."""
        return optuna_url(self.path)

    def create_study(
        self,
        name: str,
        directions: Sequence[Direction],
        metric_names: Sequence[str],
        *,
        spec: Mapping[str, object],
        registry: Mapping[str, object],
        columns: Sequence[ColumnRow],
        objectives: Mapping[str, Direction],
        constraints: Sequence[tuple[str, Operator, float]] = (),
        nas_version: str = VERSION,
        trials: Sequence[CarriedTrial] = (),
    ) -> StudyRow:
        """A new study, Optuna's and ours at once or neither; with `trials` of another one, of which it has then all.

        Raises:
            StoreError: there is a study of this name, of ours or of Optuna's; an objective or a constraint is of none
                of the `columns`; there are `trials`, and the tables of this Optuna are not known.
        """
        from nas.store.writing import create_study

        study = StudyRow(
            uuid=uuid.uuid4().hex,
            name=name,
            optuna_id=-1,  # until Optuna has given one
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            nas_version=nas_version,
            spec=spec,
            registry=registry,
            columns=tuple(columns),
            objectives=dict(objectives),
            constraints=tuple(constraints),
        )
        return create_study(self._database, self.optuna, study, directions, metric_names, trials)

    def find_study(self, name: str) -> StudyRow | None:
        """The study of this name, or None.

        Raises:
            StoreError: Optuna has a study of this name that is not ours.
        """
        with self._database.read() as connection:
            return studies.find(connection, name)

    def study(self, name: str) -> StudyRow:
        """The study of this name.

        Raises:
            StoreError: there is none, and which there are; or Optuna has one that is not ours.
        """
        with self._database.read() as connection:
            if found := studies.find(connection, name):
                return found
            raise studies.unknown(name, studies.names(connection), self.path)

    def study_names(self) -> list[str]:
        """The names of our studies, in the order of their creation."""
        with self._database.read() as connection:
            return studies.names(connection)

    def begin_trial(
        self, study: StudyRow, template: FrozenTrial, start: TrialStart, *, total: int | None = None
    ) -> int | None:
        """The number of a new trial: Optuna's, as `template` says (running, with all parameters), and our row of it.

        This process becomes its owner. With `total`, None where the study has tried this network, or comes to that many
        counted trials by what other processes run. Raises `ValueError` where a parameter had another kind of
        distribution.
        """
        from nas.store.writing import begin_trial

        return begin_trial(self._database, self.optuna, study, template, start, total=total)

    def end_trial(
        self,
        study: StudyRow,
        number: int,
        end: TrialEnd,
        measurements: Mapping[str, int] | None = None,
        told: Told | None = None,
    ) -> None:
        """How a trial ended, the measurement behind each of its columns, and what Optuna is told of it: all of it, or
        nothing. A trial that does not run in Optuna any more stays there as it is.

        Without `told` the trial does not count until Optuna is told. Called again, it replaces what was written before.

        Raises:
            StoreError: the outcome is none, or the study has no such trial.
        """
        from nas.store.writing import end_trial

        end_trial(self._database, self.optuna, study, number, end, measurements or {}, told)

    def tell(self, study: StudyRow, number: int, told: Told) -> None:
        """Optuna's side of a trial's end alone, of which ours is written. Does nothing where the trial does not run in
        Optuna any more.
        """
        from nas.store.writing import tell

        tell(self._database, self.optuna, study, number, told)

    def standing(self, study: StudyRow) -> trials.Standing:
        """How far the study is, seen from this process: what is finished, and what runs where."""
        with self._database.read() as connection:
            return trials.standing(connection, study, owner.current())

    def trials(self, study: StudyRow, after: int = -1) -> list[TrialRecord]:
        """The study's trials with a number above `after`, in order."""
        with self._database.read() as connection:
            return trials.records(connection, study, after)

    def find_measurement(self, key: str) -> tuple[int, Measurement] | None:
        """The first successful measurement of this key, of whatever study, with its id."""
        with self._database.read() as connection:
            return measurements.find(connection, key)

    def comparable_measurements(
        self, metric: str, version: int, setting: Mapping[str, object]
    ) -> list[Comparable]:
        """See `nas.store.measurements.comparable`."""
        with self._database.read() as connection:
            return measurements.comparable(connection, metric, version, setting)

    def newest_measurement(self) -> int:
        """The id of the last measurement, 0 where there is none: when it stays, so do all measurements."""
        with self._database.read() as connection:
            return measurements.newest(connection)

    def add_measurement(self, measurement: Measurement) -> int:
        """Keeps a measurement, successful or not, and gives its id.

        A condition that is a long list of floats is kept as samples are, as float32.

        Raises:
            StoreError: its conditions or environment hold something that is no plain value.
        """
        with self._database.write() as connection:
            return measurements.add(connection, measurement)

    def keep_environment(self, environment: Mapping[str, object] | None) -> str | None:
        """The fingerprint of an environment, which is kept where it is new; None of none."""
        with self._database.write() as connection:
            return measurements.keep_environment(connection, environment)

    def costs(self, after: int = 0) -> tuple[dict[str, list[Any]], int]:
        """What blocks cost, by key, of all that were kept after the row `after`; and the last row."""
        with self._database.read() as connection:
            return costs.read(connection, after)

    def keep_costs(self, found: Mapping[str, Sequence[object]]) -> None:
        """Keeps what blocks cost, for every process and study; of a key that is there already, the first stays."""
        with self._database.write() as connection:
            costs.write(connection, found)

    def samples(self, measurement_id: int) -> dict[str, list[float]]:
        """A measurement's series: the raw samples under "", others under the names of their conditions."""
        with self._database.read() as connection:
            return measurements.read_samples(connection, measurement_id)

    def write_verifications(self, study: StudyRow, found: Sequence[Verification]) -> None:
        """Keeps what a verification found, instead of what the one before found."""
        with self._database.write() as connection:
            verifications.write(connection, study, found)

    def verifications(self, study: StudyRow) -> list[Verification]:
        """What the last verification of the study found, by trial."""
        with self._database.read() as connection:
            return verifications.read(connection, study)

    def trial_rows(self, study: StudyRow) -> list[reading.Row]:
        """See `nas.store.reading.trial_rows`."""
        with self._database.read() as connection:
            return reading.trial_rows(connection, study)

    def measurement_rows(self, study: StudyRow) -> list[reading.Row]:
        """See `nas.store.reading.measurement_rows`."""
        with self._database.read() as connection:
            return reading.measurement_rows(connection, study)

    def environment_rows(self, study: StudyRow) -> dict[str, Mapping[str, object]]:
        """See `nas.store.reading.environment_rows`."""
        with self._database.read() as connection:
            return reading.environment_rows(connection, study)

    def parameters(self, study: StudyRow) -> dict[str, reading.Parameter]:
        """See `nas.store.reading.parameters`."""
        with self._database.read() as connection:
            return reading.parameters(connection, study)


def _open_storage(path: Path, contents: Contents, durability: Durability, busy_s: float) -> StudyStorage:
    """Optuna's storage on the file, which is made where it is missing, with our tables at their newest."""
    from optuna.exceptions import StorageInternalError

    try:
        create_file(path)
        enter_wal(path, busy_s)
        try:
            return _set_up(path, contents, durability, busy_s)
        except BaseException:
            leave_wal(path)  # a file that is refused stays as plain as it was found
            raise
    except OSError as error:
        raise StoreError(f"{path}: cannot make a database here: {error.strerror}") from None
    except (sqlite3.Error, SQLAlchemyError, StorageInternalError) as error:
        raise file_error(path, error) from error
    except RuntimeError as error:  # Optuna's word that its own tables are older or newer than it knows
        raise StoreError(f"{path}: {error}") from None


def _set_up(path: Path, contents: Contents, durability: Durability, busy_s: float) -> StudyStorage:
    from nas.store.storage import StudyStorage

    storage = StudyStorage(path, busy_s=busy_s, durability=durability)
    try:
        if contents.revision != HEAD:
            migrate(storage.engine)
    except BaseException:
        storage.engine.dispose()
        raise
    return storage
