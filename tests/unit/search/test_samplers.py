"""Samplers by name, seeds that depend on nothing else, and what a dimension is to a model."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

from nas.search.gaussian import BatchedGPSampler
from nas.search.samplers import derived_seed, distribution, distributions, make_sampler, resolve_sampler
from nas.space import Dimension
from nas.spec import SAMPLERS


@pytest.mark.parametrize("name, kind", [
    ("tpe", TPESampler), ("nsga2", NSGAIISampler), ("gp", BatchedGPSampler), ("random", RandomSampler),
])
def test_each_name_is_a_sampler_of_optunas(name, kind):
    assert type(make_sampler(name, 0)) is kind


def test_every_name_that_a_study_may_say_is_known():
    for name in set(SAMPLERS) - {"auto", "costaware"}:
        assert resolve_sampler(name) == name
        assert (type(make_sampler(name, 0)) is RandomSampler) == (name == "random")


def test_auto_is_the_sampler_that_knows_what_is_free():
    assert resolve_sampler("auto") == resolve_sampler("costaware") == "costaware"


def test_the_tpe_is_the_multivariate_one():
    assert make_sampler("tpe", 0)._multivariate is True


def test_a_derived_seed_is_the_same_each_time_and_fits_any_generator():
    seeds = {derived_seed(seed, number, attempt) for seed in (0, 1) for number in range(50) for attempt in (0, 1, "x")}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derived_seed(0, 0) == derived_seed(0, 0, 0) == 710583172  # a resumed study of an older version goes on


@pytest.mark.parametrize("choices, expected", [
    ((1, 2, 3), IntDistribution(1, 3)),
    ((8, 16, 24, 32), IntDistribution(8, 32, step=8)),
    ((0, 1, 2), IntDistribution(0, 2)),
    ((3, 5), CategoricalDistribution((3, 5))),
    ((16, 24, 40), CategoricalDistribution((16, 24, 40))),
    ((3, 2, 1), CategoricalDistribution((3, 2, 1))),
    ((4, 1, 6), CategoricalDistribution((4, 1, 6))),
    ((0, 0.25, 0.5), CategoricalDistribution((0, 0.25, 0.5))),
    ((False, True), CategoricalDistribution((False, True))),
    ((None, "relu", "silu"), CategoricalDistribution((None, "relu", "silu"))),
    ((1, "1x7", 3), CategoricalDistribution((1, "1x7", 3))),
])
def test_whole_numbers_at_equal_distances_are_ordered_and_all_else_is_categorical(choices, expected):
    assert distribution(Dimension("stage0.kernel", choices)) == expected


def test_a_space_has_a_distribution_for_each_dimension_in_its_order(make):
    space = make().space
    assert distributions(space) == {
        "stage0.repeats": CategoricalDistribution((1, 2)),
        "stage0.channels": IntDistribution(8, 16, step=4),
        "stage0.kernel": CategoricalDistribution((3, 5)),
    }
    assert list(distributions(space)) == [dimension.name for dimension in space.dimensions]
