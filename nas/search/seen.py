"""The trials of a study as `costaware` needs them: what was chosen, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from nas.outcomes import NOT_ITS_FAULT
from nas.space import Values
from nas.store.rows import TrialRecord


@dataclass(frozen=True)
class Seen:
    """A trial: the choice, and what is known of its network by now.

    `found` holds each column that was measured; `state` is "failed" where the network itself was at fault, and then
    what was not found is taken for as bad as anything seen.
    """

    values: Values
    found: Mapping[str, float]
    state: Literal["finished", "failed", "running"]


class Watched:
    """The trials of one study, each looked at until it has ended."""

    def __init__(self, distributions: Mapping[str, BaseDistribution], objectives: Sequence[str]) -> None:
        self._distributions, self._objectives = distributions, tuple(objectives)
        self._ended: dict[int, Seen | None] = {}

    def trials(
        self, study: optuna.Study, records: Mapping[int, TrialRecord] | None = None, without: int | None = None
    ) -> list[Seen]:
        """Those that have the parameters of the space, in their order, but for what the machine failed.

        Args:
            records: what `nas run` keeps of each trial, read before this; a trial that another worker has begun or
                ended since then is running. Without records, and of a trial that `nas run` did not make, Optuna's
                values and user attributes say it.
            without: the trial that is being proposed.
        """
        found = []
        for trial in study.get_trials(deepcopy=False):
            if trial.number in self._ended:
                seen = self._ended[trial.number]
            elif trial.number == without:
                continue
            else:
                record = records.get(trial.number) if records is not None else None
                current = records is None or (record is not None and record.state != TrialState.RUNNING.name)
                seen = self._look(trial, record if record and record.outcome else None, current)
                if current and trial.state.is_finished():
                    self._ended[trial.number] = seen
            if seen is not None:
                found.append(seen)
        return found

    def _look(self, trial: FrozenTrial, record: TrialRecord | None, current: bool) -> Seen | None:
        values = self._values(trial)
        if values is None:
            return None
        outcome = record.outcome if record else trial.user_attrs.get("outcome")
        if outcome in NOT_ITS_FAULT:
            return None
        if not (current and trial.state.is_finished()):
            return Seen(values, {}, "running")
        if record is not None:
            found = dict(record.values)
        else:
            numbers = (int, float)
            found = {name: value for name, value in trial.user_attrs.items() if type(value) in numbers}
            if trial.state == TrialState.COMPLETE:
                found |= dict(zip(self._objectives, trial.values, strict=True))
        failed = trial.state == TrialState.FAIL or outcome == "stopped"
        return Seen(values, found, "failed" if failed else "finished")

    def _values(self, trial: FrozenTrial) -> Values | None:
        """The choices, as the space writes them; None where they are not of it. A trial of someone else may have any
        under the same name, and True or 1.0 where the space has 1.
        """
        values = {}
        for name, distribution in self._distributions.items():
            if name not in trial.params:
                return None
            try:
                place = distribution.to_internal_repr(trial.params[name])
            except ValueError:
                return None
            if not distribution._contains(place):
                return None
            values[name] = distribution.to_external_repr(place)
        return values
