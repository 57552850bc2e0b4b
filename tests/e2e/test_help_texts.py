"""The help texts that the READMEs show are those that the program prints."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parents[1]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("help_texts", TESTS / "help_texts.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


help_texts = load()


def words(page: str) -> list[str]:
    """A page without what another version of typer may draw in another way: frames and spaces."""
    return re.sub("[╭╮╰╯─│]+", " ", page).split()


@pytest.mark.parametrize("page", help_texts.PAGES)
def test_the_help_texts_of_a_page_are_up_to_date(page: str) -> None:
    text = (help_texts.ROOT / page).read_text()
    assert words(help_texts.refreshed(text)) == words(text), "run python tests/help_texts.py"


def test_every_command_stands_in_some_page() -> None:
    pages = "".join((help_texts.ROOT / page).read_text() for page in help_texts.PAGES)
    commands = sorted(file.stem.removesuffix("_command") for file in (TESTS.parent / "nas/cli").glob("*_command.py"))
    missing = [name for name in commands if f"<!-- nas {name} --help -->" not in pages]
    assert commands
    assert not missing
