"""Run as a program by the tests: begins and ends trials of a study that other processes work on too."""

import sys

from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nas.store.rows import ColumnRow, Measurement, TrialEnd, TrialStart
from nas.store.store import Store


def main(url: str, name: str, worker: str, trials: int) -> None:
    with Store.open(url) as store:
        study = store.find_study(name) or store.create_study(
            name, ["minimize"], ["latency_ms"], spec={}, registry={},
            columns=[ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "test", "objective", True)],
            objectives={"latency_ms": "minimize"},
        )  # the tests make the study before there is more than one process
        distribution = CategoricalDistribution((1, 2, 3))
        for turn in range(trials):
            template = create_trial(
                state=TrialState.RUNNING, params={"x": 2}, distributions={"x": distribution},
            )
            arch_id = f"{worker}-{turn}"
            number = store.begin_trial(study, template, TrialStart(arch_id, "text", 1, 2, 3, 4, "3x3"))
            key = f"key-{number}"
            measurement = store.add_measurement(Measurement(key, arch_id, "latency_ms", 1, "ms", "ok", value=1.0))
            store.end_trial(study, number, TrialEnd("ok", feasible=True), {"latency_ms": measurement})
            trial_id = store.optuna.get_trial_id_from_study_id_trial_number(study.optuna_id, number)
            store.optuna.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
            print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
