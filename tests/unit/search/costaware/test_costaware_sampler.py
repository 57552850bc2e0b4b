"""The sampler: what it proposes follows from the history alone, keeps what is known, and moves the front."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from nas.search.costaware.known import Free
from nas.search.costaware.networks import COSTS
from nas.search.costaware.sampler import OFFERED, START, Aim, CostAware
from nas.search.seen import Seen
from nas.spec import Bound


def bound(column: str, operator: str, value: float) -> Bound:
    return Bound(column=column, operator=operator, bound=value)


class Search:
    """A search whose accuracy grows with the logarithm of MACs and with every kernel of 5, and whose time with MACs."""

    def __init__(self, decoder, objectives=None, bounds=(), measured=("accuracy",), seed=0):
        self.decoder = decoder
        self.aim = Aim(objectives or {"accuracy": "maximize", "macs": "minimize"}, bounds, measured)
        self.seed = seed
        self.sampler = self.fresh()
        self.trials: list[Seen] = []

    def fresh(self) -> CostAware:
        free = Free(self.decoder, [], lambda values: None, self.aim.bounds)
        return CostAware(self.aim, self.decoder, free, self.seed)

    def measured(self, values):
        networks = self.decoder.networks(self.decoder.encode(values)[None])
        macs = networks.costs[0, 1]
        fives = sum(values[name] == 5 for name in values)
        found = {"accuracy": 60 + 3 * np.log(macs / 1e4) + fives, "latency_ms": 1 + macs / 1e5}
        return {name: float(found[name]) for name in self.aim.measured}

    def go_on(self, number, state="finished"):
        for _ in range(number):
            values = next(self.sampler.proposals(self.trials, len(self.trials)))
            self.trials.append(Seen(values, self.measured(values) if state == "finished" else {}, state))
        return self

    def networks(self):
        return self.decoder.networks(np.stack([self.decoder.encode(trial.values) for trial in self.trials]))

    def costs(self, name):
        return self.networks().costs[:, COSTS.index(name)]


def test_no_network_is_proposed_twice_and_none_that_breaks_a_free_bound(decoder):
    limits = [bound("params", "<=", 15_000), bound("macs", ">=", 50_000)]
    search = Search(decoder, bounds=limits).go_on(25)
    assert len(set(search.networks().keys())) == 25
    assert search.costs("params").max() <= 15_000
    assert search.costs("macs").min() >= 50_000


def test_the_first_networks_are_spread_over_macs(decoder, nobody):
    macs = np.sort(Search(decoder).go_on(START).costs("macs"))
    every = np.sort(Search(decoder).sampler._pool.candidates(set(), nobody,
                                                             np.random.default_rng(3)).costs[:, 1])
    layers = np.searchsorted(every, macs) * START // len(every)
    assert len(set(layers.tolist())) >= START - 2  # the layers of each trial's own candidates differ a little


def test_proposals_follow_from_history_seed_and_number_alone(decoder):
    search = Search(decoder).go_on(14)
    one = list(search.sampler.proposals(search.trials, 14))
    assert one == list(search.fresh().proposals(search.trials, 14))
    assert one != list(search.fresh().proposals(search.trials, 15))
    other = Search(decoder, seed=1).fresh()
    assert one != list(other.proposals(search.trials, 14))


def test_what_was_measured_moves_the_proposals(decoder):
    search = Search(decoder).go_on(14)
    turned = [Seen(trial.values, {"accuracy": -trial.found["accuracy"]}, trial.state) for trial in search.trials]
    assert next(search.fresh().proposals(search.trials, 14)) != next(search.fresh().proposals(turned, 14))


def test_a_handful_of_proposals_in_order_is_offered(decoder):
    search = Search(decoder).go_on(12)
    offered = list(islice(search.sampler.proposals(search.trials, 12), 100))
    assert len(offered) == OFFERED
    assert len({tuple(values.items()) for values in offered}) == OFFERED


def test_the_best_is_found_sooner_than_by_chance(decoder, nobody):
    search = Search(decoder, objectives={"accuracy": "maximize"}).go_on(30)
    rng = np.random.default_rng(0)
    pool = search.sampler._pool.candidates(set(), nobody, rng)
    chance = [search.measured(decoder.values(codes))["accuracy"] for codes in pool.codes]
    assert max(trial.found["accuracy"] for trial in search.trials) >= max(chance)
    assert len(chance) > 900


def test_networks_are_proposed_that_keep_a_measured_bound(decoder):
    search = Search(decoder, bounds=[bound("latency_ms", "<=", 4.0)], measured=("accuracy", "latency_ms")).go_on(30)
    late = [trial.found["latency_ms"] <= 4.0 for trial in search.trials[15:]]
    assert np.mean(late) >= 0.8


def test_where_nothing_keeps_a_measured_bound_yet_it_goes_there(decoder):
    search = Search(decoder, objectives={"accuracy": "maximize"}, bounds=[bound("latency_ms", "<=", 1.5)],
                    measured=("accuracy", "latency_ms"))
    macs = [trial.found["latency_ms"] for trial in search.go_on(25).trials]
    assert min(macs[START:]) <= 1.5


def test_running_networks_are_not_proposed_again_nor_their_twins(decoder):
    search = Search(decoder).go_on(15)
    alone = next(search.fresh().proposals(search.trials, 15))
    search.trials.append(Seen(alone, {}, "running"))
    beside = next(search.fresh().proposals(search.trials, 15))
    one, other = (decoder.networks(decoder.encode(values)[None]) for values in (alone, beside))
    assert one.keys() != other.keys()
    again = list(search.fresh().proposals(search.trials[:-1], 15))[1]
    assert beside != again  # more than the second best: the running one promises to win what is near it


def test_what_fails_counts_as_the_worst_of_what_was_seen(decoder):
    search = Search(decoder).go_on(15)
    best = max(search.trials, key=lambda trial: trial.found["accuracy"])
    failed = [Seen(trial.values, {}, "failed") if trial is best else trial for trial in search.trials]
    missing = [trial for trial in search.trials if trial is not best]
    assert list(search.fresh().proposals(failed, 15)) != list(search.fresh().proposals(missing, 15))


def test_a_trial_that_was_stopped_at_a_bound_teaches_what_was_measured(decoder):
    search = Search(decoder, bounds=[bound("latency_ms", "<=", 4.0)], measured=("accuracy", "latency_ms")).go_on(15)
    stopped = [Seen(trial.values, {"latency_ms": trial.found["latency_ms"]}, "finished")
               if trial.found["latency_ms"] > 4 else trial for trial in search.trials]
    assert any(one is not other for one, other in zip(stopped, search.trials, strict=True))
    assert len(list(search.fresh().proposals(stopped, 15))) == OFFERED


def test_what_breaks_a_bound_teaches_before_any_objective_was_measured(decoder):
    """Everything is too slow to begin with, and a trial that is too slow ends before its accuracy is known."""
    search = Search(decoder, bounds=[bound("latency_ms", "<=", 1.5)], measured=("accuracy", "latency_ms"))
    search.go_on(START)
    search.trials = [Seen(one.values, {"latency_ms": one.found["latency_ms"]}, "finished") for one in search.trials
                     if one.found["latency_ms"] > 1.7]
    assert len(search.trials) >= START - 3
    search.trials += [Seen(one.values, {}, "failed") for one in search.trials[:START - len(search.trials)]]
    offered = [search.measured(values)["latency_ms"] for values in search.fresh().proposals(search.trials, START)]
    assert np.median(offered) < min(one.found["latency_ms"] for one in search.trials if one.found)


def test_a_bound_from_both_sides_is_kept(decoder):
    between = [bound("latency_ms", ">=", 6.0), bound("latency_ms", "<=", 6.5)]  # one network in fifty
    search = Search(decoder, bounds=between, measured=("accuracy", "latency_ms")).go_on(30)
    late = [6.0 <= trial.found["latency_ms"] <= 6.5 for trial in search.trials[15:]]
    assert np.mean(late) >= 0.6


def test_where_all_networks_cost_the_same_accuracy_decides(decoder_of, nobody):
    """Of a space in which activation and drop path alone can be chosen, no choice costs anything."""
    stage = {"block": "conv", "repeats": 1, "channels": 8, "kernel": 3, "act": ["relu", "silu", "gelu", "mish"]}
    decoder = decoder_of(input={"shape": [3, 16, 16], "classes": 10}, stages=[stage] * 3,
                         network={"stem": {"channels": 8}, "head": {"channels": 0}})
    search = Search(decoder, objectives={"accuracy": "maximize", "params": "minimize"})
    search.measured = lambda values: {"accuracy": sum(value == "mish" for value in values.values())}
    assert len(set(search.go_on(20).costs("params"))) == 1
    assert max(trial.found["accuracy"] for trial in search.trials) == 3
    assert np.mean([trial.found["accuracy"] for trial in search.trials[START:]]) > 1


def test_values_that_differ_by_rounding_alone_can_be_modelled(decoder):
    search = Search(decoder)
    search.measured = lambda values: {"accuracy": 0.9 + (len(search.trials) % 3) * 2.0**-53}
    assert len({trial.found["accuracy"] for trial in search.go_on(14).trials}) > 1


def test_objectives_that_are_all_free_need_no_model(decoder, nobody):
    search = Search(decoder, objectives={"params": "minimize", "activations": "minimize"}, measured=()).go_on(5)
    rng = np.random.default_rng(0)
    pool = search.sampler._pool.candidates(set(), nobody, rng)
    assert search.costs("params").min() <= pool.costs[:, 0].min()


@pytest.mark.parametrize("objectives", [
    {"accuracy": "maximize", "latency_ms": "minimize"},
    {"accuracy": "maximize", "latency_ms": "minimize", "params": "minimize"},
    {"accuracy": "maximize", "latency_ms": "minimize", "params": "minimize", "activations": "minimize"},
])
def test_two_measured_objectives_and_up_to_four_in_all(decoder, objectives):
    search = Search(decoder, objectives=objectives, measured=("accuracy", "latency_ms")).go_on(14)
    assert len(set(search.networks().keys())) == 14


def test_where_no_network_is_left_nothing_is_offered(decoder):
    assert list(Search(decoder, bounds=[bound("params", "<=", 1)]).sampler.proposals([], 0)) == []
