"""The pipeline of a study, read from top to bottom: check, open, recover, propose, begin, evaluate, end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.trial import TrialState
from rich.console import Console

from nas.errors import MeasureError
from nas.outcomes import NOT_ITS_FAULT
from nas.search.bar import shown
from nas.search.carrying import check_source
from nas.search.clock import Clock, since
from nas.search.costs import StoredCosts
from nas.search.drift import check_drift, registry_snapshot
from nas.search.ending import Ending, Limits
from nas.search.enqueue import Queue
from nas.search.evaluate import Evaluation, evaluate
from nas.search.lifecycle import again, begin_trial, for_optuna, recover
from nas.search.opening import find_or_create
from nas.search.prepare import Prepared, prepare
from nas.search.progress import Observer, Progress, Tally
from nas.search.propose import Candidate, ExhaustedError, Proposer
from nas.search.seen import Watched
from nas.search.verify import verify as verify_front
from nas.spec import StudySpec
from nas.store import Store
from nas.store.rows import StudyRow, Told, TrialEnd, TrialRecord

DEFAULT_STORAGE = "sqlite:///nas.db"

_SEARCHES: set[tuple[str, object]] = set()
"""The searches that run in this process, each with its study: of a trial that this process began and still holds, they
tell whether anyone runs it. After Ctrl-C in a notebook the process lives on, and the trial may be nobody's.
"""

log = logging.getLogger("nas")


def run(
    study: str | Path | StudySpec,
    trials: int | None = None,
    storage: str = DEFAULT_STORAGE,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    observer: Observer | None = None,
    entry_points: bool = True,
    isolated: bool = True,
    verify: bool = True,
    mix_environments: bool = False,
    timeout: float | None = None,
    patience: int | None = None,
) -> optuna.Study:
    """Runs a study until it has `trials` counted trials in all, and returns Optuna's study.

    A second call goes on from where the first one stopped, or finds nothing left to do. Without an observer a bar is
    shown in a terminal or a notebook; elsewhere only what the user should know is logged, as warnings of logger "nas".

    Args:
        study: a study file, or what `nas.spec.load_spec` made of one.
        trials: counted trials in all, over all runs; None: the study file's number.
        storage: the database's URL; it is made where there is none.
        plugins: local plugin files, besides those that the study names.
        device: replaces the device of every column that has one.
        observer: is told of all that happens.
        entry_points: whether plugins of installed packages are used besides the built-in ones.
        isolated: whether metrics are asked in a worker, a process of its own, so that one that hangs or crashes is a
            row and not the end of the study; False, for debuggers: in this process, and without a verification.
        verify: whether the front is measured again in the end, see `nas.search.verify`.
        mix_environments: whether a study goes on on another machine, or under another version of torch, than the one
            that it was begun on; values of both then stand in one column, and steer the search together.
        timeout: seconds after which this run begins no further trial; the one that runs then ends, and the front is
            verified. None: the study file's, if it has one.
        patience: the study is done when so many counted trials in a row, over all runs, have not made the hypervolume
            of the feasible front grow, see `nas.search.ending.Gains`. None: the study file's, if it has one.

    Raises:
        NasError: what the caller gave is not what it should be; nothing was written.
        NothingFeasibleError: 200 proposals in a row were rejected.
        MeasureError: 10 trials in a row failed by no fault of theirs.
        KeyboardInterrupt: after everything finished so far is saved.
    """
    ready = prepare(study, plugins, device, entry_points, isolated)
    limits = Limits.of(ready.spec, trials, timeout, patience)
    return carry_out(ready, limits, storage, observer, verify, mix_environments)


def carry_out(
    ready: Prepared,
    limits: Limits,
    storage: str = DEFAULT_STORAGE,
    observer: Observer | None = None,
    verify: bool = True,
    mix_environments: bool = False,
    clock: Clock | None = None,
) -> optuna.Study:
    """`run` of a study that is prepared already; raises what it raises. `clock` hears where the time goes."""
    clock, name = clock or Clock(), ready.spec.study.name
    ending = Ending(limits, ready.spec.objectives)
    with clock("store"):
        found = Store.peek(storage, name)
        if found is None:
            check_source(storage, ready.spec)
    if found is not None:
        check_drift(found, ready.spec, registry_snapshot(ready), mix_environments)
    with (
        Store.open(storage, durability=ready.spec.study.durability) as store,
        _observed(observer, name) as tell,
    ):
        with clock("store"):
            row, notices = find_or_create(store, ready, mix_environments,
                                          lambda doing: tell(Progress(0, limits.trials, doing=doing)))
        with _searching(row.uuid) as alone:
            search = _Search(store, row, ready, limits.trials, ending, tell, alone, clock)
            try:
                search.go_on(notices)
                if verify and ready.asking.isolated:  # fresh processes are what it is about
                    search.verify()
            finally:
                search.keep_costs()
    return optuna.load_study(study_name=name, storage=store.optuna_url)


@contextmanager
def _observed(observer: Observer | None, name: str) -> Iterator[Observer]:
    """The observer that was given, or the one that suits the place."""
    console = Console(stderr=True)
    if observer is not None:
        yield observer
    elif console.is_terminal or console.is_jupyter:
        with shown(name, console) as bar:
            yield bar
    else:
        yield _logged


def _logged(told: Progress) -> None:
    for notice in told.notices:
        log.warning(notice)


MAX_UNLUCKY = 10
"""Trials in a row that the machine fails, each tried again without counting, after which the search gives up."""

MAX_DEATHS = 3
"""Trials in a row whose worker died, with no other candidate's help, after which the device is left alone."""

