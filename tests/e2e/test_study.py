"""The main job on the real command line: a study is run, resumed, read; mistakes leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import nas

STUDY = """
[study]
name = "tiny"
trials = 4
sampler = "random"
[input]
shape = [1, 8, 8]
classes = 10
[network]
stem = { channels = 8, stride = 1 }
head = { channels = 16, dropout = 0.0 }
drop_path = 0.0
[[stages]]
block = ["conv", "mbconv"]
repeats = [1, 2]
channels = [8, 12, 16]
stride = 2
kernel = [3, 5]
[objectives]
naswot = "maximize"
macs = "minimize"
[constraints]
params = "<= 50e3"
"""


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from nas.cli import main; main()", *words]
    return subprocess.run(program, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(STUDY)
    return tmp_path


def test_a_study_runs_resumes_to_its_total_and_reads_as_csv(folder: Path) -> None:
    first = command("run", "tiny.toml", "--trials", "2", cwd=folder)
    assert first.returncode == 0, first.stderr
    second = command("run", "tiny.toml", cwd=folder)
    assert second.returncode == 0, second.stderr
    report = command("report", "tiny", "--format", "csv", "--out", "tiny.csv", cwd=folder)
    assert report.returncode == 0, report.stderr
    frame = pd.read_csv(folder / "tiny.csv")
    assert len(frame) == 4
    assert frame["arch_id"].is_unique
    assert list(frame["outcome"]) == ["ok"] * 4
    assert (frame["params"] <= 50e3).all()
    assert frame["pareto"].any()
    for text, params in zip(frame["arch"], frame["params"], strict=True):
        assert nas.count(text).params == params == sum(p.numel() for p in nas.build(text).parameters())


def test_a_second_study_reuses_the_measurements_of_the_same_networks(folder: Path) -> None:
    storage = f"sqlite:///{folder}/nas.db"
    nas.run(folder / "tiny.toml", trials=2, storage=storage)
    (folder / "other.toml").write_text(STUDY.replace('"tiny"', '"other"'))
    nas.run(folder / "other.toml", trials=2, storage=storage)
    one, other = (nas.read_report(name, storage=storage) for name in ("tiny", "other"))
    assert list(one["arch_id"]) == list(other["arch_id"])
    assert list(one["naswot"]) == list(other["naswot"])


def test_a_candidate_that_fails_is_a_row_and_the_search_goes_on(folder: Path) -> None:
    (folder / "moody.py").write_text(
        "import nas\n"
        "def judge(context):\n"
        "    if context.arch.stages[0].block == 'conv':\n"
        "        raise RuntimeError('no mood for conv')\n"
        "    return 1.0\n"
        "@nas.hookimpl\n"
        "def nas_metrics():\n"
        "    return [nas.MetricSpec('mood', 'points', 'maximize', 1, judge)]\n"
    )
    text = STUDY.replace('naswot = "maximize"', 'mood = "maximize"').replace("trials = 4", "trials = 8")
    (folder / "tiny.toml").write_text('plugins = ["moody.py"]\n' + text)
    storage = f"sqlite:///{folder}/nas.db"
    nas.run(folder / "tiny.toml", storage=storage)
    frame = nas.read_report("tiny", storage=storage)
    failed = frame[frame["outcome"] == "metric_error"]
    assert len(frame) == 8
    assert len(failed) > 0
    assert failed["message"].str.contains("no mood for conv").all()
    assert (frame["outcome"] == "ok").any()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trials = 4", "trails = 4", "study.trails: unknown key (did you mean 'trials'?)"),
        ('"mbconv"]', '"mbcov"]', "stages[0].block: unknown block 'mbcov' (did you mean 'mbconv'?)"),
        ("kernel = [3, 5]", "kernel = [3, 4]", "stages[0].kernel: block 'conv' refuses 4"),
        ("kernel = [3, 5]", "kernel = []", "stages[0].kernel: an empty list"),
        ("kernel = [3, 5]", "kernal = [3, 5]", "did you mean 'kernel'?"),
        ("shape = [1, 8, 8]", "shape = [1, 1, 8]", "too small"),
        ('params = "<= 50e3"', 'params = ["<= 5", ">= 10"]', "nothing can be >= 10 and <= 5"),
        ('params = "<= 50e3"', 'parms = "<= 5"', "constraints.parms: unknown column 'parms'"),
        ('params = "<= 50e3"', 'params = "<= nan"', "is not a bound"),
        ('naswot = "maximize"', 'naswot = "minimize"', "the other way round"),
        ("[objectives]", "[columns.arch]\nx = 1\n[objectives]", "fixed column"),
        ("[study]", 'plugins = ["absent.py"]\n[study]', "cannot read this plugin"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_writes_nothing(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "bad.toml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(nas.NasError) as caught:
        nas.run(folder / "bad.toml", storage=f"sqlite:///{folder}/nas.db")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 5
    assert not (folder / "nas.db").exists()


def test_a_mistake_exits_with_2_and_no_traceback(folder: Path) -> None:
    (folder / "bad.toml").write_text(STUDY.replace('"mbconv"]', '"mbcov"]'))
    told = command("run", "bad.toml", cwd=folder)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert "mbcov" in told.stderr


def test_ctrl_c_exits_with_130_and_the_printed_command_completes_the_study(folder: Path) -> None:
    (folder / "patient.py").write_text(
        "import time, nas\n"
        "def wait(context):\n"
        "    open('begun', 'a').close()\n"
        "    time.sleep(0.2)\n"
        "    return 1.0\n"
        "@nas.hookimpl\n"
        "def nas_metrics():\n"
        "    return [nas.MetricSpec('patience', 's', 'maximize', 1, wait)]\n"
    )
    (folder / "tiny.toml").write_text(STUDY.replace('naswot = "maximize"', 'patience = "maximize"'))
    words = ["run", "tiny.toml", "--trials", "30", "--plugin", "patient.py"]
    program = [sys.executable, "-c", "from nas.cli import main; main()"]
    running = subprocess.Popen([*program, *words], cwd=folder, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not (folder / "begun").exists():
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    told = running.communicate(timeout=60)[1]
    assert running.returncode == 130, told
    assert "nas run tiny.toml --storage sqlite:///nas.db --trials 30 --plugin patient.py" in told
    assert command(*words, cwd=folder).returncode == 0
    frame = nas.read_report("tiny", storage=f"sqlite:///{folder}/nas.db")
    assert list(frame["outcome"]).count("ok") == 30
    assert list(frame["outcome"]).count("interrupted") == len(frame) - 30


DEADLY = """
import os, signal, nas
def die(context):
    if not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.WHOM(), signal.SIGKILL)
    return 1.0
