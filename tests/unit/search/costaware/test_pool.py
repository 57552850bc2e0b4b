"""Candidates: distinct, untried, within every bound on what is free, also where hardly anything is."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from nas.errors import NasError
from nas.search.costaware.known import Free
from nas.search.costaware.pool import Pool
from nas.spec import Bound


def bound(column: str, operator: str, value: float) -> Bound:
    return Bound(column=column, operator=operator, bound=value)


@pytest.fixture
def pool_of(decoder):
    return lambda *bounds: Pool(decoder, Free(decoder, [], lambda values: None, bounds).excess)


def test_candidates_are_distinct_and_none_was_tried(pool_of, rng, nobody):
    first = pool_of().candidates(set(), nobody, rng)
    tried = set(first.keys()[:200])
    again = pool_of().candidates(tried, first.codes[:3], rng)
    assert len(again) == len(set(again.keys())) > 500
    assert not tried & set(again.keys())


def test_candidates_keep_bounds_that_few_random_choices_keep(pool_of, rng, nobody):
    every = pool_of().candidates(set(), nobody, rng)
    few = np.quantile(every.costs[:, 1], 0.003)
    found = pool_of(bound("macs", "<=", few), bound("params", ">=", 1_000)).candidates(set(), nobody, rng)
    assert len(found) >= 20
    assert (found.costs[:, 1] <= few).all()
    assert (found.costs[:, 0] >= 1_000).all()


def test_where_nothing_keeps_a_bound_there_is_no_candidate(pool_of, rng, nobody):
    assert len(pool_of(bound("params", "<=", 1)).candidates(set(), nobody, rng)) == 0


def test_the_same_generator_gives_the_same_candidates(pool_of, nobody):
    one, other = (pool_of().candidates(set(), nobody, np.random.default_rng(5)).keys() for _ in range(2))
    assert one == other


def test_mutants_differ_from_their_parents_in_one_to_three_choices(pool_of, decoder, rng):
    pool = pool_of()
    parents = pool.draw(10, rng)
    mutants = pool.mutants(parents, 300, rng)
    changed = (mutants != parents[np.arange(300) % 10]).sum(axis=1)
    assert set(changed) == {1, 2, 3}
    assert all((mutants[:, place] < len(choices)).all() and (mutants[:, place] >= 0).all()
               for place, choices in enumerate(decoder.choices))


def test_a_small_space_is_looked_through_whole(decoder_of, wide, rng):
    decoder = decoder_of(stages=[{"block": ["conv", "identity"], "channels": [8, 16], "kernel": [3, 5]}],
                         input={"shape": [3, 16, 16], "classes": 10}, network={"stem": {"channels": 8}})
    pool = Pool(decoder, lambda networks: np.zeros(len(networks)))
    assert pool.whole
    ids = set()
    for values in decoder.space.everything():
        with suppress(NasError):  # of identities that would change channels, or be the whole network
            ids.add(decoder.space.decode(values).arch_id)
    assert len(pool.candidates(set(), pool.draw(0, rng), rng)) == len(ids) > 3


def test_a_space_without_anything_to_choose_is_one_network(decoder_of, rng):
    decoder = decoder_of(stages=[{"block": "conv", "channels": 8, "kernel": 3}],
                         input={"shape": [3, 16, 16], "classes": 10}, network={"stem": {"channels": 8}})
    pool = Pool(decoder, lambda networks: np.zeros(len(networks)))
    found = pool.candidates(set(), pool.draw(0, rng), rng)
    assert len(found) == 1
    assert len(pool.candidates(set(found.keys()), pool.draw(0, rng), rng)) == 0


def test_a_free_metric_bounds_too_and_is_asked_once_a_network(decoder, rng, nobody):
    asked = []

    def ask(values):
        asked.append(tuple(values.items()))
        channels = values["stage0.channels"]
        return None if values["stage0.repeats"] == 2 else {"wide": float(channels)}

    free = Free(decoder, ["wide"], ask, [bound("wide", ">=", 16), bound("params", "<=", 20_000)])
    networks = Pool(decoder, free.excess, few=True).candidates(set(), nobody, rng)
    chosen = [decoder.values(codes) for codes in networks.codes]
    assert len(chosen) > 20
    assert {values["stage0.channels"] for values in chosen} == {16}
    assert {values["stage0.repeats"] for values in chosen} == {1}
    assert set(free.of(networks, "wide")) == {16.0}
    assert len(asked) == len(set(asked))
    assert not free.at_once


def test_an_excess_is_a_share_of_the_bound(decoder, rng, nobody):
    networks = Pool(decoder, lambda networks: np.zeros(len(networks))).candidates(set(), nobody, rng)
    macs = networks.costs[:, 1]
    free = Free(decoder, [], lambda values: None, [bound("macs", "<=", 1e6), bound("macs", ">=", 4e5)])
    expected = np.maximum(macs - 1e6, 0) / 1e6 + np.maximum(4e5 - macs, 0) / 4e5
    assert free.excess(networks) == pytest.approx(expected)
