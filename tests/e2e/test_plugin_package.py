"""A stranger's plugin, as an installed package and as local files: searched, reported, and exact to the digit.

The package stands in `tests/plugin_pkg` and uses the public names of `nas` alone.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0

import nas

PACKAGE = Path(__file__).parents[1] / "plugin_pkg"
BLOCK = PACKAGE / "src/nas_shufflenet/shuffle.py"
METRIC = PACKAGE / "src/nas_shufflenet/weights.py"

STUDY = """
[study]
name = "shuffled"
trials = 4
sampler = "random"
[input]
shape = [1, 16, 16]
classes = 10
[network]
stem = { channels = 8, stride = 1 }
head = { channels = 16, dropout = 0.0 }
[[stages]]
block = ["shuffle", "mbconv"]
repeats = [1, 2, 3]
channels = [8, 12, 16]
stride = 2
kernel = [3, 5]
[[stages]]
block = "shuffle"
repeats = [1, 2]
channels = [16, 24]
stride = 1
[objectives]
weights_mb = "minimize"
macs = "minimize"
[constraints]
weights_mb = "<= 0.02"
[columns.weights_mb]
dtype = "float16"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own with the package in it, built and installed without a network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PACKAGE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index"]
    words = [*pip, "--target", str(folder / "site"), str(folder / "source")]
    told = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 0, told.stderr
    return folder / "site"


