"""Predicted times: near what is measured, as sure as they say, the same ones every time, and none where too little is known."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.stats import spearmanr

from nas.arch import Architecture, Head, Stage, Stem
from nas.canonical import canonicalise
from nas.cost.count import count_architecture, count_blocks
from nas.cost.table import CostTable
from nas.errors import MeasureError
from nas.latency.features import TOTALS, Additive, amounts, kind, level
from nas.latency.prediction import FEWEST, fit
from nas.plugins import load_plugins

TABLE = CostTable()


def network(*stages: tuple[str, int, int, dict], side: int = 32):
    """A counted network of stages (block, repeats, channels, params), each of stride 2."""
    arch = Architecture((3, side, side), tuple(Stage(block, 1, repeats, channels, 2, params)
                                              for block, repeats, channels, params in stages),
                        Stem(channels=8, stride=1), Head(channels=32), classes=10)
    blocks = load_plugins().blocks
    return count_blocks(canonicalise(arch, blocks), blocks, TABLE)


def drawn(count: int, seed: int = 0):
    rng = random.Random(seed)
    return [network(*[(rng.choice(["conv", "mbconv"]), rng.choice([1, 2, 3]), rng.choice([8, 16, 32]),
                       {"kernel": rng.choice([3, 5])}) for _ in range(2)], side=rng.choice([16, 24, 32]))
            for _ in range(count)]


def milliseconds(network, noise: float = 0.0, rng: random.Random | None = None) -> float:
    """What a made-up device takes: launches, twice as dear for mbconv, and arithmetic."""
    time = 0.5 + sum(one.times * (0.2 + 0.2 * (one.key.block == "mbconv") + one.cost.macs / 2e6) for one in network)
    return time * math.exp(rng.gauss(0, noise)) if rng else time


@pytest.fixture(scope="module")
def networks():
    return drawn(240)


def test_a_sum_over_blocks_is_found_again(networks):
    model = fit(networks[:60], [milliseconds(one) for one in networks[:60]])
    value, low, high = model.predict(networks[60:])
    truth = np.array([milliseconds(one) for one in networks[60:]])
    assert np.abs(value / truth - 1).max() < 0.02
    assert (low < value).all() and (value < high).all()


@pytest.mark.parametrize("taught", [10, 40, 100])
def test_the_interval_of_90_percent_holds_about_so_many_of_the_networks_that_were_held_out(networks, taught):
    held = []
    for seed in range(4):
        rng = random.Random(seed)
        times = [milliseconds(one, 0.1, rng) for one in networks]
        places = rng.sample(range(len(networks)), taught)
        others = [place for place in range(len(networks)) if place not in places]
        model = fit([networks[place] for place in places], [times[place] for place in places])
        _, low, high = model.predict([networks[place] for place in others], 0.9)
        held += [low[at] <= times[place] <= high[at] for at, place in enumerate(others)]
    assert (0.8 if taught == 10 else 0.85) <= np.mean(held) <= (1.0 if taught == 10 else 0.95)


def test_a_surer_interval_is_wider_and_few_networks_make_it_wider_still(networks):
    rng = random.Random(0)
    times = [milliseconds(one, 0.1, rng) for one in networks]
    few, many = (fit(networks[:count], times[:count]) for count in (10, 100))
    widths = {}
    for name, model in (("few", few), ("many", many)):
        for at in (0.5, 0.9, 0.99):
            _, low, high = model.predict(networks[200:], at)
            widths[name, at] = float(np.median(high / low))
    for name in ("few", "many"):
        assert widths[name, 0.5] < widths[name, 0.9] < widths[name, 0.99]
    assert widths["few", 0.9] > widths["many", 0.9]


def test_the_order_is_kept_under_noise(networks):
    rng = random.Random(1)
    model = fit(networks[:80], [milliseconds(one, 0.05, rng) for one in networks[:80]])
    truth = [milliseconds(one) for one in networks[80:]]
    assert spearmanr(model.predict(networks[80:]).value, truth).statistic > 0.97


def test_the_unit_does_not_matter(networks):
    times = np.array([milliseconds(one) for one in networks[:30]])
    here, there = (fit(networks[:30], times * unit).predict(networks[30:60]) for unit in (1.0, 1e-3))
    np.testing.assert_allclose(here.value, there.value * 1e3, rtol=1e-5)


def test_the_same_measurements_give_the_same_model(networks):
    rng = random.Random(2)
    times = [milliseconds(one, 0.1, rng) for one in networks[:30]]
    one, other = (fit(networks[:30], times).predict(networks[30:]) for _ in range(2))
    assert np.array_equal(one.value, other.value)
    assert np.array_equal(one.low, other.low)


def test_a_block_that_was_never_seen_makes_the_interval_wider(networks):
    rng = random.Random(3)
    model = fit(networks[:60], [milliseconds(one, 0.02, rng) for one in networks[:60]])
    known = network(("conv", 2, 16, {}), ("conv", 2, 16, {}))
    strange = network(("conv", 2, 16, {}), ("fused_mbconv", 2, 16, {}))
    _, low, high = model.predict([known, strange])
    widths = np.log(high / low)
    assert widths[1] > 2 * widths[0]
    assert (model.additive.knows(known), model.additive.knows(strange)) == (True, False)


def test_equal_networks_with_equal_times_are_no_trouble():
    one = network(("conv", 1, 8, {}), ("conv", 1, 8, {}))
    found = fit([one] * FEWEST, [2.0] * FEWEST).predict([one])
    assert float(found.value[0]) == pytest.approx(2.0, rel=1e-3)


def test_too_few_networks_are_refused_with_how_many_it_takes(networks):
    with pytest.raises(MeasureError, match="7 measured networks are too few to predict others from: it takes 8"):
        fit(networks[:7], [1.0] * 7)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_time_is_refused(networks, value):
    with pytest.raises(MeasureError, match="a finite number above 0"):
        fit(networks[:10], [1.0] * 9 + [value])


def test_times_of_single_blocks_add_up_to_the_network_and_are_found_again(networks):
    model = fit(networks[:100], [milliseconds(one) for one in networks[:100]])
    for one in networks[100:110]:
        value, low, high = model.of_blocks(one)
        total = sum(blocks.times * each for blocks, each in zip(one, value, strict=True))
        assert total <= 1.05 * milliseconds(one)
        assert (low <= value).all() and (value <= high).all() and (low >= 0).all()
    of = {"conv": [], "mbconv": []}
    for one in networks[:100]:
        for blocks, value in zip(one, model.of_blocks(one).value, strict=True):
            if blocks.key.block in of:
                of[blocks.key.block].append(value - blocks.cost.macs / 2e6)
    assert np.mean(of["mbconv"]) - np.mean(of["conv"]) == pytest.approx(0.2, abs=0.06)


def test_counted_blocks_add_up_to_the_cost_of_the_architecture():
    blocks = load_plugins().blocks
    arch = canonicalise(Architecture((3, 16, 16), (Stage("mbconv", 1, 3, 16, 2, {}), Stage("conv", 1, 1, 8, 1, {}))),
                        blocks)
    cost, found = count_architecture(arch, blocks, TABLE), count_blocks(arch, blocks, TABLE)
    assert [(one.key.block, one.times) for one in found] == [
        ("(stem)", 1), ("mbconv", 1), ("mbconv", 2), ("conv", 1), ("(head)", 1)]
    totals = [sum(column) for column in zip(*(amounts(one) for one in found), strict=True)]
    assert totals == [6, cost.macs, cost.activations, cost.params]


def test_a_kind_is_a_block_and_what_its_parameters_switch():
    (_, plain, *_), (_, larger, *_), (_, excited, *_) = (
        network(("mbconv", 1, 16, params)) for params in ({"kernel": 3}, {"kernel": 5, "expand": 6}, {"se": 0.25}))
    assert kind(plain.key) == kind(larger.key) == "mbconv@1(act=none,attention=se,expand=n,kernel=n,se=0)"
    assert kind(excited.key) != kind(plain.key)


def test_a_level_counts_how_often_the_side_was_halved():
    found = network(("conv", 2, 8, {}), ("conv", 1, 8, {}), side=25)  # 25, 13, 7
    assert [level(one.key, 25 * 25) for one in found] == [0, 0, 1, 1, 2]


def test_columns_of_features_add_up_and_what_training_never_showed_has_its_own(networks):
    additive = Additive.of(networks[:5])
    strange = network(("fused_mbconv", 1, 16, {}))
    rows = additive.rows([networks[0], strange])
    for one, row in zip((networks[0], strange), rows, strict=True):
        np.testing.assert_allclose(additive.blocks(one).T @ [blocks.times for blocks in one], [0, *row[1:]])
        assert row[0] == 1
        for group in additive.groups[3:]:
            if group.name.startswith("count"):
                assert row[group.start:group.stop].sum() == pytest.approx(row[1])
    spare = [group.stop - 1 for group in additive.groups if group.name == "count by kind"]
    assert rows[0, spare] == 0 < rows[1, spare]
    assert additive.groups[2].stop == TOTALS
