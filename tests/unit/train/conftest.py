"""What the tests of the learning room share: images on disk, and a small network that learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

FolderMaker = Callable[..., Path]


@pytest.fixture
def image_folder(tmp_path: Path) -> FolderMaker:
    """Makes a folder of classes with this many different images in each."""

    def make(counts: dict[str, int], size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Path:
        rng = np.random.default_rng(0)
        root = tmp_path / "photos"
        for name, count in counts.items():
            (root / name).mkdir(parents=True)
            for number in range(count):
                shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
                Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(root / name / f"{number}.png")
        return root

    return make


@pytest.fixture
def save_npz(tmp_path: Path) -> Callable[..., str]:
    """Writes these arrays, and answers what a study calls them."""

    def save(**arrays: object) -> str:
        file = tmp_path / "data.npz"
        np.savez(file, **arrays)  # type: ignore[arg-type]  # whatever the test asks for
        return f"npz:{file}"

    return save


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_network(classes: int = 10, seed: int = 0, extra: Sequence[nn.Module] = ()) -> nn.Module:
    """Two convolutions and a linear layer, for one grey channel."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), *extra, nn.Linear(128, classes)),
        )


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    return small_network
