"""Studies of many trials, written without evaluating anything: every row as a run would have written it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.space import study

SAMPLES = 200
"""Of a measurement, about what the default of a latency column takes of networks of this space."""
MEASURED = {"latency_ms": {"max_seconds": 2.0, "device": "cpu", "threads": 1}}


def filled(path: Path, trials: int, *, measured: bool = True) -> tuple[str, str]:
    """A study of so many finished trials of 40 parameters and two objectives, one of them a measured latency where
    `measured`: its name, and the database's URL. Its first trial was run, the others are drawn at random.
    """
    import nas
    from nas.spec import parse_spec
    from nas.store import Store

    spec, storage = parse_spec(as_mapping(measured)), f"sqlite:///{path}"
    nas.run(spec, trials=1, storage=storage, observer=lambda told: None, verify=False, isolated=False)
    with Store.open(storage) as store:
        _fill(store, spec, trials)
    return spec.study.name, storage


def as_mapping(measured: bool) -> dict[str, Any]:
    """The study file of what `filled` fills."""
    objectives = {"latency_ms": "minimize", "params": "minimize"} if measured else {"macs": "minimize", "params": "minimize"}
    return study("filled", objectives, more=True, columns=MEASURED if measured else {}, constraints={"macs": "<= 10e9"})


def _fill(store: Any, spec: Any, trials: int) -> None:
    from optuna.trial import TrialState, create_trial

    from nas.cost.count import count_architecture
    from nas.cost.table import CostTable
    from nas.outcomes import TRIAL_PARTS
    from nas.plugins import load_plugins
    from nas.search.samplers import distributions
    from nas.space import SearchSpace
    from nas.store import measurements, owner
    from nas.store import trials as our_trials
    from nas.store.optuna_rows import insert_trial
    from nas.store.rows import TrialEnd, TrialStart

    blocks = load_plugins(entry_points=False).blocks
    space, table, rng = SearchSpace(spec, blocks), CostTable(), random.Random(1)
    row, here, known = store.study(spec.study.name), owner.current(), distributions(space)
    like = _first_measurement(store, row)
    bounds: Mapping[str, Any] = {str(bound): bound for bound in spec.bounds}
    with store._database.write() as connection:
        for _ in range(trials - 1):
            values = space.draw(rng)
            arch = space.decode(values)
            cost = count_architecture(arch, blocks, table)
            latency = 1e-8 * cost.macs * rng.uniform(0.7, 1.5)
            found = {"params": cost.params, "macs": cost.macs, "latency_ms": latency}
            template = create_trial(
                state=TrialState.COMPLETE, values=[found[name] for name in spec.objectives], params=values,
                distributions=dict(known), user_attrs={"arch_id": arch.arch_id},
                system_attrs={f"constraints:{name}": bound.violation(found[bound.column])
                              for name, bound in bounds.items()},
            )
            _, number = insert_trial(connection, row.optuna_id, template, store.optuna.known(row.optuna_id))
            our_trials.insert_start(connection, row, number, TrialStart(
                arch.arch_id, arch.text, cost.params, cost.macs, cost.flops, cost.activations, cost.receptive_field,
                global_ops=cost.global_ops, unsupported_ops=cost.unsupported_ops, sampler="random",
            ), here)
            columns = {}
            if like is not None:
                scale = latency / like.value
                columns["latency_ms"] = measurements.add(connection, dataclasses.replace(
                    like, key=f"{like.key}{number}", arch_id=arch.arch_id, value=latency, low=like.low * scale,
                    high=like.high * scale, iqr=like.iqr * scale, samples=[latency * rng.lognormvariate(0, 0.05) for _ in range(SAMPLES)],
                ))
            end = TrialEnd("ok", "", feasible=True, duration_s=2.0, seconds=dict.fromkeys(TRIAL_PARTS, 0.123456))
            our_trials.write_end(connection, row, number, end, columns)


def _first_measurement(store: Any, row: Any) -> Any:
    for found in store.measurement_rows(row):
        return store.find_measurement(found["key"])[1]
    return None
