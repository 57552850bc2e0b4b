"""`nas.read_report` and `nas.read_measurements`: a study as a pandas frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.report import measurement_frame, read_frame
from nas.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_STORAGE = "sqlite:///nas.db"


def read_report(
    study: str,
    storage: str = DEFAULT_STORAGE,
    params: bool = False,
    mix_environments: bool = False,
    seconds: bool = False,
    sampler: bool = False,
) -> pd.DataFrame:
    """A row a trial, failures included, in the order of their numbers.

    Columns: trial, state, outcome, arch_id, arch, params, macs, flops, activations, receptive_field; then each column
    of the study that a metric fills, with NAME_low and NAME_high where its metric gives an interval, and NAME_verified,
    NAME_verified_low, NAME_verified_high where the last phase of a run measured it again; then global_ops,
    unsupported_ops, feasible, pareto, duration_s, message. A trial that still runs has the state RUNNING and no
    outcome. A value that is missing is explained by the row's outcome and message.

    Counts are Int64, metrics float64, `feasible` and `pareto` bool, whatever is missing; operations are joined by "; ".

    `pareto` marks the rows that no other successful, feasible row beats in the study's objectives; equal ones together.
    After a verification both follow from the verified values: `feasible` from the worse end of their intervals, and
    `pareto` among the rows that were verified, and those of the search's own front that were not.

    Args:
        study: the study's name.
        storage: its database, which is only read.
        params: also a column for each suggested parameter, under its name in Optuna: `stage2.kernel`. Where a column
            above has that name already, it is `param.NAME`.
        mix_environments: whether one front holds values of several environments (machines, drivers, versions of torch).
            By default it is of one of them, the one that most of the successful, feasible trials were measured in, of
            equally many that of the newest trial; all other rows have `pareto` false.
        seconds: also where the time of each trial went: seconds.ask (its proposal), seconds.cost (counting the networks
            that were proposed), seconds.build (starting workers, building the network and making it ready to run),
            seconds.measure (timing and training) and seconds.store (the database, the end of the trial before it
            included).
        sampler: also who proposed each trial: the name of a sampler, "enqueue" where the study file asks for the
            network, "warm_start" where the trial was carried over from another study, "retry" where a trial that the
            machine failed was tried again.

    Raises:
        StoreError: the database cannot be read, or has no such study.
    """
    with Store.open(storage, read_only=True) as store:
        return read_frame(store, store.study(study), params, mix_environments, seconds, sampler)


def read_measurements(study: str, storage: str = DEFAULT_STORAGE) -> pd.DataFrame:
    """A row for each column of each trial that was measured, failed measurements included.

    Columns: trial, arch_id, column, metric, value, low, high, n, unit, outcome, message, device, runtime, batch, dtype,
    memory_format, threads, fused, reference_ratio, environment, seconds. The conditions are missing where the metric
    has none of that name; `environment` is equal for measurements that were taken on one and the same machine. A
    measurement that several trials share stands in the rows of each.

    Raises:
        StoreError: the database cannot be read, or has no such study.
    """
    with Store.open(storage, read_only=True) as store:
        return measurement_frame(store, store.study(study))
