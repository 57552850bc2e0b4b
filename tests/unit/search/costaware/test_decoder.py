"""Networks of thousands of choices at once: the same ones, at the same costs, as decoded and counted one by one."""

from __future__ import annotations

import numpy as np

from nas.cost.count import count_architecture
from nas.cost.table import CostTable
from nas.errors import NasError
from nas.search.costaware.networks import COSTS
from nas.search.costaware.pool import Pool


def drawn(decoder, number):
    """Choices of every dimension."""
    return Pool(decoder, lambda networks: np.zeros(len(networks))).draw(number, np.random.default_rng(1))


def one_by_one(decoder, codes):
    """What `SearchSpace.decode` makes of each row: an architecture, or None."""
    found = []
    for row in codes:
        try:
            found.append(decoder.space.decode(decoder.values(row)))
        except NasError:
            found.append(None)
    return found


def test_what_can_be_is_what_the_space_decodes(decoder):
    codes = drawn(decoder, 400)
    networks, places = decoder.networks_and_places(codes)
    possible = [place for place, arch in enumerate(one_by_one(decoder, codes)) if arch is not None]
    assert 0 < len(possible) < 400  # some are refused, left out where they cannot be, or too small
    assert places.tolist() == possible
    assert (networks.codes == codes[possible]).all()


def test_costs_are_those_of_the_architecture_to_the_digit(decoder):
    networks = decoder.networks(drawn(decoder, 200))
    table = CostTable()
    for row, costs in zip(networks.codes, networks.costs, strict=True):
        counted = count_architecture(decoder.space.decode(decoder.values(row)), decoder.space.blocks, table)
        assert tuple(costs) == tuple(getattr(counted, name) for name in COSTS)


def test_two_rows_are_equal_where_the_architectures_are(decoder):
    networks = decoder.networks(drawn(decoder, 2_000))
    ids = [decoder.space.decode(decoder.values(row)).arch_id for row in networks.codes]
    pairs = set(zip(ids, networks.keys(), strict=True))
    assert len(pairs) == len(set(ids)) == len(set(networks.keys())) < len(ids)


def test_which_of_equal_stages_is_left_out_tells_nothing(decoder_of, wide):
    decoder = decoder_of(stages=[wide["stages"][0], *wide["stages"][2:]])
    networks = decoder.networks(drawn(decoder, 2_000))
    seen: dict[bytes, np.ndarray] = {}
    for key, features in zip(networks.keys(), networks.features, strict=True):
        assert np.array_equal(seen.setdefault(key, features), features)
    assert len(np.unique(np.array(list(seen.values())), axis=0)) == len(seen) < len(networks)


def test_features_are_from_0_to_1(decoder):
    features = decoder.networks(drawn(decoder, 500)).features
    assert features.min() == 0
    assert features.max() == 1


def test_values_and_codes_are_inverse(decoder):
    for row in drawn(decoder, 20):
        assert (decoder.encode(decoder.values(row)) == row).all()


def test_distinct_leaves_out_repetitions_and_what_was_tried(decoder):
    networks = decoder.networks(drawn(decoder, 300))
    twice = networks.together(networks)
    assert len(twice.distinct()) == len(set(networks.keys()))
    tried = set(networks.keys()[:50])
    left = twice.distinct(tried)
    assert not tried & set(left.keys())
    assert set(left.keys()) | tried == set(networks.keys())


def test_no_choices_are_no_networks(decoder):
    networks = decoder.networks(drawn(decoder, 0))
    assert len(networks) == len(networks.distinct()) == len(networks.keys()) == 0
    assert networks.features.shape == (0, decoder.networks(drawn(decoder, 5)).features.shape[1])
