"""What bad input gets on the command line: exit code 2, a few lines that name file, key, value and remedy, no traceback,
and nothing written.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nas
from nas.cli import main

STUDY = """
[study]
name = "tiny"
trials = 1
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
channels = [8, 12]
stride = 2
kernel = [3, 5]
[objectives]
naswot = "maximize"
macs = "minimize"
[constraints]
params = "<= 50e3"
"""

PLUGIN = """
import torch
from torch import nn
import nas

class Odd(nn.Module):
    def __init__(self, io):
        super().__init__()
        self.conv = nn.Conv2d(io.in_channels, io.out_channels, 1, io.stride)
    def forward(self, x):
        return FORWARD

def build(io, size=1):
    BUILD
    return Odd(io)

def check(io, params):
    CHECK

@nas.hookimpl
def nas_blocks():
    return [nas.BlockSpec("odd", 1, build, PARAMS, check=check)]
"""


def plugin(build: str = "pass", forward: str = "self.conv(x)", check: str = "return None", params: str = "{}") -> str:
    return PLUGIN.replace("BUILD", build).replace("FORWARD", forward).replace("CHECK", check).replace("PARAMS", params)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Exit code and standard error of `nas WORDS`, in this process."""
    monkeypatch.setattr(sys, "argv", ["nas", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err


def contents(folder: Path) -> dict[str, bytes | list[str]]:
    """Of every file: its bytes, or of a database of ours all that stands in it, since opening one counts in its header."""
    found: dict[str, bytes | list[str]] = {}
    for path in folder.rglob("*"):
        if path.name == "nas.db" and path.stat().st_size:
            database = sqlite3.connect(path)
            found[path.name] = list(database.iterdump())
            database.close()
        elif path.is_file() and "__pycache__" not in path.parts:
            found[path.name] = path.read_bytes()
    return found


class Refused:
    """Runs `nas` and holds it to what every mistake of the user's gets."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._capsys, self._monkeypatch, self.folder = capsys, monkeypatch, folder

    def __call__(self, *words: str, said: tuple[str, ...]) -> str:
        before = contents(self.folder)
        code, text = told(self._capsys, self._monkeypatch, *words)
        message = text.strip()
        assert code == 2, message
        assert "Traceback" not in message
        assert 1 <= len(message.splitlines()) <= 5, message
        assert all(len(line) <= 400 for line in message.splitlines()), message
        assert all(character.isprintable() or character == "\n" for character in message)
        for part in said:
            assert part in message
        assert contents(self.folder) == before
        return message

    def study(self, text: str, *said: str) -> str:
        (self.folder / "bad.toml").write_text(text)
        return self("run", "bad.toml", said=("bad.toml", *said))

    def changed(self, old: str, new: str, *said: str) -> str:
        assert old in STUDY
        return self.study(STUDY.replace(old, new, 1), *said)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Refused:
    return Refused(capsys, monkeypatch, folder)


STAGE = "kernel = [3, 5]"
CHANGES = {
    # unknown keys, at each level
    "unknown key at the top": ("[study]", "color = 1\n[study]", "color: unknown key"),
    "unknown table": ("[objectives]", "[objectivs]\nx = 1\n[objectives]", "objectivs: unknown key (did you mean 'objectives'?)"),
    "unknown key of study": ("trials = 1", "trails = 1", "study.trails: unknown key (did you mean 'trials'?)"),
    "unknown key of input": ("classes = 10", "clases = 10", "input.clases: unknown key (did you mean 'classes'?)"),
    "unknown key of network": ("drop_path", "droppath", "network.droppath: unknown key (did you mean 'drop_path'?)"),
    "unknown key of stem": ("channels = 8, stride", "chanels = 8, stride", "network.stem.chanels: unknown key (did you mean 'channels'?)"),
    "unknown key of head": ("dropout", "dropuot", "network.head.dropuot: unknown key (did you mean 'dropout'?)"),
    "unknown key of norm": ("drop_path = 0.0", "norm = { epsilon = 1 }", "network.norm.epsilon: unknown key"),
    "unknown key of a stage": (STAGE, "kernal = 3", "stages[0].kernal: none of the blocks conv, mbconv has", "did you mean 'kernel'?"),
    "unknown key of a block's table": (STAGE, "mbconv = { kernal = 3 }", "stages[0].mbconv.kernal", "did you mean 'kernel'?"),
    "table of a block that is not there": (STAGE, "mbcon = { kernel = 3 }", "stages[0].mbcon", "did you mean 'mbconv'?"),
    "unknown option of a column": ("[objectives]", "[columns.naswot]\nbatchsize = 4\n[objectives]", "columns.naswot.batchsize", "did you mean 'batch_size'?"),
    "required key missing": ("channels = [8, 12]\n", "", "stages[0].channels: missing"),
    # blocks and their choices
    "unknown block": ('"mbconv"]', '"mbcov"]', "stages[0].block: unknown block 'mbcov' (did you mean 'mbconv'?)"),
    "block that is a number": ('["conv", "mbconv"]', "3", "stages[0].block", "unknown block"),
    "even kernel": (STAGE, "kernel = 4", "stages[0].kernel: block 'conv' refuses 4", "odd"),
    "even kernel as third choice": (STAGE, "kernel = [3, 5, 4]", "stages[0].kernel: block 'conv' refuses 4"),
    "rectangular kernel with an even side": (STAGE, 'kernel = ["3x3", "1x4"]', "stages[0].kernel", "1x4"),
    "groups that do not divide": (STAGE, "conv = { groups = 3 }", "stages[0].conv.groups: block 'conv' refuses 3", "does not divide"),
    "groups of which one does not divide": (STAGE, "conv = { groups = [2, 3] }", "stages[0].conv.groups: block 'conv' refuses 3"),
    "expand of 0, single": (STAGE, "mbconv = { expand = 0 }", "stages[0].mbconv.expand: block 'mbconv' refuses 0"),
    "activation as second choice": (STAGE, 'act = ["relu", "rleu"]', "stages[0].act: block 'conv' refuses 'rleu'", "did you mean 'relu'?"),
    "network activation": ("drop_path = 0.0", 'act = "rleu"', "network.act: unknown activation 'rleu' (did you mean 'relu'?)"),
    "network activation as second choice": ("drop_path = 0.0", 'act = ["silu", "rleu"]', "network.act: unknown activation 'rleu'"),
    "stem activation as second choice": ("stride = 1 }", 'stride = 1, act = ["silu", "x"] }', "network.stem.act: unknown activation 'x'"),
    "head activation": ("dropout = 0.0", 'act = 3', "network.head.act: unknown activation 3"),
    "attention kind": (STAGE, 'mbconv = { se = 0.25, attention = ["se", "esse"] }', "stages[0].mbconv.attention", "did you mean"),
    "squeeze of no channel": (STAGE, "mbconv = { se = 0.01 }", "stages[0].mbconv.se", "squeeze of 0 channels"),
    "empty list": (STAGE, "kernel = []", "stages[0].kernel: an empty list"),
    "empty list of blocks": ('["conv", "mbconv"]', "[]", "stages[0].block: an empty list"),
    "empty list in a block's table": (STAGE, "conv = { groups = [] }", "stages[0].conv.groups: an empty list"),
    "empty list of channels": ("channels = [8, 12]", "channels = []", "stages[0].channels: an empty list"),
    "empty list of bounds": ('"<= 50e3"', "[]", "constraints.params: an empty list"),
    "choice given twice": (STAGE, "kernel = [3, 3.0]", "stages[0].kernel: 3 is listed twice"),
    "depthwise that cannot reach its channels": ('["conv", "mbconv"]', '"depthwise"', "stages[0].channels: block 'depthwise' refuses 12", "depthwise_separable"),
    "no stages": ("[[stages]]", "[[stage]]", "stages: a study needs at least one [[stages]] table"),
    "a stage left out that changes channels": ("repeats = [1, 2]\nchannels = [8, 12]\nstride = 2", "repeats = [0, 1]\nchannels = 12", "stages[0].repeats: 0 leaves the stage out"),
    "a stage left out at stride 2": ("repeats = [1, 2]", "repeats = [0, 1]", "stages[0].repeats", "stride of 2 forbids"),
    # sizes
    "input too small": ("shape = [1, 8, 8]", "shape = [1, 1, 8]", "input.shape", "shorter side is 1", "multiply to at least 2"),
    "one resolution too small": ("classes = 10", "classes = 10\nresolution = [8, 1]", "input.resolution: 1 leaves no network"),
    "a stride too many": ("shape = [1, 8, 8]", "shape = [1, 1, 1]", "input.shape", "larger input"),
    "a resolution for an input that is not square": ("shape = [1, 8, 8]", "shape = [1, 8, 9]\nresolution = [8]", "input.resolution", "[1, 8, 9]"),
    "more than 10 G parameters": ("channels = [8, 12]", "channels = 1_000_000", "stages[0]", "10,000,000,000"),
    "more than 10 G parameters in the head": ("channels = 16", "channels = 1_000_000, hidden = 1_000_000", "head", "10,000,000,000"),
    # columns
    "contradictory constraints": ('"<= 50e3"', '["<= 5", ">= 10"]', "constraints.params: nothing can be >= 10 and <= 5"),
    "the same bound twice": ('"<= 50e3"', '["<= 5", "<= 5.0"]', "constraints.params: a bound is given twice"),
    "constraint on an unknown column": ('params = "<= 50e3"', 'parms = "<= 5"', "constraints.parms: unknown column 'parms' (did you mean 'params'?)"),
    "objective of an unknown column": ('naswot = "maximize"', 'naswat = "maximize"', "objectives.naswat", "did you mean 'naswot'?"),
    "unknown metric of a column": ("[objectives]", '[columns.fast]\nmetric = "latency"\n[objectives]', "columns.fast: unknown column 'latency'", "latency_ms"),
    "NaN bound": ('"<= 50e3"', '"<= nan"', "constraints.params: '<= nan' is not a bound"),
    "infinite bound": ('"<= 50e3"', '"<= inf"', "constraints.params: '<= inf' is not a bound"),
    "negative bound": ('"<= 50e3"', '"<= -1"', "constraints.params: '<= -1' is not a bound"),
    "bound without an operator": ('"<= 50e3"', '"50e3"', "constraints.params: '50e3' is not a bound", "<= x"),
    "strict bound": ('"<= 50e3"', '"< 50e3"', "constraints.params: '< 50e3' is not a bound"),
    "bound that is a number": ('"<= 50e3"', "50e3", "constraints.params"),
    "second bound is broken": ('"<= 50e3"', '["<= 50e3", ">= x"]', "constraints.params: '>= x' is not a bound"),
    "objective against its metric": ('naswot = "maximize"', 'naswot = "minimize"', "objectives.naswot", "the other way round", '"maximize"'),
    "cost to be maximised": ('macs = "minimize"', 'macs = "maximize"', "objectives.macs", '"minimize"'),
    "direction of no meaning": ('macs = "minimize"', 'macs = "down"', "objectives.macs", "'down'"),
    "no objectives": ('naswot = "maximize"\nmacs = "minimize"', "", "objectives"),
    "column named like a fixed one": ("[objectives]", "[columns.arch]\nx = 1\n[objectives]", "columns.arch", "fixed column"),
    "objective that is a fixed column": ("[objectives]", '[objectives]\nduration_s = "minimize"', "objectives.duration_s"),
    "column of a bad name": ("[objectives]", '[columns."Fast!"]\nmetric = "naswot"\n[objectives]', "lower case letters"),
    "option that is a date": ("[objectives]", "[columns.naswot]\nbatch_size = 2020-01-01\n[objectives]", "columns.naswot.batch_size"),
    # ranges and words of the sections
    "unknown sampler": ('"random"', '"tpee"', "study.sampler: unknown sampler 'tpee' (did you mean 'tpe'?)"),
    "trials of 0": ("trials = 1", "trials = 0", "study.trials", "got 0"),
    "trials negative": ("trials = 1", "trials = -3", "study.trials", "got -3"),
    "seed negative": ("trials = 1", "seed = -1", "study.seed", "got -1"),
    "study name with a slash": ('"tiny"', '"a/b"', "study.name", "'a/b'"),
    "study name empty": ('"tiny"', '""', "study.name"),
    "norm eps of 0": ("drop_path = 0.0", "norm = { eps = 0.0 }", "network.norm.eps must be a number from 1e-12 to 1"),
    "norm momentum above 1": ("drop_path = 0.0", "norm = { momentum = 1.5 }", "network.norm.momentum", "1.5"),
    "drop_path of 1": ("drop_path = 0.0", "drop_path = 1.0", "network.drop_path: a rate is a number from 0 to 0.999, got 1"),
    "drop_path negative, second choice": ("drop_path = 0.0", "drop_path = [0.1, -0.1]", "network.drop_path", "-0.1"),
    "stem kernel even, second choice": ("stride = 1 }", "stride = 1, kernel = [3, 2] }", "network.stem.kernel", "odd", "2"),
    "stem stride of 3": ("stride = 1 }", "stride = [1, 3] }", "network.stem.stride", "3"),
    "stem channels of 0": ("channels = 8,", "channels = 0,", "network.stem.channels", "0"),
    "stem pool of a number": ("stride = 1 }", "stride = 1, pool = [false, 1] }", "network.stem.pool: it is true or false, got 1"),
    "head dropout above 1, second choice": ("dropout = 0.0", "dropout = [0.1, 1.5]", "network.head.dropout", "1.5"),
    "head channels negative": ("channels = 16", "channels = -1", "network.head.channels", "-1"),
    "head hidden of text": ("channels = 16", 'hidden = "x"', "network.head.hidden", "'x'"),
    "resolution of 0": ("classes = 10", "classes = 10\nresolution = [0]", "input.resolution", "0"),
    "shape of two": ("[1, 8, 8]", "[8, 8]", "input.shape"),
    "shape with 0": ("[1, 8, 8]", "[1, 0, 8]", "input.shape", "[1, 0, 8]"),
    "classes of 0": ("classes = 10", "classes = 0", "input.classes", "got 0"),
    "repeats of 2000": ("repeats = [1, 2]", "repeats = [1, 2000]", "stages[0].repeats", "2000"),
    "stage stride of 4": ("stride = 2", "stride = [2, 4]", "stages[0].stride", "4"),
    # wrong types
    "text for a number": ("trials = 1", 'trials = "1"', "study.trials", "'1'"),
    "bool for a number": ("trials = 1", "trials = true", "study.trials", "True"),
    "float for channels": ("channels = [8, 12]", "channels = [8, 12.5]", "stages[0].channels", "12.5"),
    "bool for channels": ("channels = [8, 12]", "channels = true", "stages[0].channels"),
    "nested list": (STAGE, "kernel = [[3, 5]]", "stages[0].kernel", "list"),
    "date for a kernel": (STAGE, "kernel = 2020-01-01", "stages[0].kernel", "date"),
    "NaN for a parameter": (STAGE, "mbconv = { expand = [4, nan] }", "stages[0].mbconv.expand", "nan is not a finite number"),
    "table for channels": ("channels = [8, 12]", "channels = { a = 1 }", "stages[0].channels", "dict"),
    "a table for a stage's stride": ("stride = 2", "stride = { a = 1 }", "stages[0].stride"),
    "table too deep": (STAGE, "mbconv = { kernel = { a = 1 } }", "stages[0].mbconv.kernel", "dict"),
    "list for a section": ('[network]\nstem = { channels = 8, stride = 1 }', '[network]\nstem = [1]', "network.stem", "[1]"),
    "huge integer": ("channels = [8, 12]", "channels = " + "9" * 400, "stages[0].channels", "bits"),
    "integer of more digits than Python reads": ("channels = [8, 12]", "channels = " + "9" * 5000, "not valid TOML", "digits"),
    "long text": ('"mbconv"]', f'"{"m" * 5000}"]', "stages[0].block: unknown block"),
    "escape sequence": ('"mbconv"]', r'"\u001b[31m"]', "stages[0].block", r"\x1b"),
    # TOML
    "syntax": ("[study]", "[study", "not valid TOML", "line 2"),
    "duplicate key": ("trials = 1", "trials = 1\ntrials = 2", "not valid TOML", "line"),
    "duplicate table": ("[objectives]", "[study]\n[objectives]", "not valid TOML"),
    "lists nested too deep": ("[study]", "x = " + "[" * 5000 + "]" * 5000 + "\n[study]", "not valid TOML", "nested"),
    "plugins that are no texts": ("[study]", "plugins = [3]\n[study]", "plugins"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_mistake_in_a_study_file_names_file_key_value_and_remedy(refused: Refused, change: tuple[str, ...]) -> None:
    refused.changed(*change)


OPTIONS = {
    "accuracy": {
        "data unknown": ('data = "digit"', "did you mean 'digits'?"),
        "folder missing": ('data = "folder:absent"', "there is no such folder"),
        "folder without a path": ('data = "folder:"', "names no path"),
        "npz missing": ('data = "npz:absent.npz"', "there is no such file"),
        "npz broken": ('data = "npz:broken.npz"', "it is no NumPy archive"),
        "npz a folder": ('data = "npz:."', "this is a folder"),
        "npz without labels": ('data = "npz:unlabelled.npz"', "no array y"),
        "data of other classes": ('data = "npz:two.npz"', "2 classes"),
        "data a number": ("data = 3", "data = 3 must be a text"),
        "epochs of 0": ("epochs = 0", "epochs = 0 must be a number above 0"),
        "epochs huge": ("epochs = " + "9" * 400, "bits must be a number"),
        "batch of 1": ("batch_size = 1", "batch_size = 1 must be a whole number from 2"),
        "learning rate a text": ('learning_rate = "fast"', "learning_rate = 'fast'"),
        "weight decay negative": ("weight_decay = -1", "weight_decay = -1"),
        "threads too many": ("threads = 1_000_000_000_000", "threads = 1000000000000"),
        "device": ('device = "tpu"', "device = 'tpu'"),
        "max_seconds a bool": ("max_seconds = true", "max_seconds = True"),
    },
    "latency_ms": {
        "unknown option": ("warmup = 1", "has no option 'warmup'"),
        "dtype": ('dtype = "float8"', "dtype = 'float8'"),
        "runtime": ('runtime = "egaer"', "did you mean 'eager'?"),
        "batch of 0": ("batch = 0", "batch = 0"),
        "threads of 0": ("threads = 0", "threads = 0"),
        "memory format": ('memory_format = "nhwc"', "memory_format = 'nhwc'"),
        "fuse a number": ("fuse = 1", "fuse = 1: give true or false"),
        "target of 0": ("target = 0", "target = 0"),
        "max_seconds infinite": ("max_seconds = inf", "finite"),
        "max_samples a text": ('max_samples = "9"', "max_samples = '9'"),
        "device": ('device = "cudo"', "did you mean 'cuda'?"),
        "device that is not here": ('device = "cuda:99"', "cuda:99"),
    },
    "naswot": {
        "data unknown": ('data = "noisy"', "noisy"),
        "batch of 1": ("batch_size = 1", "batch_size = 1"),
        "batch larger than the data": ('data = "digits"\nbatch_size = 60000', "batch_size = 60000"),
        "device": ('device = "tpu"', "device = 'tpu'"),
    },
    "phi_score": {
        "repeats of 0": ("repeats = 0", "repeats = 0 must be a whole number from 1"),
        "data unknown": ('data = "noisy"', "noisy"),
    },
}
OPTION_CASES = [
    pytest.param(column, line, said, id=f"{column}: {name}")
    for column, cases in OPTIONS.items() for name, (line, said) in cases.items()
]


@pytest.mark.parametrize(("column", "line", "said"), OPTION_CASES)
def test_a_wrong_option_names_its_column(refused: Refused, column: str, line: str, said: str) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8)
    np.savez(refused.folder / "two.npz", x=images, y=np.arange(20) % 2)
    np.savez(refused.folder / "unlabelled.npz", x=images)
    (refused.folder / "broken.npz").write_bytes(b"PK\x03\x04 but no more")
    refused.changed("[objectives]", f"[columns.{column}]\n{line}\n[objectives]", f"columns.{column}", said)


PLUGINS = {
    "raises in build": (plugin(build="raise ValueError('no such thing')"), "stages[0].block", "8x8x8 to 8x4x4", "its build raises ValueError: no such thing"),
    "raises in forward": (plugin(forward="x.shout()"), "stages[0].block", "stride 2: 8x8x8 to 8x4x4", "its forward"),
    "wrong channels": (plugin(forward="torch.cat([self.conv(x)] * 2, 1)"), "stages[0].block", "(2, 8, 4, 4), got (2, 16, 4, 4)"),
    "wrong size": (plugin(forward="x"), "stages[0].stride: block 'odd' refuses 2", "stages[0] (odd), block 0", "(2, 8, 4, 4), got (2, 8, 8, 8)"),
    "returns a tuple": (plugin(forward="(self.conv(x), x)"), "stages[0].block", "must return one tensor, got tuple"),
    "refuses everything": (plugin(check="return 'not today'"), "stages[0].block", "not today"),
    "raises in check": (plugin(check="return params['absent']"), "stages[0].block", "its check raises KeyError"),
    "fails with one of its own choices": (plugin(build="1 // (2 - size)", params="{'size': (1, 2)}"), "stages[0].block", "size = 2", "ZeroDivisionError"),
    "raises in canonical": (plugin().replace("check=check", "canonical=lambda io, params: params['absent']"), "stages[0]", "its canonical raises KeyError"),
    "raises in noop": (plugin().replace("check=check", "noop=lambda io, params: params['absent']"), "its noop raises KeyError"),
    "does not import": ("import absent_module", "plugin.py", "does not import", "absent_module"),
    "is not Python": ("this is no Python", "plugin.py", "SyntaxError"),
    "calls sys.exit": ("import sys; sys.exit(0)", "plugin.py", "does not import", "SystemExit"),
    "has no hook": ("x = 1", "plugin.py", "no function in it is marked with @nas.hookimpl"),
    "misspells a hook": (plugin().replace("def nas_blocks", "def nas_block"), "plugin.py", "there is no hook 'nas_block' (did you mean 'nas_blocks'?)"),
    "returns no specs": ("import nas\n@nas.hookimpl\ndef nas_blocks():\n    return 3", "plugin.py", "must return a list of specs, got int"),
    "has a choice of a wrong type": (plugin(params="{'size': ((1, 2),)}"), "plugin.py", "parameter 'size'", "tuple"),
    "has the name of a built-in": (plugin().replace('"odd"', '"conv"'), "two plugins have a block named 'conv'", "plugin.py", "NAS_DISABLE_PLUGINS"),
    "has two blocks of one name": (plugin().replace("check=check)]", "check=check)] * 2"), "two", "'odd'"),
}


@pytest.mark.parametrize("case", PLUGINS.values(), ids=PLUGINS.keys())
def test_a_plugin_that_breaks_the_contract_is_named(refused: Refused, case: tuple[str, ...]) -> None:
    (refused.folder / "plugin.py").write_text(case[0])
    text = STUDY.replace('["conv", "mbconv"]', '"odd"').replace("kernel = [3, 5]\n", "")
    (refused.folder / "bad.toml").write_text('plugins = ["plugin.py"]\n' + text)
    refused("run", "bad.toml", said=case[1:])


def test_a_space_of_rare_networks_is_not_refused_by_chance(folder: Path) -> None:
    """One network in 4,096 can be built; no draw of a handful would meet it."""
    (folder / "plugin.py").write_text(plugin(check="return None if io.in_channels == io.out_channels else 'keep the channels'"))
    stage = '[[stages]]\nblock = "odd"\nchannels = [8, 9, 10, 11, 12, 13, 14, 15]\n'
    head, tail = STUDY[:STUDY.index("[[stages]]")], STUDY[STUDY.index("[objectives]"):]
    (folder / "rare.toml").write_text('plugins = ["plugin.py"]\n' + head + 4 * stage + tail)
    from nas.search.prepare import prepare

    with pytest.raises(nas.SpecError, match=r"stages\[0\].channels: block 'odd' refuses 9: keep the channels"):
        prepare(folder / "rare.toml")
    stem = head.replace("channels = 8", "channels = [8, 9, 10, 11, 12, 13, 14, 15]")
    (folder / "rare.toml").write_text('plugins = ["plugin.py"]\n' + stem + 4 * stage + tail)
    assert prepare(folder / "rare.toml").space.size == 8**5


def test_stages_that_each_can_be_but_never_together_are_refused(refused: Refused) -> None:
    widen = plugin(check="return None if (io.in_channels, io.out_channels) in {(8, 8), (9, 10), (10, 10)} else 'not these'")
    (refused.folder / "plugin.py").write_text(widen)
    stages = '[[stages]]\nblock = "odd"\nchannels = [8]\n[[stages]]\nblock = "conv"\nchannels = 9\n[[stages]]\nblock = "odd"\nchannels = 8\n'
    head, tail = STUDY[:STUDY.index("[[stages]]")], STUDY[STUDY.index("[objectives]"):]
    refused.study('plugins = ["plugin.py"]\n' + head + stages + tail, "stages[2]", "not these")


FILES = {
    "study missing": (("run", "absent.toml"), "absent.toml: there is no such study file"),
    "study a directory": (("run", "a_folder"), "a_folder: a study is a TOML file, this is a directory"),
    "study behind a file": (("run", "good.toml/x.toml"), "good.toml/x.toml: cannot read this study file"),
    "study empty": (("run", "empty"), "empty: stages: a study needs at least one [[stages]] table"),
    "study binary": (("run", "binary"), "binary: a study is a TOML file in UTF-8"),
    "plugin missing": (("run", "good.toml", "--plugin", "absent.py"), "absent.py: cannot read this plugin"),
    "plugin a directory": (("run", "good.toml", "--plugin", "a_folder"), "a_folder: a plugin is a Python file, this is a directory"),
    "plugin not Python": (("run", "good.toml", "--plugin", "text.txt"), "text.txt"),
    "database a text file": (("run", "good.toml", "--storage", "sqlite:///text.txt"), "text.txt: not a SQLite database"),
    "database of another program": (("run", "good.toml", "--storage", "sqlite:///other.db"), "other.db: another program's database", "songs"),
    "database a directory": (("run", "good.toml", "--storage", "sqlite:///a_folder"), "a_folder: a database is a file, this is a directory"),
    "database in a missing folder": (("run", "good.toml", "--storage", "sqlite:///absent/nas.db"), "the folder", "does not exist"),
    "database behind a file": (("run", "good.toml", "--storage", "sqlite:///text.txt/nas.db"), "is a file, not a folder"),
    "database in /proc": (("run", "good.toml", "--storage", "sqlite:////proc/nas.db"), "/proc/nas.db"),
    "database a device": (("run", "good.toml", "--storage", "sqlite:////dev/null"), "/dev/null: a database is a regular file"),
    "storage of another dialect": (("run", "good.toml", "--storage", "mysql://user:secret@host/db"), "storage mysql://...", "sqlite:///nas.db"),
    "storage without a scheme": (("run", "good.toml", "--storage", "nas.db"), "storage 'nas.db' is no URL", "sqlite:///nas.db"),
    "storage with a slash too few": (("run", "good.toml", "--storage", "sqlite://nas.db"), "sqlite:///nas.db"),
    "storage in memory": (("run", "good.toml", "--storage", "sqlite:///:memory:"), "not in memory"),
    "storage empty": (("run", "good.toml", "--storage", ""), "is no URL"),
    "device unknown": (("run", "good.toml", "--device", "tpu"), "tpu"),
    "device unknown where no column has one": (("run", "costs.toml", "--device", "tpu"), "tpu"),
    "device that is not here": (("run", "good.toml", "--device", "cuda:99"), "cuda:99"),
    "trials of 0": (("run", "good.toml", "--trials", "0"), "--trials"),
    "trials negative": (("run", "good.toml", "--trials", "-1"), "--trials"),
    "report without a database": (("report", "tiny"), "nas.db: there is no database here"),
    "report of a text file": (("report", "tiny", "--storage", "sqlite:///text.txt"), "not a SQLite database"),
    "format unknown": (("report", "tiny", "--format", "cvs"), "--format: unknown format 'cvs' (did you mean 'csv'?)"),
}


@pytest.mark.parametrize("case", FILES.values(), ids=FILES.keys())
def test_a_wrong_file_or_option_of_the_command_is_named(refused: Refused, case: tuple[tuple[str, ...], str]) -> None:
    folder = refused.folder
    (folder / "good.toml").write_text(STUDY)
    (folder / "costs.toml").write_text(STUDY.replace('naswot = "maximize"\n', ""))
    (folder / "a_folder").mkdir()
    (folder / "empty").touch()
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "text.txt").write_text("hello")
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()
    refused(*case[0], said=case[1:])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with the study `tiny` in it, one trial long."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.toml").write_text(STUDY)
    nas.run(folder / "tiny.toml", storage=f"sqlite:///{folder}/nas.db")
    return (folder / "nas.db").read_bytes()


DRIFTS = {
    "space": ("channels = [8, 12]", "channels = [8, 16]", "stages[0].channels"),
    "objectives": ('macs = "minimize"', 'params = "minimize"', "objectives"),
    "constraints": ("<= 50e3", "<= 60e3", "constraints.params"),
    "columns": ("[objectives]", "[columns.naswot]\nbatch_size = 8\n[objectives]", "columns.naswot"),
    "input": ("shape = [1, 8, 8]", "shape = [1, 9, 9]", "input.shape"),
    "network": ("drop_path = 0.0", "drop_path = 0.1", "network.drop_path"),
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS.keys())
def test_a_study_resumed_with_another_one_is_refused(refused: Refused, finished: bytes, drift: tuple[str, ...]) -> None:
    (refused.folder / "nas.db").write_bytes(finished)
    refused.changed(*drift, "study 'tiny' was created with another", "another name")


REPORTS = {
    "study unknown": (("report", "tinny"), "tinny", "did you mean 'tiny'?"),
    "out a directory": (("report", "tiny", "--format", "csv", "--out", "."), "--out: cannot write"),
    "out in a missing folder": (("report", "tiny", "--format", "json", "--out", "absent/x.json"), "--out: cannot write absent/x.json"),
    "page in a missing folder": (("report", "tiny", "--format", "md", "--out", "absent/x.md"), "cannot write absent/x.md"),
    "page a directory": (("report", "tiny", "--format", "md", "--out", "."), "this is a directory"),
    "out in /proc": (("report", "tiny", "--format", "csv", "--out", "/proc/x.csv"), "--out: cannot write /proc/x.csv"),
}


@pytest.mark.parametrize("case", REPORTS.values(), ids=REPORTS.keys())
def test_a_report_that_cannot_be_made_says_why(refused: Refused, finished: bytes, case: tuple[tuple[str, ...], str]) -> None:
    (refused.folder / "nas.db").write_bytes(finished)
    refused(*case[0], said=case[1:])


def test_a_choice_of_a_stride_that_the_input_never_bears_is_named(refused: Refused) -> None:
    text = STUDY.replace("[1, 8, 8]", "[1, 2, 2]").replace("stride = 1 }", "stride = [1, 2] }")
    refused.study(text, "network.stem.stride: 2 leaves no network", "shorter side is 2", "multiply to at least 4")


def test_an_empty_file_is_a_new_database(folder: Path) -> None:
    (folder / "tiny.toml").write_text(STUDY)
    (folder / "nas.db").touch()
    nas.run(folder / "tiny.toml")
    assert len(nas.read_report("tiny", storage="sqlite:///nas.db")) == 1


@pytest.mark.parametrize("words", [("run", "bad.toml"), ("run", "absent.toml"), ("report", "tiny")], ids=" ".join)
def test_the_real_command_exits_with_2_and_says_why(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "bad.toml").write_text(STUDY.replace('"mbconv"]', '"mbcov"]'))
    program = [sys.executable, "-c", "from nas.cli import main; main()", *words]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.strip()
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 5
    assert not (folder / "nas.db").exists()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("torchvision:\x1b[31mresnet18", r"torchvision:\x1b[31mresnet18: torchvision.models has no network"),
        ("ir_r1_\x1b[31m", r"\x1b[31m: not a token"),
        ("resnet\x1b[31m34", r"unknown network 'resnet\x1b[31m34' (did you mean 'resnet34'?)"),
    ],
)
def test_control_characters_of_a_network_s_name_do_not_reach_the_terminal(refused: Refused, network: str, said: str) -> None:
    refused("show", network, said=(said,))