def command(*words: str, cwd: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`nas WORDS`, with the packages in `site` beside those of the environment."""
    paths = [*([str(site)] if site else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "250"}
    program = [sys.executable, "-c", "from nas.cli import main; main()", *words]
    return subprocess.run(program, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def read_csv(folder: Path, site: Path | None = None) -> pd.DataFrame:
    told = command("report", "shuffled", "--format", "csv", "--out", "shuffled.csv", cwd=folder, site=site)
    assert told.returncode == 0, told.stderr
    return pd.read_csv(folder / "shuffled.csv")


def check_report(frame: pd.DataFrame) -> None:
    """The block was searched, the metric computed, its constraint kept; figures agree with the networks themselves."""
    assert list(frame["outcome"]) == ["ok"] * 4
    assert frame["arch"].str.contains(r" shuffle@1\(").all()
    assert (frame["weights_mb"] == frame["params"] * 2 / 1e6).all()
    assert (frame["weights_mb"] <= 0.02).all()
    assert frame["feasible"].all()
    assert frame["pareto"].any()
    for text, params in zip(frame["arch"], frame["params"], strict=True):
        network = nas.build(text, plugins=[BLOCK])
        assert sum(weight.numel() for weight in network.parameters()) == params


def test_an_installed_package_is_searched_and_reported_even_where_it_is_gone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    told = command("run", "study.toml", cwd=tmp_path, site=installed)
    assert told.returncode == 0, told.stderr
    with_it, without_it = read_csv(tmp_path, installed), read_csv(tmp_path)
    check_report(with_it)
    pd.testing.assert_frame_equal(with_it, without_it)


def test_local_files_are_searched_and_reported(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    files = ["--plugin", str(BLOCK), "--plugin", str(METRIC)]
    told = command("run", "study.toml", *files, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    check_report(read_csv(tmp_path))


def test_blocks_and_metrics_of_an_installed_package_are_listed_with_their_origin(installed: Path, tmp_path: Path) -> None:
    told = command("blocks", cwd=tmp_path, site=installed)
    assert told.returncode == 0, told.stderr
    line, metric = [line for line in told.stdout.splitlines() if "nas_shufflenet" in line]
    assert "nas-shufflenet 0.3.0: nas_shufflenet.weights" in metric
    assert "shuffle " in line
    assert "kernel: 3, 5" in line
    assert "nas-shufflenet 0.3.0: nas_shufflenet.shuffle" in line


@pytest.mark.parametrize(("option", "disabled"), [(["--no-plugins"], ""), ([], "nas_shufflenet"), ([], "shuffle"), ([], "all")])
def test_a_package_is_left_out_where_it_is_not_wanted(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], disabled: str
) -> None:
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", disabled)
    told = command("blocks", *option, cwd=tmp_path, site=installed)
    assert told.returncode == 0, told.stderr
    assert "nas_shufflenet.shuffle" not in told.stdout
    assert ("nas_shufflenet.weights" in told.stdout) is (disabled == "shuffle")
    assert "mbconv" in told.stdout


def test_a_package_that_does_not_import_is_listed_with_its_cause(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed, tmp_path / "site")
    (tmp_path / "site/nas_shufflenet/shuffle.py").write_text("raise OSError('[red] no licence')\n")
    told = command("blocks", cwd=tmp_path, site=tmp_path / "site")
    assert told.returncode == 0, told.stderr
    assert "mbconv" in told.stdout
    cause = "nas-shufflenet 0.3.0: nas_shufflenet.shuffle: OSError: [red] no licence"
    assert f"did not load: {cause}" in told.stdout


def test_the_package_and_its_own_file_collide_and_the_message_names_both(installed: Path, tmp_path: Path) -> None:
    told = command("blocks", "--plugin", str(BLOCK), cwd=tmp_path, site=installed)
    assert told.returncode == 2
    assert "two plugins have a block named 'shuffle'" in told.stderr
    assert "nas-shufflenet 0.3.0: nas_shufflenet.shuffle" in told.stderr
    assert str(BLOCK) in told.stderr
    assert "Traceback" not in told.stderr


def test_without_the_package_the_study_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    told = command("run", "study.toml", cwd=tmp_path)
    assert told.returncode == 2
    assert "stages[0].block: unknown block 'shuffle'" in told.stderr
    assert "Traceback" not in told.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["study.toml"]


def test_the_metric_s_own_check_refuses_an_option(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace('"float16"', '"float12"'))
    told = command("run", "study.toml", "--plugin", str(BLOCK), "--plugin", str(METRIC), cwd=tmp_path)
    assert told.returncode == 2
    assert "columns.weights_mb: dtype is one of float32, float16, got 'float12'" in told.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["study.toml"]


def test_installing_it_left_the_environment_of_the_tests_alone(installed: Path) -> None:
    assert (installed / "nas_shufflenet" / "shuffle.py").exists()
    assert importlib.util.find_spec("nas_shufflenet") is None
    assert not [path for path in PACKAGE.rglob("*") if path.suffix == ".egg-info" or path.name == "build"]


@pytest.mark.parametrize("file", [BLOCK, METRIC], ids=lambda file: file.name)
def test_the_package_uses_public_names_alone(file: Path) -> None:
    tree = ast.parse(file.read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert "nas" in imported
    assert not [name for name in imported if name and name.startswith("nas.")]
    used = {
        node.attr for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nas"
    }
    assert used <= set(nas.__all__)


# Ma et al. 2018 (arXiv:1807.11164), table 5: channels of stages 2 to 4 and of the 1x1 convolution behind them.
PUBLISHED = {
    "x0_5": (shufflenet_v2_x0_5, (48, 96, 192, 1024), 1_366_792),
    "x1_0": (shufflenet_v2_x1_0, (116, 232, 464, 1024), 2_278_604),
    "x1_5": (shufflenet_v2_x1_5, (176, 352, 704, 1024), 3_503_624),
    "x2_0": (shufflenet_v2_x2_0, (244, 488, 976, 2048), 7_393_996),
}


def shufflenet_v2(channels: tuple[int, int, int, int]) -> nas.Architecture:
    stages = [nas.Stage("shuffle", 1, repeats, out, 2) for repeats, out in zip((4, 8, 4), channels[:3], strict=True)]
    return nas.Architecture(
        input_shape=(3, 224, 224),
        stages=tuple(stages),
        stem=nas.Stem(channels=24, pool=True, act="relu"),
        head=nas.Head(channels=channels[3], dropout=0, act="relu"),
        act="relu",
        norm=nas.Norm(eps=1e-5),
        drop_path=0,
    )


def randomise_norms(network: nn.Module) -> None:
    """Away from 1 and 0, so that a norm in another place, or with another eps, shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.05, 1.5, generator=generator)


@pytest.mark.parametrize("width", PUBLISHED)
def test_shufflenet_v2_has_its_published_parameters_and_macs(width: str) -> None:
    make, channels, params = PUBLISHED[width]
    cost = nas.count(shufflenet_v2(channels), plugins=[BLOCK])
    assert cost.params == params
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        make(weights=None).eval()(torch.empty(1, 3, 224, 224))
    assert cost.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("width", PUBLISHED)
def test_with_torchvision_s_weights_in_order_shufflenet_v2_has_its_logits(width: str) -> None:
    make, channels, _ = PUBLISHED[width]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        theirs = make(weights=None).eval()
        randomise_norms(theirs)
        ours = nas.build(shufflenet_v2(channels), plugins=[BLOCK], seed=0).eval()
        state, source = ours.state_dict(), theirs.state_dict()
        assert [weight.shape for weight in state.values()] == [weight.shape for weight in source.values()]
        x = torch.randn(2, 3, 64, 64)
        before = ours(x)
        ours.load_state_dict(dict(zip(state, source.values(), strict=True)))
        expected, given = theirs(x), ours(x)
    largest = expected.abs().max()
    assert (given - expected).abs().max() <= 1e-5 * largest
    assert (before - expected).abs().max() > 1e-2 * largest, "the comparison could not have failed"
