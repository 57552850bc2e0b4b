"""The storage alone: what a trial of 40 parameters, 10 attributes and 3 objectives costs, beside stock Optuna."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import stock
from tests.benchmarks.row import Row, Scale, Target, seconds

PARAMETERS, ATTRIBUTES, OBJECTIVES = 40, 10, 3


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """By the calls of `study.ask`, `suggest` and `study.tell`, and as `nas run` begins its trials."""
    from nas.store import Store

    many, few = scale.of(200, 3), scale.of(40, 1)
    for synchronous, told in (("NORMAL", "our default"), ("FULL", "Optuna's default"))[: scale.of(2, 1)]:
        with Store.open(f"sqlite:///{folder / f'ours-{synchronous}.db'}", durability=synchronous.lower()) as store:
            at_once = _rate(store.optuna, many, _at_once)
            one_by_one = _rate(store.optuna, few, _one_by_one)
        peer = stock.storage(folder / f"stock-{synchronous}.db", synchronous)
        theirs = _rate(peer, few, _one_by_one)
        where = f"trials/s of the storage alone, synchronous={synchronous}"
        target = Target(20) if synchronous == "NORMAL" else None
        yield Row(f"{where}", f"{at_once:.3g}/s", f"{theirs:.3g}/s stock", at_once / theirs, target,
                  f"{told}. {PARAMETERS} parameters, {ATTRIBUTES} attributes, {OBJECTIVES} objectives; ours as `nas run` "
                  "uses it, a trial begun with all that is known of it, then finished; stock as `study.optimize` "
                  "does, a call for each parameter and attribute. Rows are the same on both sides.")
        yield Row(f"{where}, ours by stock's calls", f"{one_by_one:.3g}/s", f"{theirs:.3g}/s stock",
                  one_by_one / theirs, None, "ours behind an Optuna loop of one's own: the same calls on both sides.")


def _rate(storage: Any, trials: int, write: Callable[[Any, int, int], None]) -> float:
    from optuna.study import StudyDirection

    study = storage.create_new_study([StudyDirection.MINIMIZE] * OBJECTIVES)
    write(storage, study, 0)
    rate = trials / seconds(lambda: [write(storage, study, number + 1) for number in range(trials)])
    found = storage.get_all_trials(study)
    if len(found) != trials + 1 or any(len(trial.params) != PARAMETERS or len(trial.user_attrs) != ATTRIBUTES
                                       or len(trial.values) != OBJECTIVES for trial in found):
        raise AssertionError("what was written is not there")
    return rate


def _contents(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    from optuna.distributions import CategoricalDistribution

    choices = CategoricalDistribution((3, 5, 7))
    return ({f"stage{place // 6}.parameter{place}": (choices, (number + place) % 3) for place in range(PARAMETERS)},
            {f"attribute{place}": number / (place + 1) for place in range(ATTRIBUTES)})


def _one_by_one(storage: Any, study: int, number: int) -> None:
    from optuna.trial import TrialState

    parameters, attributes = _contents(number)
    trial = storage.create_new_trial(study)
    for name, (distribution, index) in parameters.items():
        storage.set_trial_param(trial, name, float(index), distribution)
    for name, value in attributes.items():
        storage.set_trial_user_attr(trial, name, value)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [float(number)] * OBJECTIVES)


def _at_once(storage: Any, study: int, number: int) -> None:
    """Two transactions: `nas run` writes its own rows in the first of them too."""
    from optuna.trial import TrialState, create_trial

    from nas.store.optuna_rows import finish_trial, insert_trial

    parameters, attributes = _contents(number)
    template = create_trial(
        state=TrialState.RUNNING, user_attrs=attributes,
        params={name: distribution.choices[index] for name, (distribution, index) in parameters.items()},
        distributions={name: distribution for name, (distribution, _) in parameters.items()},
    )
    with storage.engine.begin() as connection:
        insert_trial(connection, study, template, storage.known(study))
    with storage.engine.begin() as connection:
        finish_trial(connection, study, number, TrialState.COMPLETE, [float(number)] * OBJECTIVES, {})
