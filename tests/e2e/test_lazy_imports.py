"""What is loaded before anything heavy is asked for: help is read, and reports are made, on machines that are busy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nas
from nas.spec import parse_spec

HEAVY = ("torch", "torchvision", "timm", "optuna", "scipy", "sklearn", "plotly", "fvcore", "onnxruntime", "openvino")
HELP = "from nas.cli.commands import app\ntry: app({words!r}, prog_name='nas')\nexcept SystemExit: pass\n"
MODULES_OF_HELP = 360
"""With one more command it may be some more; a hundred more are a library that a page of help does not need. rich and
typer alone are 200."""


def _loaded(code: str, folder: Path) -> list[str]:
    """The modules that a fresh process has loaded once it has run the code."""
    code += "\nimport sys\nprint('\\n', '\\n'.join(sys.modules), sep='')"
    told = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
    return told.rpartition("\n\n")[2].split()


def _heavy(modules: list[str], *more: str) -> set[str]:
    return {name.partition(".")[0] for name in modules} & {*HEAVY, *more}


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    modules = _loaded("import nas", tmp_path)
    assert "nas" in modules
    assert not _heavy(modules, "pandas", "numpy", "sqlalchemy", "pydantic", "rich", "typer")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["report", "--help"], ["bench", "--help"]])
def test_help_loads_nothing_heavy_and_few_modules(tmp_path: Path, words: list[str]) -> None:
    modules = _loaded(HELP.format(words=words), tmp_path)
    assert "nas.cli.run_command" in modules
    assert not _heavy(modules, "pandas", "numpy", "sqlalchemy")
    if words == ["--help"]:  # typer loads pydantic for the options of a command
        assert len(modules) <= MODULES_OF_HELP


def test_a_report_loads_no_torch_and_no_optuna(tmp_path: Path) -> None:
    spec = parse_spec({
        "study": {"name": "tiny", "trials": 2, "sampler": "random"}, "input": {"shape": [1, 8, 8], "classes": 10},
        "stages": [{"block": "conv", "channels": [8, 16]}], "objectives": {"params": "minimize"},
    })
    nas.run(spec, storage=f"sqlite:///{tmp_path / 'nas.db'}", observer=lambda told: None)
    modules = _loaded(HELP.format(words=["report", "tiny"]), tmp_path)
    assert "pandas" in modules
    assert not _heavy(modules)