WAIT_S = 0.5
"""Between two looks at the last trials of a study, where another process runs them: should it die, they are left."""


class _Search:
    """The loop over the trials of one run."""

    def __init__(
        self, store: Store, row: StudyRow, ready: Prepared, total: int, ending: Ending, observer: Observer,
        alone: Callable[[], bool], clock: Clock,
    ) -> None:
        self._store, self._row, self._ready, self._total, self._observer = store, row, ready, total, observer
        self._ending, self._alone, self._clock = ending, alone, clock
        self._study = optuna.load_study(study_name=row.name, storage=store.optuna)
        self._costs = StoredCosts(store)
        self._proposer = Proposer(ready.spec, ready.space, ready.columns, self._costs, clock)
        self._watched = Watched(self._proposer.distributions, list(ready.spec.objectives))
        self._queue = Queue(ready.enqueued, ready.spec, self._proposer)
        self._tally = Tally(ready.spec.objectives)
        self._unlucky = 0
        self._finished = 0  # trials that count, over all runs
        self._elsewhere = 0  # trials that other processes run
        self._records: list[TrialRecord] = []
        self._before = clock.spent  # when the last trial had ended, but for its writing, which the next one tells

    def go_on(self, notices: tuple[str, ...]) -> None:
        """Runs trials until there are enough, the time is over or none is left; ends those of other runs that die
        meanwhile.
        """
        self._look()
        records = self._all_records()
        for record in records:
            if record.outcome == "ok" and record.feasible:
                self._tally.add(record.values)
        if self._finished >= self._total:
            told = f"{self._finished} trials are finished, and {self._total} were asked for: nothing is left to do"
            notices = (*notices, told)
        else:
            with self._clock("cost"):
                notices = (*notices, *self._queue.look(records))
        self._tell(notices=notices)
        while self._finished < self._total:
            records = self._all_records()
            if over := self._ending.out_of_patience(records) or self._ending.out_of_time(self._finished):
                self._tell(notices=(over,))
                return
            if self._finished + self._elsewhere >= self._total:
                self._tell("waiting for the last trials, which another run evaluates")
                time.sleep(WAIT_S)
                self._look()
                continue
            self._tell(f"trial {len(records)}: proposing a network")
            try:
                with self._clock("ask"):
                    candidate = self._next(records)
            except ExhaustedError as error:
                self._tell(notices=(str(error),))
                return
            self.keep_costs()
            if not self._ending.out_of_time(self._finished):  # a proposal takes its time, too
                self._run_one(candidate)

    def keep_costs(self) -> None:
        """Also those of networks that became no trial are for the next run."""
        with self._clock("store"):
            self._costs.flush()

    def verify(self) -> None:
        """The last phase."""
        with self._clock("verify"):
            verify_front(self._store, self._row, self._ready, self._costs, self._tell)

    def _look(self) -> None:
        """How far the study is, over all runs; trials that nobody runs any more are ended."""
        with self._clock("store"):
            self._finished, self._elsewhere = recover(self._store, self._row, self._ready.spec, self._alone)

    def _all_records(self) -> Sequence[TrialRecord]:
        """The study's trials; one that has ended does not change any more, and is read once."""
        known = self._records
        open_ = (place for place, record in enumerate(known) if not TrialState[record.state].is_finished())
        del known[next(open_, len(known)):]
        with self._clock("store"):
            known += self._store.trials(self._row, after=known[-1].number if known else -1)
        return known

    def _next(self, records: Sequence[TrialRecord]) -> Candidate:
        tried = {record.arch_id for record in records if record.arch_id and record.outcome not in NOT_ITS_FAULT}
        retried = again(self._study, records, self._proposer, tried)
        if (waiting := retried or self._queue.next(tried)) is not None:
            return waiting
        return self._proposer.propose(
            self._study, len(records), tried,
            lambda: self._watched.trials(self._study, {record.number: record for record in records}),
        )

    def _run_one(self, candidate: Candidate) -> None:
        """Makes a trial of the candidate, unless another run has done so, or begun the last one, since it was proposed.
        """
        began = time.perf_counter()
        ready, store, row = self._ready, self._store, self._row
        with self._clock("store"):
            number = begin_trial(store, row, candidate, self._proposer, self._total)
        if number is None:
            self._look()
            return

        def tell(doing: str) -> None:
            self._tell(f"trial {number}: {doing}")

        try:
            done = evaluate(candidate, ready.spec, ready.columns, ready.plugins, store, ready.asking, tell, self._clock)
        except BaseException as error:
            told = "stopped by the user" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            end = TrialEnd("interrupted", told, False, time.perf_counter() - began, self._since_the_last())
            store.end_trial(row, number, end, told=Told("FAIL"))
            raise
        end = TrialEnd(done.outcome, done.message, done.feasible, time.perf_counter() - began, self._since_the_last())
        with self._clock("store"):
            store.end_trial(row, number, end, done.measurements, for_optuna(done.outcome, done.values, ready.spec))
        if done.outcome == "ok" and done.feasible:
            self._tally.add(done.values)
        self._look()  # also after the last trial: what a killed run left would stay unfinished in a done study
        self._tell(last=done)
        self._unlucky = self._unlucky + 1 if done.outcome in NOT_ITS_FAULT else 0
        if self._unlucky >= (MAX_DEATHS if done.outcome == "worker_died" else MAX_UNLUCKY):
            raise MeasureError(
                f"{self._unlucky} trials in a row could not be measured, the last one: {done.outcome}: {done.message}\n"
                "What was finished is saved: mend the machine, then run the study again to go on.", done.outcome
            )

    def _since_the_last(self) -> Mapping[str, float]:
        """The seconds of each part of this trial; what was spent on writing the last one is among them."""
        before, self._before = self._before, self._clock.spent
        return since(before, self._before)

    def _tell(self, doing: str = "", last: Evaluation | None = None, notices: tuple[str, ...] = ()) -> None:
        tally = self._tally
        self._observer(Progress(self._finished, self._total, tally.front, tally.best, doing, last, notices,
                                self._ending.seconds_left))


@contextmanager
def _searching(study: str) -> Iterator[Callable[[], bool]]:
    """While a search of the study runs; what it gives tells whether no other one of this process does, in a thread."""
    search = (study, object())
    try:
        _SEARCHES.add(search)
        yield lambda: [other for other in tuple(_SEARCHES) if other[0] == study] == [search]
    finally:
        _SEARCHES.discard(search)
