"""Proposals: what is rejected becomes no trial, whatever the sampler; nothing is proposed twice; each end is told."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import create_trial

import nas
from nas.search.objective import Objective
from nas.search.propose import MAX_REJECTED, Candidate, ExhaustedError, NothingFeasibleError, Proposer, Rejected
from nas.search.samplers import distributions
from nas.search.seen import Watched

FIRST = {"stage0.repeats": 1, "stage0.channels": 8, "stage0.kernel": 3}


class History:
    """A study in memory that a proposer's candidates are told to, with made-up objective values."""

    def __init__(self, ready):
        self.ready = ready
        self.proposer = Proposer(ready.spec, ready.space, ready.columns)
        self.study = optuna.create_study(directions=list(ready.spec.objectives.values()))
        self.tried: set[str] = set()

    def propose(self) -> Candidate:
        watched = Watched(self.proposer.distributions, list(self.ready.spec.objectives))
        return self.proposer.propose(
            self.study, len(self.study.trials), self.tried, lambda: watched.trials(self.study)
        )

    def tell(self, candidate: Candidate) -> None:
        self.tried.add(candidate.arch.arch_id)
        self.study.add_trial(create_trial(
            values=[float(candidate.cost.params), float(candidate.cost.macs)][: len(self.ready.spec.objectives)],
            params=dict(candidate.values), distributions=distributions(self.ready.space),
            system_attrs=dict(candidate.system_attrs),
        ))

    def grow(self, count: int) -> list[Candidate]:
        found = []
        for _ in range(count):
            found.append(self.propose())
            self.tell(found[-1])
        return found


@pytest.fixture
def history(make):
    return lambda **sections: History(make(**sections))


def test_a_candidate_is_a_choice_its_network_and_all_that_is_free_to_know(history):
    found = history(objectives={"wide": "maximize", "slow": "maximize"}).proposer.look(FIRST)
    assert isinstance(found, Candidate)
    cost = nas.count(found.arch)
    assert found.values == FIRST
    assert found.cost == cost
    assert found.free == {"params": cost.params, "macs": cost.macs, "flops": cost.flops,
                          "activations": cost.activations, "wide": 8}


def test_a_repetition_is_rejected_and_costs_nothing_to_see(history):
    proposer = history().proposer
    arch = proposer.look(FIRST).arch
    assert proposer.look(FIRST, {arch.arch_id}) == Rejected("already evaluated", arch=arch)


def test_two_choices_of_one_network_are_one_candidate(history):
    proposer = history(stage={"act": [None, "silu"]}).proposer  # silu is the network's own
    one, other = (proposer.look(FIRST | {"stage0.act": act}) for act in (None, "silu"))
    assert one.arch == other.arch
    assert proposer.look(FIRST | {"stage0.act": "silu"}, {one.arch.arch_id}).reason == "already evaluated"


def test_a_broken_bound_on_a_free_column_is_rejected_with_what_is_known(history):
    found = history(constraints={"wide": ["<= 9", ">= 9"]}, columns={"wide": {}}).proposer.look(FIRST)
    assert (found.reason, found.outcome, found.free["wide"]) == ("breaks wide >= 9", "infeasible", 8)
    assert found.arch.stages[0].channels == 8


def test_a_bound_on_a_measured_column_rejects_nothing(history):
    assert isinstance(history(constraints={"quick": ">= 1e9"}).proposer.look(FIRST), Candidate)


def test_what_is_no_network_is_rejected_in_the_words_of_the_block(history):
    found = history(stage={"block": "depthwise"}, network={"stem": {"channels": [8, 12]}}).proposer.look(
        FIRST | {"stem.channels": 8, "stage0.channels": 12})
    assert (found.outcome, found.arch) == ("invalid", None)
    assert found.reason.startswith("stages[0] (depthwise): a depthwise convolution gives a multiple of its 8 input")


@pytest.mark.parametrize("answers, outcome, reason", [
    ("raises", "metric_error", "wide raises ValueError: no figure"),
    ("nan", "nan", "wide is nan"),
    ("network", "metric_error", "wide raises NasError: a free metric has no network: wide must follow from context.arch and context.cost alone"),
])
def test_a_free_metric_without_a_figure_rejects_the_network(history, answers, outcome, reason):
    found = history(objectives={"wide": "maximize"}, columns={"wide": {"answers": answers}}).proposer.look(FIRST)
    assert (found.reason, found.outcome) == (reason, outcome)


@pytest.mark.parametrize("sampler", ["random", "nsga2", "tpe", "gp", "costaware"])
def test_with_every_sampler_no_proposal_breaks_a_free_constraint_or_repeats(history, sampler):
    grown = history(study={"sampler": sampler}, constraints={"params": ["<= 7000", ">= 1200"]}).grow(10)
    assert len({candidate.arch.arch_id for candidate in grown}) == 10
    assert all(1200 <= candidate.cost.params <= 7000 for candidate in grown)
    assert {candidate.sampler for candidate in grown} == {sampler}


@pytest.mark.parametrize("sampler", ["tpe", "gp"])  # of costaware see tests/unit/search/costaware
def test_models_propose_from_what_they_have_seen(history, sampler):
    sections = {"study": {"sampler": sampler}, "objectives": {"params": "minimize"},
                "stage": {"channels": list(range(8, 40, 2)), "kernel": [3, 5, 7]}}
    one = history(**sections)
    one.grow(12)
    proposed = one.propose()
    assert proposed.arch.arch_id not in one.tried
    other = history(**sections)
    for trial in one.study.trials:  # the same networks, and values that say the opposite
        values = [-value for value in trial.values]
        other.study.add_trial(create_trial(values=values, params=trial.params, distributions=trial.distributions))
    assert other.propose().values != proposed.values


