"""A small study, written by hand into a real database: every kind of row that a report meets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from nas.report.report import Report, load_report
from nas.store.rows import ColumnRow, Measurement, StudyRow, TrialEnd, TrialStart
from nas.store.store import Store

NAME = "digits_small"
ARCH = (
    "input(3x16x16) net(act=silu,drop_path=0.0,norm_eps=0.001,norm_momentum=0.1) "
    "stem(channels=24,kernel=3,stride=2,pool=false,act=silu) {stages} "
    "head(channels=128,hidden=0,dropout=0.2,act=silu) classes(10)"
)
SMALL = ARCH.format(stages="conv@1(repeats=1,channels=24,stride=1,kernel=3)")
LARGE = ARCH.format(stages="fused_mbconv@1(repeats=2,channels=24,stride=1,expand=1,kernel=3,se=0) "
                           "mbconv@1(repeats=4,channels=48,stride=2,expand=4,kernel=5,se=0.25)")
EVIL = '=HYPERLINK("http://example.invalid")\x1b[31m | <script>\nsecond line'
"""Text as a plugin or a driver might raise it: a formula, a terminal's escape, markup, a break."""

DISTRIBUTIONS = {"stage1.kernel": CategoricalDistribution([3, 5]), "stage1.repeats": IntDistribution(1, 4)}
ENVIRONMENT = {"cpu": "Some CPU at 2 GHz", "torch": "2.11.0", "threads": 1, "host": "builder-7"}
CONDITIONS = {"device": "cpu", "runtime": "eager", "batch": 1, "dtype": "float32", "memory_format": "contiguous",
              "threads": 1, "fused": True}

COLUMNS = (
    ColumnRow("accuracy", "accuracy", "fraction", "maximize", "stagenas: nas_metrics.accuracy", "objective", True),
    ColumnRow("latency_ms", "latency_ms", "ms", "minimize", "stagenas: nas_metrics.latency", "objective", True),
    ColumnRow("params", "params", "parameters", "minimize", "cost", "constraint", True),
    ColumnRow("naswot", "naswot", "", "maximize", "stagenas: nas_metrics.naswot", "column", False),
)
SPEC: Mapping[str, object] = {
    "plugins": [],
    "study": {"name": NAME, "trials": 7, "sampler": "tpe", "seed": 0},
    "input": {"shape": [3, 16, 16], "classes": 10},
    "stages": [{"block": ["conv", "mbconv"], "repeats": [1, 2, 3, 4], "channels": 24, "kernel": [3, 5]}],
    "objectives": {"accuracy": "maximize", "latency_ms": "minimize"},
    "constraints": {"params": "<= 1e6"},
}


def start(arch: str, params: int) -> TrialStart:
    return TrialStart(
        arch_id=f"{params:012x}", arch=arch, params=params,
        macs=params * 11, flops=params * 12, activations=params // 2,
        receptive_field="15x15", global_ops=("mbconv.se", "head.pool"),
    )


class Writer:
    """Writes trials of a study as a search does."""

    def __init__(self, store: Store, study: StudyRow) -> None:
        self.store, self.study = store, study
        self.optuna = optuna.load_study(study_name=study.name, storage=store.optuna)

    def begin(self, begun: TrialStart, kernel: int = 3, repeats: int = 1) -> int:
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING, distributions=DISTRIBUTIONS,
            params={"stage1.kernel": kernel, "stage1.repeats": repeats},
        )
        return self.store.begin_trial(self.study, template, begun)

    def measure(self, begun: TrialStart, metric: str, value: float | None, half: float | None = None, *,
                outcome: str = "ok", message: str = "") -> int:
        timed = metric == "latency_ms"
        given = value is not None and half is not None
        return self.store.add_measurement(Measurement(
            key=f"{metric} {begun.arch_id}", arch_id=begun.arch_id, metric=metric, metric_version=1,
            unit={"latency_ms": "ms", "accuracy": "fraction"}.get(metric, ""), outcome=outcome, value=value,
            low=value - half if given else None, high=value + half if given else None, n=50 if timed else None,
            message=message, conditions=CONDITIONS if timed else {"device": "cpu"}, seconds=1.5,
            reference_ratio=0.5 if timed else None, environment=ENVIRONMENT if timed else None,
        ))

    def end(self, number: int, outcome: str, measured: Mapping[str, int] | None = None, *, feasible: bool = False,
            message: str = "", values: list[float] | None = None) -> None:
        self.store.end_trial(self.study, number, TrialEnd(outcome, message, feasible, 2.5, {"measure": 2.0}), measured)
        if values is not None:
            self.optuna.tell(number, values)
        else:
            self.optuna.tell(number, state=TrialState.FAIL)

    def success(self, begun: TrialStart, accuracy: float, latency_ms: float, *, feasible: bool = True,
                message: str = "") -> None:
        number = self.begin(begun, kernel=5, repeats=2)
        measured = {
            "accuracy": self.measure(begun, "accuracy", accuracy, 0.013),
            "latency_ms": self.measure(begun, "latency_ms", latency_ms, 0.046),
            "naswot": self.measure(begun, "naswot", 123.456789012345),
        }
        self.end(number, "ok", measured, feasible=feasible, message=message, values=[accuracy, latency_ms])


