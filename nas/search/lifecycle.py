"""A trial's rows, around its evaluation: begun, told to Optuna, recovered where its run is gone, tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.outcomes import NOT_ITS_FAULT
from nas.search.propose import Candidate, Proposer
from nas.spec import StudySpec
from nas.store import Store
from nas.store.rows import StudyRow, Told, TrialEnd, TrialRecord, TrialStart


def recover(store: Store, row: StudyRow, spec: StudySpec, alone: Callable[[], bool]) -> tuple[int, int]:
    """How many trials are finished, and how many run elsewhere, once those are ended that nobody runs any more: with
    what they had reached, if that was written, else as interrupted.

    Another run may do the same at the same time.
    """
    now = store.standing(row)
    orphans = now.orphans(own=alone())  # asked afterwards: a search is there before its first trial is
    if not orphans:
        return now.finished, now.elsewhere
    for record in store.trials(row):
        if record.number not in orphans:
            continue
        if record.outcome is None:
            end = TrialEnd("interrupted", "the run that began this trial is gone")
            store.end_trial(row, record.number, end, told=Told("FAIL"))
        else:
            store.tell(row, record.number, for_optuna(record.outcome, record.values, spec))
    now = store.standing(row)
    return now.finished, now.elsewhere


def for_optuna(outcome: str, values: Mapping[str, float], spec: StudySpec) -> Told:
    """Optuna's half of a trial's end."""
    constraints = {
        str(bound): bound.violation(values[bound.column]) for bound in spec.bounds if bound.column in values
    }
    if outcome == "ok":
        return Told("COMPLETE", [values[name] for name in spec.objectives], constraints)
    return Told("PRUNED" if outcome in ("infeasible", "stopped") else "FAIL", None, constraints)


def again(
    study: optuna.Study, records: Sequence[TrialRecord], proposer: Proposer, tried: set[str]
) -> Candidate | None:
    """The candidate of a trial that the machine failed and that no other trial tried again."""
    tried_again = {record.retry_of for record in records}
    for record in records:
        if record.outcome in NOT_ITS_FAULT and record.number not in tried_again:
            values = study.trials[record.number].params
            found = proposer.look(values, tried) if set(values) == set(proposer.distributions) else ""
            if isinstance(found, Candidate):
                return replace(found, sampler="retry", retry_of=record.number)
    return None


def begin_trial(store: Store, row: StudyRow, candidate: Candidate, proposer: Proposer, total: int) -> int | None:
    """The number of the candidate's trial; None where another run has begun it, or the last one, meanwhile."""
    template: FrozenTrial = create_trial(
        state=TrialState.RUNNING, params=dict(candidate.values), distributions=dict(proposer.distributions),
        user_attrs={"arch_id": candidate.arch.arch_id}, system_attrs=dict(candidate.system_attrs),
    )
    return store.begin_trial(row, template, start_of(candidate), total=total)


def start_of(candidate: Candidate) -> TrialStart:
    """What our row says of a trial of the candidate from the beginning."""
    cost = candidate.cost
    return TrialStart(
        candidate.arch.arch_id, candidate.arch.text, cost.params, cost.macs, cost.flops, cost.activations,
        cost.receptive_field, global_ops=cost.global_ops, unsupported_ops=cost.unsupported_ops,
        sampler=candidate.sampler, rejected=candidate.rejected, retry_of=candidate.retry_of,
    )
