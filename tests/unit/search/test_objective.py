"""`nas.Objective` in the loop of someone who owns it: any storage, any sampler, failures and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

import nas
from nas.errors import SpecError
from nas.search.objective import Objective
from nas.search.propose import NothingFeasibleError
from nas.spec import StudySpec


@pytest.fixture
def objective(spec: Callable[..., StudySpec], plugin: Path, storage: str) -> Callable[..., Objective]:
    return lambda **changes: Objective(spec(**changes), [plugin], storage, isolated=False)


def studied(objective: Objective, trials: int, **options: Any) -> optuna.Study:
    options = {"directions": objective.directions, "sampler": objective.sampler} | options
    study = optuna.create_study(**options)
    study.optimize(objective, n_trials=trials)
    return study


def noted(study: optuna.Study, name: str) -> list[Any]:
    return [trial.user_attrs.get(name) for trial in study.trials]


def test_it_is_a_public_name():
    assert nas.Objective is Objective


def test_a_study_file_needs_three_lines(tmp_path, plugin, storage):
    (tmp_path / "own.toml").write_text(
        f'plugins = ["{plugin}"]\n[study]\nname = "own"\nsampler = "random"\n[input]\nshape = [1, 8, 8]\n'
        '[[stages]]\nblock = "conv"\nchannels = [8, 16]\n[objectives]\nwidth = "maximize"\n'
    )
    objective = nas.Objective(tmp_path / "own.toml", storage=storage)
    study = optuna.create_study(directions=objective.directions, sampler=objective.sampler)
    study.optimize(objective, n_trials=2)
    assert study.best_value in (8, 16)


def test_a_trial_holds_its_network_its_costs_and_its_columns(objective):
    study = studied(objective(columns={"slow": {}}), 1)
    trial = study.trials[0]
    arch = nas.load(trial.user_attrs["arch"])
    cost = nas.count(arch)
    assert trial.user_attrs == {
        "arch_id": arch.arch_id, "arch": arch.text, "outcome": "ok", "message": "",
        "params": cost.params, "macs": cost.macs, "flops": cost.flops, "activations": cost.activations,
        "width": trial.values[0], "slow": 1.0,
    }
    assert trial.values[1] == cost.macs


def test_the_directions_are_those_of_the_study_file_in_its_order(objective):
    assert objective().directions == ["maximize", "minimize"]
    assert objective(objectives={"params": "minimize"}).directions == ["minimize"]


def test_a_study_of_other_directions_is_told_at_its_first_trial(objective):
    made = objective()
    with pytest.raises(SpecError, match=r"tiny\.toml: objectives: they are to maximize, minimize.*\n.*directions=objective"):
        studied(made, 1, directions=["minimize", "minimize"])
    with pytest.raises(SpecError, match="Optuna's study is to minimize"):
        studied(made, 1, directions=["minimize"])


def test_one_objective_gives_a_study_of_one(objective):
    study = studied(objective(objectives={"width": "maximize"}), 3)
    assert study.best_value == max(noted(study, "width"))


def test_parameters_are_suggested_as_nas_run_gives_them(objective, plugin, spec, tmp_path, empty_database):
    made = objective(stage={"channels": [8, 16, 24]})
    own = studied(made, 3)
    database = f"sqlite:///{tmp_path / 'other.db'}"
    run = nas.run(spec(stage={"channels": [8, 16, 24]}), trials=3, storage=database, plugins=[plugin], isolated=False)
    assert [trial.distributions for trial in own.trials] == [trial.distributions for trial in run.trials]
    assert [trial.params for trial in own.trials] == [trial.params for trial in run.trials]
    assert isinstance(own.trials[0].distributions["stage0.channels"], optuna.distributions.IntDistribution)


@pytest.mark.parametrize("sampler", ["random", "nsga2", "tpe", "gp"])
def test_the_samplers_trials_keep_the_free_constraints_and_never_repeat(objective, sampler):
    study = studied(objective(study={"sampler": sampler}, constraints={"params": "<= 7000"}), 11)  # models begin at 10
    assert all(params <= 7000 for params in noted(study, "params"))
    assert len(set(noted(study, "arch_id"))) == 11
    assert noted(study, "outcome") == ["ok"] * 11


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(objective):
    def drawn(seed: int) -> list[Any]:
        return noted(studied(objective(study={"seed": seed}), 5), "arch_id")

    assert drawn(0) == drawn(0) != drawn(1)


def test_a_resumed_study_goes_on_as_if_it_had_not_stopped(objective, storage):
    whole = noted(studied(objective(), 6), "arch_id")
    first = objective()
    study = optuna.create_study(study_name="own", storage=storage, directions=first.directions, sampler=first.sampler)
    study.optimize(first, n_trials=3)
    again = objective()
    study = optuna.load_study(study_name="own", storage=storage, sampler=again.sampler)
    study.optimize(again, n_trials=3)
    assert noted(study, "arch_id") == whole


def test_generations_of_nsga2_are_noted_on_its_trials(objective):
    study = studied(objective(study={"sampler": "nsga2"}), 2)
    assert [{k.split(":")[-1]: v for k, v in trial.system_attrs.items()} for trial in study.trials] == [
        {"generation": 0}, {"generation": 0}
    ]


def test_what_a_sampler_notes_of_a_rejected_proposal_reaches_no_trial(objective, monkeypatch):
    made = objective(study={"sampler": "nsga2"}, constraints={"params": "<= 3000"})
    asked = []

    class Chatty(optuna.samplers.RandomSampler):
        def sample_relative(self, study, trial, _):
            asked.append(len(asked))
            study._storage.set_trial_system_attr(trial._trial_id, f"note{asked[-1]}", True)
            return {}

    monkeypatch.setattr("nas.search.propose.make_sampler", lambda _, seed: Chatty(seed=seed))
    study = studied(made, 2)
    notes = [[name for name in trial.system_attrs if name.startswith("note")] for trial in study.trials]
    assert len(asked) > 2
    assert all(len(names) <= 1 for names in notes)


def test_the_study_stops_where_the_space_is_exhausted_and_says_so(objective):
    study = studied(objective(), 50)
    assert len(study.trials) == 13
    assert len(set(noted(study, "arch_id")[:12])) == 12
    last = study.trials[-1]
    assert (last.state, last.params) == (TrialState.PRUNED, {})
    assert last.user_attrs["message"].startswith("the space is exhausted")


def test_by_ask_and_tell_an_exhausted_space_prunes_the_trial(objective):
    made = objective(stage={"channels": 8, "kernel": 3})
    study = studied(made, 2)
    with pytest.raises(optuna.TrialPruned, match="exhausted"):
        made(study.ask())


def test_what_no_network_keeps_ends_the_loop_with_the_name_of_the_constraint(objective):
    with pytest.raises(NothingFeasibleError, match="breaks params <= 10"):
        studied(objective(constraints={"params": "<= 10"}), 3)


def test_trials_that_another_objective_left_are_not_repeated(objective):
    made = objective(stage={"channels": 8, "kernel": [3, 5]})
    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    done = studied(made, 4).trials
    for trial in done[:3]:
        study.add_trial(optuna.trial.create_trial(values=trial.values, params=trial.params, distributions=trial.distributions))
    study.add_trial(optuna.trial.create_trial(values=[1, 1]))  # of nothing that this space has
    study.optimize(made, n_trials=1)
    assert study.trials[-1].params == done[3].params


def test_a_trial_that_the_machine_failed_is_proposed_again(objective, calls):
    made = objective(stage={"channels": 8, "kernel": 3, "repeats": [1, 2]}, objectives={"slow": "maximize"},
                     columns={"slow": {"raises": "measure:contaminated", "times": 2}})
    study = studied(made, 4)
    assert sorted(noted(study, "outcome")) == ["contaminated", "contaminated", "ok", "ok"]
    ok = [trial.user_attrs["arch_id"] for trial in study.trials if trial.user_attrs["outcome"] == "ok"]
    assert len(set(ok)) == 2


def test_two_threads_propose_no_network_twice(objective):
    made = objective()
    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    study.optimize(made, n_trials=12, n_jobs=2)
    assert len(set(noted(study, "arch_id"))) == 12


def test_parameters_of_the_callers_own_are_drawn_each_by_itself(objective):
    made = objective()

    def with_two_more(trial):
        one, other = trial.suggest_float("one", 0, 1), trial.suggest_float("other", 0, 1)
        assert one != other
        return made(trial)

    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    study.optimize(with_two_more, n_trials=3)
    assert len({trial.params["one"] for trial in study.trials}) == 3


@pytest.mark.parametrize("fault, outcome", [
    ("value:no idea", "metric_error"), ("memory:full", "oom"), ("block:not so", "invalid"), ("measure:timeout", "timeout"),
])
def test_a_candidate_that_fails_is_a_failed_trial_with_a_reason_and_the_loop_goes_on(objective, calls, fault, outcome):
    made = objective(objectives={"slow": "maximize"}, columns={"slow": {"raises": fault, "times": 2}})
    study = studied(made, 3)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 3
    assert noted(study, "outcome") == [outcome] * 3
    assert all(message.startswith("slow: ") for message in noted(study, "message"))


def test_a_column_that_fails_fails_the_trial_though_every_objective_is_known(objective):
    made = objective(objectives={"macs": "minimize"}, columns={"slow": {"raises": "value:no idea"}})
    assert studied(made, 1).trials[0].state is TrialState.FAIL


def test_nan_is_an_outcome(objective):
    study = studied(objective(objectives={"slow": "maximize"}, columns={"slow": {"answers": "nan"}}), 1)
    assert noted(study, "outcome") == ["nan"]
    assert study.trials[0].state is TrialState.FAIL


def test_a_broken_measured_constraint_prunes_before_the_costlier_columns(objective):
    made = objective(objectives={"slow": "maximize"}, constraints={"quick": ">= 5"}, columns={"slow": {}, "quick": {}})
    study = studied(made, 2)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 2
    assert noted(study, "outcome") == ["infeasible"] * 2
    assert noted(study, "slow") == [None, None]
    assert [trial.constraints for trial in study.trials] == [{"quick >= 5": pytest.approx(0.8)}] * 2


def test_constraints_are_set_on_complete_trials_held_or_broken(objective):
    made = objective(constraints={"params": ["<= 9e3", ">= 1e3"], "width": "<= 8"}, objectives={"width": "maximize"})
    study = studied(made, 4)
    for trial in study.trials:
        assert trial.state is TrialState.COMPLETE
        assert set(trial.constraints) == {"params <= 9000", "params >= 1000", "width <= 8"}
        assert trial.constraints["params <= 9000"] == pytest.approx(trial.user_attrs["params"] / 9000 - 1)
        assert (trial.constraints["width <= 8"] > 0) == (trial.user_attrs["width"] > 8)
        width = trial.user_attrs["width"]
        told = f"breaks width <= 8 by {width - 8:g}: it is {width:g}" if width > 8 else ""
        assert trial.user_attrs["message"] == told


def test_ctrl_c_leaves_an_interrupted_trial_that_is_proposed_again(objective, calls):
    made = objective(stage={"channels": 8, "kernel": 3, "repeats": 1}, objectives={"slow": "maximize"},
                     columns={"slow": {"raises": "ctrl_c:", "times": 1}})
    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(made, n_trials=2)
    assert noted(study, "outcome") == ["interrupted"]
    study.optimize(made, n_trials=1)
    assert noted(study, "outcome") == ["interrupted", "ok"]


@pytest.mark.parametrize("sampler", [
    optuna.samplers.RandomSampler(seed=0), optuna.samplers.TPESampler(seed=0, n_startup_trials=2),
    optuna.samplers.NSGAIISampler(seed=0, population_size=2), optuna.samplers.QMCSampler(seed=0),
    optuna.samplers.BruteForceSampler(seed=0),
], ids=lambda sampler: type(sampler).__name__)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_any_stock_sampler_does(objective, sampler):
    study = studied(objective(constraints={"params": "<= 4000"}), 6, sampler=sampler)
    for trial in study.trials:
        broken = trial.user_attrs["params"] > 4000
        assert trial.state is (TrialState.PRUNED if broken else TrialState.COMPLETE)
        assert trial.user_attrs["outcome"] == ("infeasible" if broken else "ok")
        assert trial.user_attrs["message"] == ("breaks params <= 4000" if broken else "")
        assert (trial.constraints["params <= 4000"] > 0) == broken
        assert nas.load(trial.user_attrs["arch"]).arch_id == trial.user_attrs["arch_id"]


def test_a_choice_that_is_no_network_is_an_invalid_trial(objective):
    made = objective(stage={"block": "depthwise"}, network={"stem": {"channels": [8, 12]}})
    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    study.enqueue_trial({"stem.channels": 8, "stage0.channels": 12})
    study.optimize(made, n_trials=1)
    assert study.trials[0].state is TrialState.FAIL
    assert noted(study, "outcome") == ["invalid"]
    assert "depthwise" in noted(study, "message")[0]


def test_a_trial_with_an_enqueued_parameter_is_evaluated_as_it_is(objective):
    made = objective()
    study = optuna.create_study(directions=made.directions, sampler=made.sampler)
    study.enqueue_trial({"stage0.channels": 12})
    study.optimize(made, n_trials=1)
    arch = nas.load(noted(study, "arch")[0])
    assert arch.stages[0].channels == 12
    assert noted(study, "arch_id") == [arch.arch_id]


def test_a_fixed_trial_is_evaluated_outside_of_any_study(objective):
    made = objective(constraints={"params": "<= 9e3"})
    trial = optuna.trial.FixedTrial({"stage0.repeats": 2, "stage0.channels": 8, "stage0.kernel": 3})
    assert made(trial)[0] == 16
    assert trial.user_attrs["outcome"] == "ok"


def test_measurements_are_reused_by_another_loop(objective, calls):
    first = studied(objective(), 4)
    asked = list(calls)
    second = studied(objective(), 4)
    assert calls == asked
    assert [trial.values for trial in first.trials] == [trial.values for trial in second.trials]


def test_optunas_storage_may_be_in_the_same_file_as_the_measurements(objective, storage):
    study = studied(objective(), 3, storage=storage, study_name="own")
    again = optuna.load_study(study_name="own", storage=storage)
    assert noted(again, "arch_id") == noted(study, "arch_id")
    assert [trial.state for trial in again.trials] == [TrialState.COMPLETE] * 3


def test_optunas_storage_may_be_another_file(objective, tmp_path):
    study = studied(objective(), 2, storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert len(study.trials) == 2


def test_a_mistake_in_the_study_is_told_before_anything_is_written(spec, plugin, tmp_path):
    with pytest.raises(SpecError, match="unknown column 'widht'"):
        Objective(spec(objectives={"widht": "maximize"}), [plugin], f"sqlite:///{tmp_path / 'new.db'}")
    assert not (tmp_path / "new.db").exists()
