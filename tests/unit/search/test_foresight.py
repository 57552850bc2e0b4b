"""Foresight: what is sure to be too slow becomes no trial; what is not sure, or not known, is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import nas
from nas.search import foresight
from nas.search.costs import StoredCosts
from nas.search.foresight import FROM, Foresight, due
from nas.search.prepare import prepare
from nas.search.propose import Candidate, Proposer
from nas.spec import parse_spec
from nas.store import Store

PLUGIN = '''
"""A device of a test: times that add up over blocks, with a noise that depends on the network alone."""
import nas

calls = []

def milliseconds(context):
    calls.append(context.arch.arch_id)
    factor = 1 + 0.01 * (int(context.arch.arch_id, 16) % 1000 / 500 - 1)
    return factor * (0.5 + sum(stage.repeats * (0.1 + stage.channels * stage.params["kernel"] / 100)
                               for stage in context.arch.stages))

def images(context):
    return 1e3 / milliseconds(context)

@nas.hookimpl
def nas_metrics():
    told = dict(version=1, cost="cheap", options={"mode": ""}, seeded=False, noisy=True)
    return [nas.MetricSpec("time_ms", "ms", "minimize", compute=milliseconds, **told),
            nas.MetricSpec("images", "images/s", "maximize", compute=images, **told)]
'''
STAGE = {"block": "conv", "repeats": [1, 2, 3], "channels": [8, 12, 16, 24], "stride": 1, "kernel": [3, 5]}


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("device") / "device_of_a_test.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


@pytest.fixture
def study():
    """24^3 = 13,824 networks, from 1.5 to 12.9 ms."""

    def made(name: str = "timed", objectives: dict | None = None, constraints: dict | None = None, **sections):
        return parse_spec({
            "study": {"name": name, "trials": 60, "sampler": "random", "seed": 0},
            "input": {"shape": [1, 8, 8], "classes": 10},
            "network": {"stem": {"channels": 8, "stride": 1}, "head": {"channels": 16, "dropout": 0}, "drop_path": 0},
            "stages": [STAGE, STAGE, STAGE],
            "objectives": objectives or {"macs": "minimize"}, "constraints": constraints or {}, **sections,
        }, "timed.toml")

    return made


@pytest.fixture
def run(study, device, storage):
    """Runs a study; its report, with `rejected` of each trial."""

    def ran(trials: int, **changes):
        spec = study(**changes)
        nas.run(spec, trials=trials, storage=storage, plugins=[device], isolated=False)
        return nas.read_report(spec.study.name, storage=storage)

    return ran


@pytest.fixture
def outlook(study, device, storage):
    """What is foreseen for a study at this point, and its proposer."""

    def made(**changes):
        ready = prepare(study(**changes), [device], isolated=False)
        store = Store.open(storage)
        costs = StoredCosts(store)
        found = Foresight(ready.spec, ready.space, ready.columns, costs).now()
        return found, Proposer(ready.spec, ready.space, ready.columns, costs)

    return made


def choice(repeats: int, channels: int, kernel: int) -> dict:
    return {f"stage{place}.{key}": value for place in range(3)
            for key, value in (("repeats", repeats), ("channels", channels), ("kernel", kernel))}


SLOWEST, FASTEST = choice(3, 24, 5), choice(1, 8, 3)


def test_a_network_that_is_sure_to_break_a_bound_is_turned_down_with_interval_and_bound(run, outlook):
    run(30, constraints={"time_ms": "<= 5"})
    found, proposer = outlook(constraints={"time_ms": "<= 5"})
    said = found.against(proposer.look(SLOWEST))
    assert said.startswith(("time_ms is predicted as 12.", "time_ms is predicted as 13."))
    assert said.endswith(", which breaks time_ms <= 5")
    low, high = map(float, said.split("[")[1].split("]")[0].split(", "))
    assert 5 < low < 12.9 < high * 1.05
    assert found.turned_down == 1
    assert found.against(proposer.look(FASTEST)) is None


def test_after_enough_measurements_far_fewer_trials_break_the_bound(run):
    frame = run(50, constraints={"time_ms": "<= 3"})  # which nine networks of ten break, some of them by little
    first, later = frame[:FROM], frame[FROM:]
    assert (~later["feasible"]).mean() < 2 / 3 * (~first["feasible"]).mean()
    assert later["time_ms"].max() < 0.7 * first["time_ms"].max()
    assert set(frame["outcome"]) <= {"ok", "infeasible"}


def test_what_is_turned_down_counts_as_rejected_and_is_never_measured(run, storage, device, study):
    frame = run(40, constraints={"time_ms": "<= 4.5"})
    calls = prepare(study(), [device], isolated=False).plugins.metrics["time_ms"].compute.__globals__["calls"]
    assert set(frame["arch_id"]) <= set(calls)
    assert len(set(frame["arch_id"])) == 40
    import sqlite3
    rows = sqlite3.connect(storage.removeprefix("sqlite:///")).execute("select rejected from nas_trials order by number")
    rejected = [row[0] for row in rows]
    assert sum(rejected[:FROM]) == 0
    assert sum(rejected[FROM:]) > 5


def test_every_member_of_the_front_was_measured_and_the_front_is_no_worse_for_it(run, monkeypatch):
    objectives = {"params": "minimize", "time_ms": "minimize"}
    frame = run(45, objectives=objectives)
    assert frame[frame["pareto"]]["time_ms"].notna().all()
    monkeypatch.setattr(foresight, "FROM", 10**9)
    blind = run(45, name="blind", objectives=objectives)
    assert frame[:FROM]["arch_id"].tolist() == blind[:FROM]["arch_id"].tolist()
    front = frame[frame["pareto"]]
    for _, row in blind[blind["pareto"]].iterrows():
        if row["arch_id"] in set(frame["arch_id"]):
            assert ((front["params"] <= row["params"]) & (front["time_ms"] <= row["time_ms"])).any()


def test_a_network_that_is_sure_to_be_dominated_is_turned_down_and_the_trial_named(run, outlook):
    objectives = {"params": "minimize", "time_ms": "minimize"}
    run(30, objectives=objectives)
    found, proposer = outlook(objectives=objectives)
    said = found.against(proposer.look(SLOWEST))
    assert "and is dominated by trial" in said
    assert found.against(proposer.look(FASTEST)) is None  # the smallest there is


def test_the_front_alone_is_compared_with(run, outlook):
    """Of ten thousand trials a proposal need not be held against each."""
    objectives = {"params": "minimize", "time_ms": "minimize"}
    frame = run(30, objectives=objectives)
    found, _ = outlook(objectives=objectives)
    members = {record.number for record in found._members}
    assert members == set(frame[frame["pareto"]]["trial"])
    assert 0 < len(members) < 30


def test_a_value_of_zero_on_the_front_divides_nothing(run, outlook):
    objectives = {"params": "minimize", "time_ms": "minimize"}
    run(30, objectives=objectives)
    found, proposer = outlook(objectives=objectives)
    found._members = [replace(one, values=dict(one.values) | {"time_ms": 0.0}) for one in found._members]
    assert "is dominated by trial" in found.against(proposer.look(SLOWEST))


def test_what_another_objective_may_save_is_not_turned_down(run, outlook):
    objectives = {"params": "minimize", "time_ms": "minimize", "images": "maximize"}
    run(30, objectives=objectives)
    found, proposer = outlook(objectives=objectives)
    assert found.against(proposer.look(SLOWEST)) is None


def test_a_metric_that_is_better_when_larger_is_foreseen_the_other_way_round(run, outlook):
    run(30, constraints={"images": ">= 200"})
    found, proposer = outlook(constraints={"images": ">= 200"})
    said = found.against(proposer.look(SLOWEST))
    assert said.startswith("images is predicted as 7") and said.endswith("which breaks images >= 200")
    low, high = map(float, said.split("[")[1].split("]")[0].split(", "))
    assert low < high < 200


def test_nothing_is_foreseen_by_too_few_measurements(run, outlook):
    run(FROM - 1, constraints={"time_ms": "<= 2"})
    found, proposer = outlook(constraints={"time_ms": "<= 2"})
    assert found.against(proposer.look(SLOWEST)) is None
    assert found.turned_down == 0


def test_measurements_of_another_study_teach_the_first_trial(run, outlook):
    run(30)  # which has no time among its columns
    run(30, name="other", constraints={"time_ms": "<= 5"})
    found, proposer = outlook(name="fresh", constraints={"time_ms": "<= 5"})
    assert found.against(proposer.look(SLOWEST)) is not None


def test_measurements_under_other_options_teach_nothing(run, outlook):
    run(30, constraints={"time_ms": "<= 5"})
    found, proposer = outlook(name="fresh", constraints={"time_ms": "<= 5"}, columns={"time_ms": {"mode": "other"}})
    assert found.against(proposer.look(SLOWEST)) is None


def test_measurements_of_an_edited_metric_teach_nothing(run, outlook, study, storage, tmp_path):
    run(30, constraints={"time_ms": "<= 5"})
    edited = tmp_path / "device_of_a_test.py"
    edited.write_text(PLUGIN + "\n# another source\n")
    ready = prepare(study(constraints={"time_ms": "<= 5"}), [edited], isolated=False)
    with Store.open(storage) as store:
        costs = StoredCosts(store)
        found = Foresight(ready.spec, ready.space, ready.columns, costs).now()
        assert found.against(Proposer(ready.spec, ready.space, ready.columns, costs).look(SLOWEST)) is None


def test_a_network_that_was_measured_is_not_predicted(run, outlook):
    frame = run(30, constraints={"time_ms": "<= 5"})
    worst = frame.loc[frame["time_ms"].idxmax()]
    found, proposer = outlook(name="fresh", constraints={"time_ms": "<= 5"})
    arch = nas.Architecture.parse(worst["arch"])
    known = proposer.look(proposer._space.encode(arch))
    assert isinstance(known, Candidate)
    assert found.against(known) is None


def test_a_study_whose_every_network_is_foreseen_to_break_the_bound_goes_on_by_measuring(run):
    frame = run(FROM + 4, constraints={"time_ms": "<= 0.1"})
    assert len(frame) == FROM + 4
    assert not frame["feasible"].any()
    later = frame[FROM:]["time_ms"]
    assert later.max() < frame[:FROM]["time_ms"].median()  # the least hopeless of a hundred


def test_the_same_history_gives_the_same_trials_wherever_a_run_was_stopped(run, storage, tmp_path, study, device):
    constraints = {"time_ms": "<= 4.5"}
    for trials in (26, 31, 40):
        parts = run(trials, constraints=constraints)
    url = f"sqlite:///{tmp_path}/whole.db"
    nas.run(study(constraints=constraints), trials=40, storage=url, plugins=[device], isolated=False)
    assert parts["arch_id"].tolist() == nas.read_report("timed", storage=url)["arch_id"].tolist()


def test_without_a_database_nothing_is_foreseen(study, device):
    ready = prepare(study(constraints={"time_ms": "<= 2"}), [device], isolated=False)
    proposer = Proposer(ready.spec, ready.space, ready.columns)
    assert Foresight(ready.spec, ready.space, ready.columns, proposer._table).now().against(
        proposer.look(SLOWEST)) is None


def test_models_are_fitted_anew_at_each_tenth_more():
    assert [due(count) for count in (0, 23, 24, 26, 27, 29, 30, 33, 100)] == [0, 0, 24, 24, 27, 27, 30, 33, 94]
