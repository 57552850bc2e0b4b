"""The studies beside studies/README.md run as they are, and its table names each of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch

import nas
from nas.plugins import load_plugins
from nas.space import SearchSpace
from nas.spec import load_spec

STUDIES = Path(__file__).parents[2] / "studies"


def two_trials(name: str, folder: Path) -> pd.DataFrame:
    storage = f"sqlite:///{folder}/nas.db"
    nas.run(STUDIES / f"{name}.toml", trials=2, storage=storage)
    frame = nas.read_report(name, storage=storage, params=True)
    assert list(frame["outcome"]) == ["ok", "ok"]
    assert frame["arch_id"].nunique() == 2
    return frame


def choices(name: str) -> Mapping[str, tuple[object, ...]]:
    space = SearchSpace(load_spec(STUDIES / f"{name}.toml"), load_plugins().blocks)
    return {dimension.name: dimension.choices for dimension in space.dimensions}


def test_every_study_is_in_the_table_of_the_page() -> None:
    page = (STUDIES / "README.md").read_text()
    for study in STUDIES.glob("*.toml"):
        assert f"\n| `{study.name}` | " in page


def test_the_spectrogram_study_learns_with_kernels_over_time_over_frequency_and_over_both(tmp_path: Path) -> None:
    frame = two_trials("spectrogram", tmp_path)
    assert (frame["accuracy"] > 3 / 8).all(), "three times what guessing among eight kinds of sound reaches"
    found = choices("spectrogram")
    assert all({"1x7", "7x1", 3, 5} == set(found[f"stage{position}.kernel"]) for position in range(3))


def test_the_upsample_study_ends_at_the_size_of_its_input(tmp_path: Path) -> None:
    frame = two_trials("upsample", tmp_path)
    assert (frame["accuracy"] > 0.3).all()
    for text in frame["arch"]:
        stages = nas.Architecture.parse(text).stages
        assert [stage.stride for stage in stages] == [2, 2, 2, 2, 1]
        assert [stage.block == "transposed_conv" for stage in stages] == [False, False, True, True, False]
        network = nas.build(text)
        image, sizes = network.get_submodule("stem")(torch.zeros(2, 1, 16, 16)), []
        for stage in network.get_submodule("stages").children():
            image = stage(image)
            sizes.append(tuple(image.shape[2:]))
        assert sizes == [(8, 8), (4, 4), (8, 8), (16, 16), (16, 16)]


def test_the_resolution_study_trains_each_candidate_at_its_own_resolution(tmp_path: Path) -> None:
    frame = two_trials("resolution", tmp_path)
    assert choices("resolution")["resolution"] == (8, 12, 16, 24)
    for text, side, macs in zip(frame["arch"], frame["resolution"], frame["macs"], strict=True):
        assert nas.Architecture.parse(text).input_shape == (1, side, side)
        assert nas.count(text).macs == macs
    assert (frame["accuracy"] > 0.15).all()
