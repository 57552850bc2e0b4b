"""`folder:PATH`: images by class, and every way in which a folder can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import SpecError
from nas.train.data import Dataset, load_data
from nas.train.data import memory as memory_room

Make = Callable[..., Path]


def raw(data: Dataset) -> torch.Tensor:
    """All images, as 0 to 1."""
    images = torch.cat([data.train.images, data.validation.images, data.test.images])
    return images * torch.tensor(data.std)[:, None, None] + torch.tensor(data.mean)[:, None, None]


def test_classes_are_the_sub_folders_in_order(image_folder: Make) -> None:
    data = load_data(f"folder:{image_folder({'dog': 5, 'cat': 10})}", (3, 10, 12), 2)
    assert data.class_names == ("cat", "dog")
    assert torch.bincount(data.train.labels).tolist() == [6, 3]
    assert torch.bincount(data.validation.labels).tolist() == [2, 1]
    assert torch.bincount(data.test.labels).tolist() == [2, 1]


def test_pixels_of_the_right_size_come_through_unchanged(image_folder: Make) -> None:
    folder = image_folder({"a": 3, "b": 3})
    data = load_data(f"folder:{folder}", (3, 10, 12))
    seen = {tuple((image * 255).round().int().flatten().tolist()) for image in raw(data)}
    for file in folder.rglob("*.png"):
        pixels = np.asarray(Image.open(file)).transpose(2, 0, 1)
        assert tuple(pixels.flatten().tolist()) in seen


def test_images_are_resized_and_made_grey_for_a_grey_network(image_folder: Make) -> None:
    data = load_data(f"folder:{image_folder({'a': 3, 'b': 3}, size=(40, 20))}", (1, 8, 16))
    assert data.shape == (1, 8, 16)


def test_grey_files_serve_a_colour_network(image_folder: Make) -> None:
    images = raw(load_data(f"folder:{image_folder({'a': 3, 'b': 3}, mode='L')}", (3, 10, 12)))
    assert torch.allclose(images[:, 0], images[:, 1], atol=1e-6)


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    for label, level in (("a", 0), ("b", 40000)):
        (tmp_path / label).mkdir()
        for number in range(3):
            pixels = np.full((4, 4), level + number * 257, dtype=np.uint16)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    levels = {round(float(image.max()) * 255) for image in raw(load_data(f"folder:{tmp_path}", (1, 4, 4)))}
    assert levels == {0, 1, 2, 155, 156, 157}


def test_a_photograph_is_turned_as_its_camera_says(image_folder: Make) -> None:
    folder = image_folder({"a": 3, "b": 3}, size=(4, 4))
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, :4] = 255  # bright on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: left belongs on top
    for file in folder.rglob("*.png"):
        shade = int(file.stem) + 3 * (file.parent.name == "b")
        Image.fromarray(pixels - np.minimum(pixels, shade)).save(file, exif=exif)
    images = raw(load_data(f"folder:{folder}", (1, 8, 4)))
    assert float(images[:, :, :4].min()) > 0.9
    assert float(images[:, :, 4:].max()) < 0.1


def test_the_same_files_have_the_same_fingerprint_wherever_they_lie(image_folder: Make, tmp_path: Path) -> None:
    folder = image_folder({"a": 4, "b": 4})
    first = load_data(f"folder:{folder}", (3, 8, 8)).fingerprint
    moved = folder.rename(tmp_path / "elsewhere")
    assert load_data(f"folder:{moved}", (3, 8, 8)).fingerprint == first


def test_a_changed_file_is_seen_at_once(image_folder: Make) -> None:
    folder = image_folder({"a": 4, "b": 4})
    name = f"folder:{folder}"
    first = load_data(name, (3, 8, 8))
    assert load_data(name, (3, 8, 8)) is first
    Image.new("RGB", (12, 10), "red").save(folder / "a" / "0.png")
    os.utime(folder / "a" / "0.png", ns=(1, 1))
    assert load_data(name, (3, 8, 8)).fingerprint != first.fingerprint


def test_hidden_files_and_files_beside_the_classes_are_left_out(image_folder: Make) -> None:
    folder = image_folder({"a": 3, "b": 3})
    (folder / "README.txt").write_text("about these images")
    (folder / "a" / ".DS_Store").write_bytes(b"\0")
    (folder / ".cache").mkdir()
    assert load_data(f"folder:{folder}", (3, 8, 8)).class_names == ("a", "b")


def test_the_home_directory_may_be_written_as_a_tilde(image_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(image_folder({"a": 3, "b": 3}).parent))
    assert load_data("folder:~/photos", (3, 8, 8)).class_names == ("a", "b")


def refusal(folder: Path | str, shape: tuple[int, int, int] = (3, 8, 8), classes: int | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        load_data(f"folder:{folder}", shape, classes)
    message = str(caught.value)
    assert str(folder) in message
    assert len(message.splitlines()) <= 6
    return message


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nowhere")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("")
    assert "this is a file" in refusal(tmp_path / "photos")


def test_a_folder_without_classes(tmp_path: Path) -> None:
    assert "has no class" in refusal(tmp_path)


def test_a_folder_with_one_class(image_folder: Make) -> None:
    assert "has only the class 'cat'" in refusal(image_folder({"cat": 5}))


def test_a_class_with_fewer_than_three_images(image_folder: Make) -> None:
    assert "class 'dog' has 2 different images; it needs at least 3" in refusal(image_folder({"cat": 5, "dog": 2}))


def test_an_empty_class(image_folder: Make) -> None:
    assert "class 'dog' has 0 different images" in refusal(image_folder({"cat": 5, "dog": 0}))


def test_more_classes_than_the_study(image_folder: Make) -> None:
    message = refusal(image_folder({"a": 3, "b": 3, "c": 3}), classes=2)
    assert "has 3 classes, the study's networks tell 2 apart" in message


def test_broken_images_are_named_and_counted(image_folder: Make) -> None:
    folder = image_folder({"a": 6, "b": 6})
    (folder / "a" / "0.png").write_bytes(b"")
    (folder / "a" / "1.png").write_text("not an image")
    whole = (folder / "b" / "2.png").read_bytes()
    (folder / "b" / "2.png").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "notes.txt").write_text("nor is this")
    message = refusal(folder)
    assert "4 of 13 files cannot be read as images" in message
    assert "a/0.png: the file is empty" in message
    assert "a/1.png: this is no image of a known kind" in message
    assert "b/2.png" in message
    assert "and 1 more" in message
    assert message.endswith("Repair them or move them out of the folder.")


def test_images_of_32_bits_have_no_known_range(image_folder: Make) -> None:
    folder = image_folder({"a": 4, "b": 4})
    Image.new("F", (8, 8)).save(folder / "a" / "0.tiff")
    assert "save it with 8 or 16 bits" in refusal(folder)


def test_splits_as_sub_folders_are_not_taken_for_classes(image_folder: Make) -> None:
    folder = image_folder({"train/cat": 3, "train/dog": 3, "val/cat": 3, "val/dog": 3})
    assert "train/cat is a folder inside a class" in refusal(folder)


def test_networks_of_other_channels(image_folder: Make) -> None:
    assert "the study's networks take 2" in refusal(image_folder({"a": 3, "b": 3}), shape=(2, 8, 8))


def test_more_images_than_memory(image_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_room, "physical_memory", lambda: 2 * 6 * 3 * 8 * 8 * 5)
    assert "6 images; at 3x8x8 they need" in refusal(image_folder({"a": 3, "b": 3}))
