"""The examples of the READMEs are run as they stand.

A block of Python or TOML whose first line is a comment with a file's name is that file, in an empty folder; so is
Python without one, which is run. Then every line `$ ...` of the console blocks is run there and must succeed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas.search.prepare import prepare

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "plugins/README.md", "studies/README.md", "reports/README.md")


@dataclass(frozen=True)
class Example:
    """A fenced block of a page: its language, and its text."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name that its first line gives it."""
        match = re.match(r"# ([\w.]+\.(?:py|toml))\n", self.text)
        return match[1] if match else None

    @property
    def commands(self) -> list[str]:
        """What a reader would type."""
        return re.findall(r"^\$ (.+)$", self.text, flags=re.MULTILINE) if self.language == "console" else []


def examples(page: str) -> list[Example]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    return [Example(language, text) for language, text in found]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line as a reader would, with this interpreter's programs first."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, shell=True, env=environment, capture_output=True, text=True,
                          timeout=600, check=False)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_of_a_page_runs(page: str, tmp_path: Path) -> None:
    ran = 0
    for example in examples(page):
        if example.language in ("python", "toml") and example.file:
            (tmp_path / example.file).write_text(example.text)
    for example in examples(page):
        commands = example.commands
        if example.language == "python":
            name = example.file or "example.py"
            (tmp_path / name).write_text(example.text)
            commands = [f"python {name}"]
        for command in commands:
            told = shell(command, tmp_path)
            assert told.returncode == 0, f"{page}: {command}\n{told.stdout}\n{told.stderr}"
            ran += 1
    assert ran > 0, f"{page} has no example"


@pytest.mark.parametrize("page", PAGES)
def test_every_toml_example_is_a_study_that_is_accepted(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples(page):
        if example.file:
            (tmp_path / example.file).write_text(example.text)
    for example in examples(page):
        if example.language == "toml":
            assert example.file, f"{page}: a study in the text needs a name in its first line:\n{example.text}"
            assert prepare(example.file).columns


def test_the_block_of_the_plugin_page_is_searched_and_counted_as_it_is_built(tmp_path: Path) -> None:
    for example in examples("plugins/README.md"):
        if example.file:
            (tmp_path / example.file).write_text(example.text)
    storage = f"sqlite:///{tmp_path}/nas.db"
    nas.run(tmp_path / "ghosts.toml", storage=storage)
    frame = nas.read_report("ghosts", storage=storage, params=True)
    assert list(frame["outcome"]) == ["ok"] * 12
    assert set(frame["stage0.block"]) == {"ghost", "mbconv"}
    plugins = [tmp_path / "ghost.py"]
    for text, params in zip(frame["arch"], frame["params"], strict=True):
        assert sum(p.numel() for p in nas.build(text, plugins=plugins).parameters()) == params


def test_the_metrics_of_the_plugin_page_are_measured_bounded_and_reported(tmp_path: Path) -> None:
    for example in examples("plugins/README.md"):
        if example.file:
            (tmp_path / example.file).write_text(example.text)
    storage = f"sqlite:///{tmp_path}/nas.db"
    nas.run(tmp_path / "small.toml", storage=storage)
    frame = nas.read_report("small", storage=storage)
    assert list(frame["outcome"]) == ["ok"] * 4
    assert (frame["depth"] <= 3).all()
    pd.testing.assert_series_equal(
        frame["weights_mb"], frame["params"].astype("float64") * 4 / 1e6, check_names=False, rtol=1e-12
    )