def test_auto_is_the_sampler_that_knows_what_is_free(history):
    assert history(study={"sampler": "auto"}).propose().sampler == "costaware"


def test_the_same_seed_gives_the_same_proposals_and_another_seed_others(history):
    def texts(seed: int) -> list[str]:
        return [candidate.arch.text for candidate in history(study={"seed": seed}).grow(6)]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_a_proposal_depends_on_history_seed_and_number_alone(history):
    grown, again = history(), history()
    candidates = grown.grow(5)
    for candidate in candidates[:3]:
        again.tell(candidate)  # as after a restart: no proposer was asked for these
    assert [candidate.arch for candidate in again.grow(2)] == [candidate.arch for candidate in candidates[3:]]


def test_asking_leaves_the_study_as_it_was(history):
    made = history(study={"sampler": "nsga2"})
    made.grow(1)
    before = made.study.trials
    made.propose()
    assert made.study.trials == before


def test_how_many_were_rejected_before_is_told(history):
    made = history(constraints={"params": "<= 1100"})
    found = made.propose()
    assert found.cost.params == 1010
    assert found.rejected > 0


def test_a_generation_is_handed_on_to_the_trial(history):
    first, second = history(study={"sampler": "nsga2"}).grow(2)
    assert list(first.system_attrs.values()) == list(second.system_attrs.values()) == [0]


def test_a_proposal_that_no_sampler_made_carries_no_notes_of_one(history):
    made = history(study={"sampler": "nsga2"}, constraints={"params": "<= 1100"}, stage={"channels": list(range(8, 80, 2))})
    found = made.propose()
    assert found.rejected >= 5
    assert found.system_attrs == {}


def test_every_network_of_the_space_is_found_and_then_it_is_exhausted(history):
    made = history(constraints={"params": "<= 7000"})
    assert len({candidate.arch.arch_id for candidate in made.grow(11)}) == 11
    with pytest.raises(ExhaustedError, match="every network of it that keeps the free constraints is evaluated"):
        made.propose()


def test_a_space_of_one_network_is_exhausted_after_it(history):
    made = history(stage={"repeats": 1, "channels": 8, "kernel": 3})
    assert made.propose().values == {}
    made.grow(1)
    with pytest.raises(ExhaustedError):
        made.propose()


def test_a_space_too_large_to_look_through_is_exhausted_when_all_proposals_repeat(history, monkeypatch):
    monkeypatch.setattr("nas.search.propose.ENUMERABLE", 0)
    made = history()
    made.tried = {made.ready.space.decode(values).arch_id for values in made.ready.space.everything()}
    with pytest.raises(ExhaustedError, match="200 proposals in a row were networks that are evaluated"):
        made.propose()


def test_one_feasible_network_among_many_is_found_by_looking_through(history, monkeypatch):
    monkeypatch.setattr("nas.search.propose.MAX_REJECTED", 1)
    for _ in range(3):
        assert history(constraints={"params": "<= 1100"}, study={"seed": 1}).propose().cost.params == 1010


def test_nothing_feasible_names_the_constraint_how_often_it_was_broken_and_a_remedy(history):
    with pytest.raises(NothingFeasibleError) as told:
        history(constraints={"params": "<= 10"}).propose()
    assert str(told.value).splitlines() == [
        f"{MAX_REJECTED} proposals in a row were rejected:",
        f"  {MAX_REJECTED} x breaks params <= 10",
        "Loosen the constraint, or give the stages choices that keep it.",
    ]


def test_of_several_reasons_each_is_counted_the_most_frequent_first(history):
    with pytest.raises(NothingFeasibleError) as told:
        history(constraints={"params": ["<= 2000", ">= 1999"]}).propose()
    lines = str(told.value).splitlines()[1:-1]
    counts = [int(line.split(" x ")[0]) for line in lines]
    assert sum(counts) == MAX_REJECTED
    assert counts == sorted(counts, reverse=True)
    assert {line.split(" x ")[1] for line in lines} == {"breaks params <= 2000", "breaks params >= 1999"}


def test_a_run_that_is_resumed_repeats_nothing(spec, plugin, storage):
    study = spec(study={"trials": 12})
    for total in (3, 4, 12):
        nas.run(study, trials=total, storage=storage, plugins=[plugin], isolated=False)
    report = nas.read_report("tiny", storage=storage)
    assert len(report) == report["arch_id"].nunique() == 12


def test_a_run_in_two_parts_tries_what_a_run_in_one_tries(spec, plugin, storage):
    nas.run(spec(), trials=3, storage=storage, plugins=[plugin], isolated=False)
    nas.run(spec(), trials=6, storage=storage, plugins=[plugin], isolated=False)
    nas.run(spec(study={"name": "whole"}), trials=6, storage=storage, plugins=[plugin], isolated=False)
    parts, whole = (nas.read_report(name, storage=storage) for name in ("tiny", "whole"))
    assert list(parts["arch_id"]) == list(whole["arch_id"])


def test_objective_and_run_propose_alike(spec, plugin, storage):
    objective = Objective(spec(), [plugin], storage)
    own = optuna.create_study(directions=objective.directions, sampler=objective.sampler)
    own.optimize(objective, n_trials=6)
    nas.run(spec(), trials=6, storage=storage, plugins=[plugin], isolated=False)
    report = nas.read_report("tiny", storage=storage)
    assert [trial.user_attrs["arch_id"] for trial in own.trials] == list(report["arch_id"])
