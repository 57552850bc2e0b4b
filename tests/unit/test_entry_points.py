"""The entry points of pyproject.toml, the plugin files and the installed metadata say the same; every hook is told."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import tomllib
from pathlib import Path

import pytest

from nas import hookspecs
from nas.plugins import GROUP, HOOKS, load_plugins

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED: dict[str, str] = PROJECT["entry-points"][GROUP]


def is_hookimpl(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called) in ("nas.hookimpl", "hookimpl")


def hooks_of(file: Path) -> list[str]:
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if any(map(is_hookimpl, function.decorator_list))]


FILES = {
    ".".join(file.relative_to(PLUGINS).with_suffix("").parts): file
    for file in sorted(PLUGINS.glob("nas_*/**/*.py")) if hooks_of(file)
}


def test_every_plugin_file_has_an_entry_point_and_every_entry_point_a_file() -> None:
    assert sorted(DECLARED.values()) == sorted(FILES)


@pytest.mark.parametrize("name", DECLARED)
def test_an_entry_point_is_named_like_its_file(name: str) -> None:
    assert DECLARED[name].rsplit(".", 1)[1] == name


def test_what_is_installed_is_what_pyproject_declares() -> None:
    points = importlib.metadata.distribution(PROJECT["name"]).entry_points.select(group=GROUP)
    installed = {point.name: point.value for point in points}
    assert installed == DECLARED, "the installed metadata is not that of pyproject.toml: re-run `pip install -e .`"


def test_every_entry_point_loads_and_registers_something() -> None:
    loaded = load_plugins(entry_points=False)
    assert loaded.broken == ()
    registries = (loaded.blocks, loaded.metrics, loaded.runtimes)
    modules = {known.origin(name).place.rsplit(": ", 1)[1] for known in registries for name in known}
    assert modules == set(DECLARED.values())


def test_the_hooks_are_those_of_hookspecs() -> None:
    assert set(HOOKS) == {name for name, value in vars(hookspecs).items() if getattr(value, "nas_spec", None)}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_typed(hook: str) -> None:
    function = getattr(hookspecs, hook)
    assert inspect.getdoc(function)
    assert "return" in function.__annotations__


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_shown_in_the_plugin_readme(hook: str) -> None:
    assert f"@nas.hookimpl\ndef {hook}():" in (PLUGINS / "README.md").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_implementation_among_the_built_in_plugins_and_tests_of_them(hook: str) -> None:
    implementing = [module for module, file in FILES.items() if hook in hooks_of(file)]
    assert implementing
    folders = {module.split(".")[0] for module in implementing}
    assert folders == {hook}, "a folder is named like the hook that its files implement"
    assert list((ROOT / "tests" / "unit" / hook).glob("test_*.py"))
