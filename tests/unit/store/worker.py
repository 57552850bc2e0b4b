"""A program that the tests start several times at once: it begins and ends trials of one study.

    worker.py URL STUDY TRIALS          prints the number of each trial that it finished
    worker.py URL STUDY hang            begins a trial, prints its number, and waits to be killed
"""

from __future__ import annotations

import sys
import time

from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nas.store.rows import Measurement, TrialEnd, TrialStart
from nas.store.store import Store


def main(url: str, name: str, trials: str) -> None:
    distributions = {"x": CategoricalDistribution((1, 2, 3))}
    template = create_trial(state=TrialState.RUNNING, params={"x": 2}, distributions=distributions)
    start = TrialStart("a" * 12, "input(3x32x32)", 1, 2, 3, 4, "7x7")
    with Store.open(url) as store:
        study = store.study(name)
        if trials == "hang":
            tell(store.begin_trial(study, template, start))
            time.sleep(600)
        for _ in range(int(trials)):
            number = store.begin_trial(study, template, start)
            found = store.find_measurement("shared")
            measurement_id = found[0] if found else store.add_measurement(
                Measurement("shared", "a" * 12, "latency_ms", 1, "ms", "ok", value=1.0, environment={"cpu": "x"})
            )
            store.end_trial(study, number, TrialEnd("ok", feasible=True), {"latency_ms": measurement_id})
            trial_id = store.optuna.get_trial_id_from_study_id_trial_number(study.optuna_id, number)
            store.optuna.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0, 1.0])
            tell(number)


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
