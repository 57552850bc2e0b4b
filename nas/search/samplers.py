"""Optuna's samplers by name, and the distributions of a space."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from itertools import pairwise

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.search.gaussian import BatchedGPSampler
from nas.space import Dimension, SearchSpace


def derived_seed(seed: int, number: int, attempt: int | str = 0) -> int:
    """A seed that depends on nothing but these, so that a resumed run and a second worker repeat no proposal."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{attempt}".encode()).digest()[:4], "big") >> 1


def resolve_sampler(name: str) -> str:
    """The sampler that a name means: `auto` is costaware, which misses least at every size that was measured."""
    return "costaware" if name == "auto" else name


def make_sampler(name: str, seed: int) -> BaseSampler:
    """A fresh sampler. TPE is the multivariate one: on NAS-Bench-Macro it misses half of what the default misses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "gp":
                return BatchedGPSampler(seed=seed)
            case "tpe":
                return TPESampler(seed=seed, multivariate=True)
            case "nsga2":
                return NSGAIISampler(seed=seed)
            case _:
                return RandomSampler(seed=seed)


def distribution(dimension: Dimension) -> BaseDistribution:
    """Whole numbers at equal distances are ordered, which a model can use; everything else is categorical."""
    choices = dimension.choices
    if len(choices) > 2 and all(isinstance(choice, int) and not isinstance(choice, bool) for choice in choices):
        numbers = [int(str(choice)) for choice in choices]
        steps = {after - before for before, after in pairwise(numbers)}
        if len(steps) == 1 and min(steps) > 0:
            return IntDistribution(numbers[0], numbers[-1], step=min(steps))
    return CategoricalDistribution(choices)


def distributions(space: SearchSpace) -> Mapping[str, BaseDistribution]:
    """The distribution of every dimension."""
    return {dimension.name: distribution(dimension) for dimension in space.dimensions}
