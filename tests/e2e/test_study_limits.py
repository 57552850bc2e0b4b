"""How far a study goes, and what it begins with, on the real command line: exactly so many trials whoever runs it, no
longer than its time, published networks first, another study's trials before all.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nas

STUDY = """
[study]
name = "free"
trials = 6
sampler = "random"
[input]
shape = [3, 32, 32]
classes = 10
[network]
head = { channels = 16, dropout = 0.0 }
stem = { channels = [16, 32] }
drop_path = 0.0
[[stages]]
block = "conv"
repeats = [1, 2]
channels = [8, 12, 16, 24]
stride = 2
kernel = [3, 5]
[objectives]
macs = "minimize"
params = "minimize"
"""
"""32 networks that cost nothing."""

PROGRAM = [sys.executable, "-c", "from nas.cli import main; main()"]


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "free.toml").write_text(STUDY)
    return tmp_path


def test_two_runs_at_once_come_to_exactly_so_many_trials(folder: Path) -> None:
    words = [*PROGRAM, "run", "free.toml", "--trials", "20"]
    runs = [subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    for run in runs:
        _, told = run.communicate(timeout=300)
        assert run.returncode == 0, told
    frame = nas.read_report("free", storage=f"sqlite:///{folder}/nas.db")
    assert list(frame["outcome"]) == ["ok"] * 20
    assert frame["arch_id"].is_unique


def test_a_run_whose_time_is_over_ends_well_and_says_so(folder: Path) -> None:
    ended = command("run", "free.toml", "--timeout", "1e-6", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "note: timeout: the 0:00 of this run are over, with 0 of 6 trials finished" in ended.stderr
    gone_on = command("run", "free.toml", "--timeout", "600", cwd=folder)
    assert gone_on.returncode == 0, gone_on.stderr
    assert "timeout" not in gone_on.stderr
    assert len(nas.read_report("free", storage=f"sqlite:///{folder}/nas.db")) == 6


def test_a_study_whose_front_stands_still_is_done_and_a_higher_patience_goes_on(folder: Path) -> None:
    first = command("run", "free.toml", "--trials", "32", "--patience", "3", cwd=folder)
    assert first.returncode == 0, first.stderr
    assert "note: patience: the front is taken for final: it has not grown for 3 trials" in first.stderr
    trials = len(nas.read_report("free", storage=f"sqlite:///{folder}/nas.db"))
    assert 4 <= trials < 32
    again = command("run", "free.toml", "--trials", "32", "--patience", "3", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert len(nas.read_report("free", storage=f"sqlite:///{folder}/nas.db")) == trials
    nas.run(folder / "free.toml", trials=32, patience=32, storage=f"sqlite:///{folder}/nas.db")
    assert len(nas.read_report("free", storage=f"sqlite:///{folder}/nas.db")) == 32


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--timeout", "0", "--timeout: must be a positive number of seconds, got '0'"),
    ("--timeout", "nan", "--timeout: must be a positive number of seconds, got 'nan'"),
    ("--patience", "none", "--patience: must be a whole number from 1, got 'none'"),
])
def test_what_is_no_limit_is_a_mistake_that_writes_nothing(folder: Path, option: str, value: str, said: str) -> None:
    told = command("run", "free.toml", option, value, cwd=folder)
    assert told.returncode == 2
    assert said in told.stderr
    assert not (folder / "nas.db").exists()


def test_networks_that_the_file_names_come_first(folder: Path) -> None:
    text = nas.read_report(nas.run(folder / "free.toml", trials=1, storage=f"sqlite:///{folder}/other.db").study_name,
                           storage=f"sqlite:///{folder}/other.db")["arch"][0]
    (folder / "free.toml").write_text(STUDY.replace("seed = 0", "").replace(
        'sampler = "random"', f"sampler = \"random\"\nenqueue = ['{text}', 'efficientnet_b0']\nseed = 5"))
    ended = command("run", "free.toml", "--trials", "2", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert ("note: free.toml: study.enqueue[1]: 'efficientnet_b0' is left out: not in this space: head.channels is 1280, "
            "the study has 16") in ended.stderr
    frame = nas.read_report("free", storage=f"sqlite:///{folder}/nas.db", sampler=True)
    assert list(frame["sampler"]) == ["enqueue", "random"]
    assert frame["arch"][0] == text


def test_efficientnet_v2_s_is_where_a_search_around_it_can_start(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "studies" / "efficientnet_v2.toml").read_text()
    before, constraints = shipped.split("[objectives]")[0], shipped.split("[constraints]")[1]
    study = before.replace("seed = 0", 'seed = 0\nenqueue = ["efficientnet_v2_s"]')
    study += f'[objectives]\nmacs = "minimize"\n[constraints]{constraints}'  # nothing is to be measured
    (tmp_path / "around.toml").write_text(study)
    ended = command("run", "around.toml", "--trials", "1", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ("note: around.toml: study.enqueue[0]: 'efficientnet_v2_s' is evaluated as the study has it: input 3x224x224 "
            "for 3x384x384") in ended.stderr
    frame = nas.read_report("efficientnet_v2", storage=f"sqlite:///{tmp_path}/nas.db")
    assert list(frame["params"]) == [21_458_488]


def test_a_grown_study_begins_with_the_trials_of_the_old_one(folder: Path) -> None:
    assert command("run", "free.toml", "--trials", "10", cwd=folder).returncode == 0
    grown = STUDY.replace('name = "free"', 'name = "grown"\nwarm_start = "free"').replace(
        'block = "conv"', 'block = ["conv", "mbconv"]').replace("[8, 12, 16, 24]", "[8, 12, 16, 32]")
    (folder / "grown.toml").write_text(grown)
    storage = f"sqlite:///{folder}/nas.db"
    kept = int((nas.read_report("free", storage=storage, params=True)["stage0.channels"] != 24).sum())
    ended = command("run", "grown.toml", "--trials", "3", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert f"note: {kept} trials carried over from 'free' ({10 - kept} not: {10 - kept} x " in ended.stderr
    assert f"{kept + 3} trials, 3 counted, {kept} carried over: {kept + 3} ok" in ended.stdout
    frame = nas.read_report("grown", storage=storage, sampler=True)
    assert list(frame["sampler"]) == ["warm_start"] * kept + ["random"] * 3
    assert frame["arch_id"].is_unique
    page = (folder / "nas-reports" / "grown.md").read_text()
    assert f"- trials: {kept + 3}, of which 3 count and {kept} were carried over from another study" in page


@pytest.mark.parametrize(("old", "said"), [
    ("fre", "grown.toml: study.warm_start: {folder}/nas.db: there is no study 'fre' (did you mean 'free'?)"),
    ("grown", "grown.toml: study.warm_start: 'grown' is this study itself"),
])
def test_an_old_study_that_is_none_is_a_mistake_and_makes_no_new_one(folder: Path, old: str, said: str) -> None:
    assert command("run", "free.toml", "--trials", "1", cwd=folder).returncode == 0
    (folder / "grown.toml").write_text(STUDY.replace('name = "free"', f'name = "grown"\nwarm_start = "{old}"'))
    told = command("run", "grown.toml", cwd=folder)
    assert told.returncode == 2
    assert said.format(folder=folder) in told.stderr.replace("\n", " ")
    assert "Traceback" not in told.stderr
    with pytest.raises(nas.StoreError, match="there is no study 'grown'"):
        nas.read_report("grown", storage=f"sqlite:///{folder}/nas.db")