@nas.hookimpl
def nas_metrics():
    return [nas.MetricSpec("luck", "points", "maximize", 1, die)]
"""


def test_a_killed_run_is_recovered_and_its_candidate_tried_again(folder: Path) -> None:
    (folder / "deadly.py").write_text(DEADLY.replace("WHOM", "getppid"))
    (folder / "tiny.toml").write_text(STUDY.replace('naswot = "maximize"', 'luck = "maximize"'))
    words = ["run", "tiny.toml", "--plugin", "deadly.py"]
    assert command(*words, cwd=folder).returncode == -signal.SIGKILL
    assert command(*words, cwd=folder).returncode == 0
    frame = nas.read_report("tiny", storage=f"sqlite:///{folder}/nas.db")
    assert list(frame["outcome"]) == ["interrupted", "ok", "ok", "ok", "ok"]
    assert frame["arch_id"][0] == frame["arch_id"][1]


def test_a_metric_that_is_killed_is_tried_again_and_the_run_does_not_notice(folder: Path) -> None:
    (folder / "deadly.py").write_text(DEADLY.replace("WHOM", "getpid"))
    (folder / "tiny.toml").write_text(STUDY.replace('naswot = "maximize"', 'luck = "maximize"'))
    assert command("run", "tiny.toml", "--plugin", "deadly.py", cwd=folder).returncode == 0
    storage = f"sqlite:///{folder}/nas.db"
    assert list(nas.read_report("tiny", storage=storage)["outcome"]) == ["ok"] * 4


def test_another_space_under_the_same_name_is_refused(folder: Path) -> None:
    storage = f"sqlite:///{folder}/nas.db"
    nas.run(folder / "tiny.toml", trials=1, storage=storage)
    (folder / "tiny.toml").write_text(STUDY.replace("channels = [8, 12, 16]", "channels = [8, 12]"))
    with pytest.raises(nas.StudyDriftError, match=r"stages\[0\].channels"):
        nas.run(folder / "tiny.toml", trials=2, storage=storage)


def test_a_space_that_is_exhausted_ends_well(folder: Path) -> None:
    small = STUDY.replace('["conv", "mbconv"]', '"conv"').replace("[8, 12, 16]", "8").replace("trials = 4", "trials = 50")
    (folder / "tiny.toml").write_text(small)
    storage = f"sqlite:///{folder}/nas.db"
    nas.run(folder / "tiny.toml", storage=storage)
    assert len(nas.read_report("tiny", storage=storage)) == 4


def test_importing_nas_loads_no_torch() -> None:
    code = "import sys, nas, nas.cli.commands; print([m for m in ('torch', 'pandas', 'optuna', 'sqlalchemy') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.strip() == "[]"
