"""The study store: one SQLite file with Optuna's tables, untouched, and ours, all named `nas_*`.

`nas.store.store.Store` is the way in, `nas.store.rows` are the values that go in and come out. SQLAlchemy is named in
this room alone; what only reads (reports) loads no Optuna. `Store` is imported when it is first used: the rows need
no SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.store.rows import ColumnRow as ColumnRow
from nas.store.rows import Measurement as Measurement
from nas.store.rows import StudyRow as StudyRow
from nas.store.rows import TrialEnd as TrialEnd
from nas.store.rows import TrialRecord as TrialRecord
from nas.store.rows import TrialStart as TrialStart

if TYPE_CHECKING:
    from nas.store.store import Store as Store


def __getattr__(name: str) -> object:
    if name == "Store":
        from nas.store.store import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