def new_study(
    store: Store, name: str = NAME, constraints: Sequence[tuple[str, str, float]] = (("params", "<=", 1e6),)
) -> StudyRow:
    return store.create_study(
        name, ["maximize", "minimize"], ["accuracy", "latency_ms"], spec=SPEC,
        registry={"blocks": {
            "conv": {"version": 1, "digest": "0123456789ab", "origin": "stagenas 0.1.0: nas_blocks.conv"},
            "ghost": {"version": 2, "digest": "ba9876543210", "origin": "ghost.py"},
        }},
        columns=COLUMNS, objectives={"accuracy": "maximize", "latency_ms": "minimize"},
        constraints=constraints, nas_version="0.1.0",
    )


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the study: trials 0 and 1 are its front."""
    path: Path = tmp_path_factory.mktemp("report") / "nas.db"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with Store.open(f"sqlite:///{path}") as store:
        writer = Writer(store, new_study(store))
        writer.success(start(SMALL, 21_458), 0.8101, 1.25)                           # 0: fast
        writer.success(start(LARGE, 945_678), 0.9533333333333334, 3.1234567890123)   # 1: accurate
        writer.success(start(LARGE, 800_000), 0.90, 4.0)                             # 2: worse than 1 in both
        writer.success(start(LARGE, 990_000), 0.99, 0.5, feasible=False)             # 3: best, but not allowed
        begun = start(LARGE, 700_000)
        number = writer.begin(begun)                                                 # 4: fails
        failed = writer.measure(begun, "latency_ms", None, outcome="oom", message=EVIL)
        writer.end(number, "oom", {"latency_ms": failed}, message=EVIL)
        number = writer.begin(start(SMALL, 600_000))
        writer.end(number, "interrupted", message="stopped by Ctrl-C")               # 5: does not count
        writer.begin(start(SMALL, 500_000), repeats=3)                               # 6: still runs
        new_study(store, "digits_empty")
    return f"sqlite:///{path}"


@pytest.fixture
def bounded(tmp_path: Path) -> str:
    """The URL of a study with latency_ms <= 5: by the search, trial 0 keeps it, and trial 1, more accurate, does not."""
    url = f"sqlite:///{tmp_path}/bounded.db"
    with Store.open(url) as store:
        writer = Writer(store, new_study(store, "bounded", (("latency_ms", "<=", 5.0),)))
        writer.success(start(SMALL, 100), 0.8, 4.9)
        writer.success(start(LARGE, 200), 0.9, 5.1, feasible=False, message="breaks latency_ms <= 5")
    return url


@pytest.fixture(scope="session")
def report(storage: str) -> Report:
    """The study's report, with what differs from run to run held still."""
    found = load_report(NAME, storage)
    study = dataclasses.replace(found.study, uuid="0" * 32, created_at="2026-01-02T03:04:05+00:00")
    return dataclasses.replace(found, study=study)


@pytest.fixture(scope="session")
def empty_report(storage: str) -> Report:
    """A report of a study that has no trial yet."""
    return load_report("digits_empty", storage)


GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with its golden file; with NAS_WRITE_GOLDEN=1 it writes the file: read the difference then."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if os.environ.get("NAS_WRITE_GOLDEN") == "1":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file} differs; NAS_WRITE_GOLDEN=1 writes it anew"

    return compare


@pytest.fixture
def new_writer() -> Callable[[Store], tuple[Writer, TrialStart, TrialStart, TrialStart]]:
    """What writes trials of a new study into a store, and three networks to write."""

    def make(store: Store) -> tuple[Writer, TrialStart, TrialStart, TrialStart]:
        return Writer(store, new_study(store)), start(SMALL, 21_458), start(LARGE, 945_678), start(LARGE, 800_000)

    return make
