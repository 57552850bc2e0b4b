"""Which image goes into which split."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SpecError
from nas.train.data.dataset import Labelled, Parts
from nas.train.data.split import digests_of, split


def labelled(counts: dict[int, int], seed: int = 0) -> Labelled:
    labels = np.repeat(np.array(list(counts), dtype=np.int64), list(counts.values()))
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, 4, 4), dtype=np.uint8)
    return Labelled(images, labels, digests_of(images))


def contents(parts: Parts) -> list[set[str]]:
    return [set(part.digests) for part in (parts.train, parts.validation, parts.test)]


def test_each_class_is_split_60_20_20_and_no_image_is_in_two() -> None:
    parts = split(labelled({0: 50, 1: 20}), ("a", "b"), "here")
    counts = [np.bincount(part.labels).tolist() for part in (parts.train, parts.validation, parts.test)]
    assert counts == [[30, 12], [10, 4], [10, 4]]
    train, validation, test = contents(parts)
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert len(train | validation | test) == 70


def test_labels_stay_with_their_images() -> None:
    data = labelled({0: 9, 1: 9})
    label_of = dict(zip(data.digests, data.labels.tolist(), strict=True))
    parts = split(data, ("a", "b"), "here")
    for part in (parts.train, parts.validation, parts.test):
        assert [label_of[digest] for digest in digests_of(part.images)] == part.labels.tolist()


def test_the_order_of_the_images_decides_nothing() -> None:
    data = labelled({0: 30, 1: 30})
    shuffled = data.pick(np.random.default_rng(1).permutation(60))
    assert contents(split(data, ("a", "b"), "here")) == contents(split(shuffled, ("a", "b"), "here"))


def test_three_images_of_a_class_are_enough() -> None:
    parts = split(labelled({0: 3, 1: 3}), ("a", "b"), "here")
    assert [len(part.labels) for part in (parts.train, parts.validation, parts.test)] == [2, 2, 2]


def test_copies_of_an_image_are_never_parted() -> None:
    data = labelled({0: 20, 1: 20})
    twice = Labelled(np.concatenate([data.images] * 2), np.concatenate([data.labels] * 2), data.digests * 2)
    parts = split(twice, ("a", "b"), "here")
    train, validation, test = contents(parts)
    assert not (train & validation or train & test or validation & test)
    assert len(parts.train.labels) == 2 * 24


def test_copies_do_not_make_up_for_missing_images() -> None:
    data = labelled({0: 2, 1: 5})
    doubled = Labelled(np.concatenate([data.images] * 2), np.concatenate([data.labels] * 2), data.digests * 2)
    with pytest.raises(SpecError, match=r"here: class 'a' has 2 different images; it needs at least 3"):
        split(doubled, ("a", "b"), "here")


def test_one_class_is_refused() -> None:
    with pytest.raises(SpecError, match="here has only the class 'a'"):
        split(labelled({0: 9}), ("a",), "here")


def test_no_class_is_refused() -> None:
    with pytest.raises(SpecError, match="here has no class"):
        split(labelled({}), (), "here")


def test_a_digest_tells_content_shape_and_kind_of_number() -> None:
    ones = np.ones((1, 1, 2, 8), dtype=np.uint8)
    different = [ones, ones.reshape(1, 1, 4, 4), ones.astype(np.int8), ones * 2]
    assert len({digests_of(images)[0] for images in different}) == 4
    assert digests_of(ones.astype(">i4")) == digests_of(ones.astype("<i4"))
