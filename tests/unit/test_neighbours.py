"""What a plugin imports from its own folder is part of what it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from nas.errors import PluginError
from nas.neighbours import neighbours


def written(folder: Path, **files: str) -> None:
    for name, content in files.items():
        file = folder / f"{name.replace('__in__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.mark.parametrize("source, found", [
    ("import sizes", ["sizes.py"]),
    ("from sizes import RATIO", ["sizes.py"]),
    ("def build(io):\n    import sizes", ["sizes.py"]),
    ("from shared import layers", ["shared/__init__.py", "shared/layers.py", "sizes.py"]),
    ("import shared.layers as own", ["shared/__init__.py", "shared/layers.py", "sizes.py"]),
    ("import torch, nas, math", []),
    ("import missing", []),
    ("this is no Python", []),
])
def test_imports_are_followed_within_the_folder(tmp_path: Path, source: str, found: list[str]) -> None:
    written(tmp_path, sizes="RATIO = 4", shared__in____init__="", shared__in__layers="from sizes import RATIO")
    assert list(neighbours(tmp_path / "plugin.py", source.encode())) == found


def test_relative_imports_are_of_the_package_that_they_stand_in(tmp_path: Path) -> None:
    written(tmp_path, own__in____init__="from . import cells", own__in__cells="from .sizes import A", own__in__sizes="A = 1",
            sizes="A = 2")
    assert list(neighbours(tmp_path / "plugin.py", b"import own")) == ["own/__init__.py", "own/cells.py", "own/sizes.py"]


def test_files_that_import_each_other_come_to_an_end(tmp_path: Path) -> None:
    written(tmp_path, one="import two, plugin", two="import one")
    assert list(neighbours(tmp_path / "plugin.py", b"import one")) == ["one.py", "two.py"]


def test_the_project_s_own_packages_are_none_wherever_the_plugin_lies(tmp_path: Path) -> None:
    written(tmp_path, nas__in____init__="", nas__in__blocks="")
    assert list(neighbours(tmp_path / "plugin.py", b"from nas import blocks")) == []


def test_a_change_that_this_process_cannot_follow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, sizes="RATIO = 4")
    before = neighbours(tmp_path / "plugin.py", b"import sizes")
    written(tmp_path, sizes="RATIO = 6")
    assert neighbours(tmp_path / "plugin.py", b"import sizes") != before, "nobody has imported it"
    module = ModuleType("sizes")
    module.__file__ = str(tmp_path / "sizes.py")
    monkeypatch.setitem(sys.modules, "sizes", module)
    written(tmp_path, sizes="RATIO = 8")
    with pytest.raises(PluginError, match=r"sizes.py: changed since this process imported it.*kernel, anew"):
        neighbours(tmp_path / "plugin.py", b"import sizes")
