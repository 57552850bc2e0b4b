"""`npz:PATH`: arrays, and every way in which they can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.errors import SpecError
from nas.train.data import load_data

Save = Callable[..., str]
Y = np.arange(12) % 3


def images(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def refusal(name: str, shape: tuple[int, int, int] = (1, 8, 8), classes: int | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        load_data(name, shape, classes)
    message = str(caught.value)
    assert name in message
    assert len(message.splitlines()) <= 4
    return message


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        ((12, 8, 9), (1, 8, 9)),
        ((12, 8, 9), (3, 8, 9)),
        ((12, 1, 8, 9), (1, 8, 9)),
        ((12, 8, 9, 1), (1, 8, 9)),
        ((12, 8, 9, 1), (3, 8, 9)),
        ((12, 3, 8, 9), (3, 8, 9)),
        ((12, 8, 9, 3), (3, 8, 9)),
        ((12, 5, 8, 9), (5, 8, 9)),
        ((12, 8, 9, 5), (5, 8, 9)),
    ],
)
def test_layouts_that_can_mean_one_thing_only(save_npz: Save, x: tuple[int, ...], shape: tuple[int, int, int]) -> None:
    data = load_data(save_npz(x=images(*x), y=Y), shape, 3)
    assert data.shape == shape
    assert len(data.train) + len(data.validation) + len(data.test) == 12


def test_channels_last_means_what_it_says(save_npz: Save) -> None:
    x = images(12, 8, 9, 3)
    last = load_data(save_npz(x=x, y=Y), (3, 8, 9))
    pixels = last.test.images[0].numpy() * np.array(last.std)[:, None, None] + np.array(last.mean)[:, None, None]
    assert any(np.allclose(pixels * 255, image.transpose(2, 0, 1), atol=1e-2) for image in x)


def test_uint8_counts_to_255_and_other_numbers_are_taken_as_they_are(save_npz: Save) -> None:
    x = images(12, 8, 8)
    counted = load_data(save_npz(x=x, y=Y), (1, 8, 8))
    taken = load_data(save_npz(x=x.astype("float64"), y=Y), (1, 8, 8))
    assert 0.4 < counted.mean[0] < 0.6
    assert 100 < taken.mean[0] < 156


def test_labels_are_numbered_by_their_order(save_npz: Save) -> None:
    data = load_data(save_npz(x=images(12, 8, 8), y=np.array([7.0, -2.0, 30.0] * 4)), (1, 8, 8), 3)
    assert data.class_names == ("-2", "7", "30")
    assert set(data.train.labels.tolist()) == {0, 1, 2}


def test_missing_arrays_are_named(save_npz: Save) -> None:
    assert "has no array y; it holds x, z" in refusal(save_npz(x=images(12, 8, 8), z=Y))
    assert "has no array x and no y; it holds a" in refusal(save_npz(a=Y))


def test_more_labels_than_images(save_npz: Save) -> None:
    assert "x has 12 images and y 13 labels" in refusal(save_npz(x=images(12, 8, 8), y=np.arange(13) % 3))


@pytest.mark.parametrize("shape", [(12,), (12, 64), (12, 1, 1, 8, 8), (0, 8, 8)])
def test_x_of_a_shape_that_is_no_image(save_npz: Save, shape: tuple[int, ...]) -> None:
    assert f"x has shape {shape}" in refusal(save_npz(x=images(*shape), y=Y))


def test_a_layout_that_can_mean_two_things(save_npz: Save) -> None:
    assert "both 3 and 3 can be the channels" in refusal(save_npz(x=images(12, 3, 8, 3), y=Y), (3, 8, 8))


def test_channels_that_do_not_fit(save_npz: Save) -> None:
    message = refusal(save_npz(x=images(12, 3, 8, 8), y=Y), (1, 8, 8))
    assert "neither 3 nor 8 is the 1 channel that the study's networks take" in message


def test_one_hot_labels(save_npz: Save) -> None:
    message = refusal(save_npz(x=images(12, 8, 8), y=np.eye(3)[Y]))
    assert "y has shape (12, 3)" in message
    assert "argmax" in message


@pytest.mark.parametrize("bad", [1.5, np.nan, np.inf])
def test_labels_that_are_not_whole(save_npz: Save, bad: float) -> None:
    y = Y.astype(float)
    y[4] = bad
    assert f"y[4] is {bad}; labels must be whole numbers" in refusal(save_npz(x=images(12, 8, 8), y=y))


def test_labels_that_are_words(save_npz: Save) -> None:
    assert "labels must be whole numbers" in refusal(save_npz(x=images(12, 8, 8), y=np.array(["a", "b", "c"] * 4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_pixels_that_are_not_finite(save_npz: Save, bad: float) -> None:
    x = images(12, 8, 8, dtype="float64")
    x[5, 0, 0] = bad
    assert "1 of 12 images in x have NaN or infinite pixels, the first is x[5]" in refusal(save_npz(x=x, y=Y))


def test_images_that_are_words(save_npz: Save) -> None:
    assert "images must be numbers" in refusal(save_npz(x=np.full((12, 8, 8), "a"), y=Y))


def test_one_class(save_npz: Save) -> None:
    assert "has only the class '0'" in refusal(save_npz(x=images(12, 8, 8), y=np.zeros(12, dtype=int)))


def test_a_class_with_fewer_than_three_images(save_npz: Save) -> None:
    assert "class '1' has 2 different images" in refusal(save_npz(x=images(12, 8, 8), y=np.array([0] * 10 + [1] * 2)))


def test_other_classes_than_the_study(save_npz: Save) -> None:
    assert "has 3 classes, the study's networks tell 10 apart" in refusal(save_npz(x=images(12, 8, 8), y=Y), classes=10)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(f"npz:{tmp_path / 'no.npz'}")
    assert "this is a folder" in refusal(f"npz:{tmp_path}")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and then nothing of a zip file"])
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    assert "cannot be read" in refusal(f"npz:{tmp_path / 'data.npz'}")


def test_a_single_array(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", Y)
    assert "a single array" in refusal(f"npz:{tmp_path / 'data.npy'}")


class Trap:
    """What a hostile file would have executed."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.touch, (Path("/nonexistent/trap"),))  # type: ignore[return-value]  # any callable will do


def test_nothing_is_unpickled(save_npz: Save, tmp_path: Path) -> None:
    trap = np.empty(12, dtype=object)
    trap[:] = [Trap() for _ in range(12)]
    assert "it holds Python objects" in refusal(save_npz(x=trap, y=Y))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap()))
    assert "cannot be read" in refusal(f"npz:{tmp_path / 'bare.npz'}")
