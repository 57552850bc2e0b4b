"""Values of several machines: one front, one environment; two columns of one metric, and how they compare."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

import nas
from nas.cli.commands import app
from nas.report.environments import Comparison, columns_compared
from nas.report.render import render
from nas.report.report import Report, load_report
from nas.store.rows import ColumnRow, Measurement, StudyRow, TrialEnd, TrialStart
from nas.store.store import Store

HERE, THERE = {"cpu": "one", "torch": "2.14.1"}, {"cpu": "another", "torch": "2.14.1"}


def column(name: str, metric: str, role: str) -> ColumnRow:
    return ColumnRow(name, metric, "ms", "minimize", "a plugin", role, role == "objective")  # type: ignore[arg-type]


COLUMNS = (column("latency_ms", "latency_ms", "objective"), column("loss", "loss", "objective"),
           column("server_ms", "latency_ms", "column"), column("batch_ms", "latency_ms", "column"))


class Writer:
    """Writes successful trials of one study, each with values in an environment."""

    def __init__(self, store: Store, constraints: tuple[tuple[str, str, float], ...] = ()) -> None:
        self.store = store
        self.study: StudyRow = store.create_study(
            "machines", ["minimize", "minimize"], ["latency_ms", "loss"], spec={}, registry={}, columns=COLUMNS,
            objectives={"latency_ms": "minimize", "loss": "minimize"}, constraints=constraints,
        )
        self.optuna = optuna.load_study(study_name="machines", storage=store.optuna)

    def trial(
        self, environment: dict[str, str] | None, arch_id: str = "", without: tuple[str, ...] = ("loss",),
        **values: float,
    ) -> None:
        """Values in the environment, but those named in `without`, whose metric tells of none."""
        number = self.store.begin_trial(
            self.study, optuna.trial.create_trial(state=TrialState.RUNNING),
            TrialStart(arch_id or f"{len(self.store.trials(self.study)):012x}", "no text", 1, 1, 1, 1, "1x1"),
        )
        assert number is not None
        measured = {
            name: self.store.add_measurement(Measurement(
                f"{name} {number}", "0", name, 1, "ms", "ok", value,
                environment=None if name in without else environment))
            for name, value in values.items()
        }
        self.store.end_trial(self.study, number, TrialEnd("ok", feasible=True), measured)
        self.optuna.tell(number, [values["latency_ms"], values["loss"]])


@pytest.fixture
def storage(tmp_path: Path) -> str:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return f"sqlite:///{tmp_path}/nas.db"


def mixed(storage: str, *environments: dict[str, str] | None) -> None:
    """A trial in each of the environments, each next one better in everything."""
    with Store.open(storage) as store:
        writer = Writer(store)
        for place, environment in enumerate(environments):
            writer.trial(environment, latency_ms=10.0 - place, loss=10.0 - place)


def front(storage: str, **options: bool) -> list[int]:
    frame = nas.read_report("machines", storage, **options)
    return [int(number) for number in frame.loc[frame["pareto"], "trial"]]


def test_a_front_is_of_the_environment_that_most_trials_were_measured_in(storage: str) -> None:
    mixed(storage, HERE, HERE, THERE)
    assert front(storage) == [1]
    assert front(storage, mix_environments=True) == [2]


def test_of_equally_many_those_of_the_newest_trial_are_taken(storage: str) -> None:
    mixed(storage, THERE, HERE, HERE, THERE)
    assert front(storage) == [3]


def test_values_of_an_environment_that_is_not_known_compare_with_none_that_is(storage: str) -> None:
    mixed(storage, HERE, HERE, None)
    assert front(storage) == [1]
    assert "in another one (not known)" in load_report("machines", storage).notices[0]


@pytest.mark.parametrize(("constraints", "members"), [((), [2]), ((("server_ms", "<=", 9.0),), [1])])
def test_what_is_bounded_is_of_one_environment_too(storage: str, constraints, members: list[int]) -> None:
    """Whether a network keeps a bound is a question to the machine that it was measured on."""
    with Store.open(storage) as store:
        writer = Writer(store, constraints)
        for place, environment in enumerate((HERE, HERE, THERE)):
            writer.trial(environment, without=("loss", "latency_ms"), latency_ms=10.0 - place, loss=10.0 - place,
                         server_ms=1.0)
    assert front(storage) == members
    assert front(storage, mix_environments=True) == [2]


def test_one_environment_needs_no_word(storage: str) -> None:
    mixed(storage, HERE, HERE)
    assert front(storage) == front(storage, mix_environments=True) == [1]
    assert load_report("machines", storage).notices == ()


@pytest.mark.parametrize("name", ["table", "md", "html"])
def test_every_page_says_how_many_trials_the_front_leaves_out_and_how_to_have_them_in_it(
    storage: str, name: str
) -> None:
    mixed(storage, HERE, HERE, THERE)
    report = load_report("machines", storage)
    [notice] = report.notices
    assert re.fullmatch(r"the front is of one environment: 1 of 3 successful trials were measured in another one "
                        r"\([0-9a-f]{12}\), and their values do not compare; --mix-environments puts all of them into "
                        "one front", notice)
    page = " ".join(str(render(report, name)).split())
    assert "the front is of one environment: 1 of 3" in page
    assert "the front is of one environment" not in str(render(mixing(storage), name))


def mixing(storage: str) -> Report:
    return load_report("machines", storage, mix_environments=True)


def test_the_command_line_mixes_where_it_is_told_to(storage: str) -> None:
    mixed(storage, HERE, HERE, THERE)
    for words, numbers in (([], "[False, True, False]"), (["--mix-environments"], "[False, False, True]")):
        told = CliRunner().invoke(app, ["report", "machines", "--storage", storage, "--format", "csv", *words])
        assert told.exit_code == 0
        rows = [line.split(",") for line in told.stdout.splitlines()]
        place = rows[0].index("pareto")
        assert str([row[place] == "True" for row in rows[1:]]) == numbers


def compared(storage: str, *values: tuple[float, float, float], environment: dict[str, str] | None = None) -> Report:
    with Store.open(storage) as store:
        writer = Writer(store)
        for latency_ms, server_ms, batch_ms in values:
            writer.trial(environment or HERE, latency_ms=latency_ms, server_ms=server_ms, batch_ms=batch_ms, loss=1.0)
    return load_report("machines", storage)


def test_each_two_latency_columns_are_compared_by_rank_and_ratio(storage: str) -> None:
    report = compared(storage, (1.0, 2.0, 4.0), (2.0, 4.0, 3.0), (3.0, 6.0, 2.0), (4.0, 8.0, 1.0))
    assert report.comparisons[0] == Comparison("latency_ms", "server_ms", 4, pytest.approx(1.0), pytest.approx(1.0), 0.5)
    second = report.comparisons[1]
    assert (second.first, second.second, second.spearman) == ("latency_ms", "batch_ms", pytest.approx(-1.0))
    assert second.ratio == pytest.approx((2 / 3 + 3 / 2) / 2)
    assert len(report.comparisons) == 3


def test_a_pair_out_of_order_lowers_both_correlations_as_their_definitions_say(storage: str) -> None:
    report = compared(storage, (1.0, 1.0, 1.0), (2.0, 2.0, 1.0), (3.0, 4.0, 1.0), (4.0, 3.0, 1.0))
    assert report.comparisons[0].spearman == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert report.comparisons[0].kendall == pytest.approx((5 - 1) / 6)
    assert (report.comparisons[1].spearman, report.comparisons[1].kendall) == (None, None)
    assert "rank correlation undefined" in str(report.comparisons[1])


def test_columns_of_a_metric_that_a_plugin_brings_are_compared_and_costs_are_not() -> None:
    def of(name: str, metric: str, source: str = "a plugin") -> ColumnRow:
        return dataclasses.replace(column(name, metric, "column"), source=source)

    columns = (of("here_w", "power_w"), of("there_w", "power_w"), of("loss", "loss"), of("params", "params", "cost"))
    rows = [{"arch_id": str(n), "measured": {"here_w": (n, None, None, None), "there_w": (3.0 * n, None, None, None),
                                             "loss": (n, None, None, None)}} for n in (1.0, 2.0, 3.0)]
    study = StudyRow("u", "s", 1, "", "", {}, {}, columns, {}, ())
    [found] = columns_compared(rows, study, mix_environments=False)
    assert (found.first, found.second, found.ratio) == ("here_w", "there_w", pytest.approx(1 / 3))
    assert "median ratio 0.3333" in str(found)


def test_two_networks_are_too_few_to_compare(storage: str) -> None:
    assert compared(storage, (1.0, 2.0, 3.0), (2.0, 3.0, 4.0)).comparisons == ()


def test_values_of_two_environments_are_not_compared_as_one_column(storage: str) -> None:
    with Store.open(storage) as store:
        writer = Writer(store)
        for place in range(1, 8):
            there = place > 4
            writer.trial(THERE if there else HERE, latency_ms=float(place), server_ms=float(-place % 8), loss=1.0)
    assert load_report("machines", storage).comparisons[0].networks == 4
    assert mixing(storage).comparisons[0].networks == 7


def test_a_network_that_was_tried_twice_counts_once(storage: str) -> None:
    with Store.open(storage) as store:
        writer = Writer(store)
        for place in (1.0, 2.0, 3.0, 3.0):
            writer.trial(HERE, f"{place:012.0f}", latency_ms=place, server_ms=place, loss=1.0)
    assert load_report("machines", storage).comparisons[0].networks == 3


@pytest.mark.parametrize(("name", "told"), [
    ("table", "latency_ms / server_ms, over 3 networks: Spearman 1.00, Kendall 1.00, median ratio 0.5"),
    ("md", r"| latency\_ms / server\_ms | 3 | 1.00 | 1.00 | 0.5 |"),
    ("html", "<td>latency_ms / server_ms</td><td class=\"number\">3</td><td class=\"number\">1.00</td>"),
])
def test_every_page_shows_the_comparison(storage: str, name: str, told: str) -> None:
    report = compared(storage, (1.0, 2.0, 4.0), (2.0, 4.0, 3.0), (3.0, 6.0, 2.0))
    assert told in str(render(report, name))
    assert "Columns compared" not in str(render(dataclasses.replace(report, comparisons=()), name))
