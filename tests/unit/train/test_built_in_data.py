"""`digits` and `cluttered`: the same for everyone, and no original in two splits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.errors import SpecError
from nas.train.data import Dataset, Split, load_data
from nas.train.data import source as source_room
from nas.train.data.cluttered import DISTRACTORS, PATCH, compose
from nas.train.data.dataset import Labelled, Parts, assemble
from nas.train.data.digits import handwritten


def splits(data: Dataset) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def test_digits_are_all_there_and_stratified() -> None:
    data = load_data("digits", (1, 8, 8), 10)
    assert sum(len(split) for split in splits(data)) == 1797
    assert data.class_names == tuple("0123456789")
    assert data.shape == (1, 8, 8)
    for split in splits(data):
        shares = torch.bincount(split.labels) / len(split)
        assert shares.min() > 0.09
        assert shares.max() < 0.11


def test_images_are_float32_and_normalised_by_the_train_split() -> None:
    data = load_data("digits", (1, 8, 8))
    images = data.train.images
    assert images.dtype == torch.float32
    assert data.train.labels.dtype == torch.int64
    assert float(images.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.std(correction=0)) == pytest.approx(1, abs=1e-5)
    # Not by their own: black is the same number in every split.
    assert {float(split.images.min()) for split in splits(data)} == {float(images.min())}
    assert float(images.min()) == pytest.approx(-data.mean[0] / data.std[0])


def test_fingerprints_are_the_same_every_time_and_for_every_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_data("digits", (1, 8, 8))
    larger = load_data("digits", (3, 12, 12))
    source_room._cache.clear()
    again = load_data("digits", (1, 8, 8))
    assert again is not first
    assert first.fingerprint == again.fingerprint == larger.fingerprint
    assert torch.equal(first.train.images, again.train.images)
    assert len(first.fingerprint) == 64
    assert load_data("cluttered", (1, 16, 16)).fingerprint != first.fingerprint


def test_fingerprint_tells_content_label_and_split() -> None:
    def parts(names: str = "ab", labels: tuple[int, ...] = (0, 1), digests: tuple[str, ...] = ("p", "q")) -> Parts:
        part = Labelled(np.zeros((2, 1, 1, 1)), np.array(labels, dtype=np.int64), digests)
        other = Labelled(np.zeros((2, 1, 1, 1)), np.array([0, 1], dtype=np.int64), ("r", "s"))
        return Parts(part, other, other, tuple(names))

    swapped = Parts(parts().validation, parts().train, parts().test, ("a", "b"))
    variants = [parts(), parts("ac"), parts(labels=(1, 0)), parts(digests=("p", "z")), swapped]
    assert len({variant.fingerprint for variant in variants}) == 5


def test_data_are_loaded_once() -> None:
    assert load_data("digits", (1, 8, 8)) is load_data("digits", (1, 8, 8), 10)


def test_images_shrink_by_areas_and_grow_bilinearly() -> None:
    picture = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    part = Labelled(np.concatenate([picture, picture + 1]), np.array([0, 1], dtype=np.int64), ("a", "b"))
    parts = Parts(part, part, part, ("x", "y"))

    def pixels(data: Dataset) -> torch.Tensor:
        return data.train.images[0, 0] * data.std[0] + data.mean[0]

    small = assemble("s", parts, (1, 2, 2))
    assert pixels(small).flatten().tolist() == pytest.approx([2.5, 4.5, 10.5, 12.5], abs=1e-4)
    large = pixels(assemble("s", parts, (1, 8, 8)))
    assert large.shape == (8, 8)
    assert float(large[0, 0]) == pytest.approx(0, abs=1e-4)
    assert float(large[3, 3]) == pytest.approx(6.25, abs=1e-4)


def test_grey_is_repeated_for_a_colour_network() -> None:
    images = load_data("digits", (3, 8, 8)).train.images
    assert images.shape[1] == 3
    assert torch.equal(images[:, 0], images[:, 2])


def test_other_channels_are_refused() -> None:
    with pytest.raises(SpecError, match=r"images of 1 channel, the study's networks take 2") as caught:
        load_data("digits", (2, 8, 8))
    assert "[input] shape to [1, 8, 8]" in str(caught.value)


def test_a_channel_without_contrast_is_centred_and_stays_finite() -> None:
    part = Labelled(np.full((4, 1, 2, 2), 7.0), np.array([0, 1, 0, 1], dtype=np.int64), tuple("abcd"))
    data = assemble("s", Parts(part, part, part, ("x", "y")), (1, 2, 2))
    assert data.std == (1.0,)
    assert float(data.test.images.abs().max()) == 0.0


@pytest.mark.parametrize("classes", [9, 11])
def test_another_number_of_classes_is_refused(classes: int) -> None:
    with pytest.raises(SpecError, match=rf'data = "digits" has 10 classes, the study\'s networks tell {classes} apart'):
        load_data("digits", (1, 8, 8), classes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", r"unknown data 'digit' \(did you mean 'digits'\?\)"),
        ("clutered", r"did you mean 'cluttered'"),
        ("floder:photos", r"did you mean 'folder'"),
        ("sound", r"did you mean 'sounds'"),
        ("imagenet", r"there are digits, cluttered, sounds, folder:PATH, npz:PATH"),
        ("folder:", r'names no path; write "folder:PATH"'),
        ("npz", r'names no path; write "npz:PATH"'),
        ("digits:here", r"digits takes no path"),
    ],
)
def test_unknown_data_are_refused_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_data(name, (1, 8, 8))


def test_no_handwritten_digit_is_in_two_splits() -> None:
    parts = handwritten()
    train, validation, test = (set(part.digests) for part in (parts.train, parts.validation, parts.test))
    assert not (train & validation or train & test or validation & test)


def test_cluttered_scenes_are_many_balanced_and_all_different() -> None:
    data = load_data("cluttered", (1, 16, 16), 10)
    assert [len(split) for split in splits(data)] == [4000, 2000, 2000]
    for split in splits(data):
        assert torch.bincount(split.labels).tolist() == [len(split) // 10] * 10
    scenes = torch.cat([split.images for split in splits(data)]).flatten(1)
    assert len(torch.unique(scenes, dim=0)) == 8000


def test_a_scene_is_its_digit_its_distractors_and_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each original has a brightness of its own, so that a scene tells what it was made of."""
    monkeypatch.setattr("nas.train.data.cluttered.NOISE", 0.0)
    shades = np.arange(100, 140, dtype=np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (40, 1, 8, 8))
    pool = Labelled(images, np.arange(40) % 10, digests_pool())
    scenes = compose(pool, 60, np.random.default_rng(0))
    for image, label, origins in zip(scenes.images, scenes.labels, scenes.origins, strict=True):
        assert origins[0] % 10 == label
        assert len(origins) == 1 + DISTRACTORS
        assert set(np.unique(image)) <= {0, *(100 + origins)}
        covered = 64 + DISTRACTORS * PATCH**2
        assert 64 <= np.count_nonzero(image) <= covered


def digests_pool() -> tuple[str, ...]:
    return tuple(str(number) for number in range(40))


def test_scenes_of_a_split_are_made_of_its_own_digits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composition is watched: the pools that it is given share no original, and every origin is in its pool."""
    from nas.train.data import cluttered

    pools = []

    def watched(pool: Labelled, count: int, rng: np.random.Generator) -> cluttered.Scenes:
        scenes = compose(pool, count, rng)
        pools.append({pool.digests[origin] for origin in np.unique(scenes.origins)})
        return scenes

    monkeypatch.setattr(cluttered, "compose", watched)
    cluttered.Cluttered().parts((1, 16, 16))
    train, validation, test = pools
    assert min(len(pool) for pool in pools) > 300
    assert not (train & validation or train & test or validation & test)


def test_composition_is_deterministic_by_its_generator() -> None:
    pool = handwritten().validation
    first, again, other = (compose(pool, 30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
