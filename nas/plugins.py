"""Finds plugins, loads them, and asks each for its blocks, metrics and runtimes.

One road for everyone: an entry point in group `nas`, or a local file. The built-in blocks come by entry point too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from nas import hookspecs
from nas.blocks import BlockRegistry
from nas.errors import PluginError, nearest
from nas.metrics import MetricRegistry
from nas.registry import Origin, Registry
from nas.runtimes import RuntimeRegistry

GROUP = "nas"
HOOKS = ("nas_blocks", "nas_metrics", "nas_runtimes")


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded, and why. Fatal only where a study needs what it would have brought."""

    place: str
    cause: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}"


@dataclass(frozen=True)
class Plugins:
    """Everything that plugins registered."""

    blocks: BlockRegistry = field(default_factory=BlockRegistry)
    metrics: MetricRegistry = field(default_factory=MetricRegistry)
    runtimes: RuntimeRegistry = field(default_factory=RuntimeRegistry)
    broken: tuple[Broken, ...] = ()

    def hint(self) -> str:
        """What to add to "unknown block ...": the plugins that did not load, or an empty string."""
        return "".join(f"\nA plugin did not load: {broken}" for broken in self.broken)


def load_plugins(files: Sequence[str | Path] = (), entry_points: bool = True) -> Plugins:
    """The plugins that are installed, and those of local `files`.

    `NAS_DISABLE_PLUGINS` in the environment names, separated by commas, distributions or entry points to leave out;
    `all` leaves out every one that is not built in.

    Raises:
        PluginError: a local file does not load; two plugins register one name; a plugin breaks the contract.
    """
    paths = tuple(str(Path(file).expanduser().resolve()) for file in files)
    return _load(paths, entry_points, os.environ.get("NAS_DISABLE_PLUGINS", ""))


@functools.lru_cache(maxsize=64)
def _load(paths: tuple[str, ...], entry_points: bool, disabled: str) -> Plugins:
    blocks, metrics, runtimes = BlockRegistry(), MetricRegistry(), RuntimeRegistry()
    registries: dict[str, Registry[Any]] = dict(zip(HOOKS, (blocks, metrics, runtimes), strict=True))
    broken = []
    for point in sorted(_entry_points(disabled, entry_points), key=lambda point: (not _built_in(point), point.name)):
        dist = point.dist
        place = f"{dist.name} {dist.version}: {point.value}" if dist else point.value
        try:
            module = point.load()
        except Exception as error:  # noqa: BLE001  # a stranger's module may raise anything
            broken.append(Broken(place, f"{type(error).__name__}: {error}"))
            continue
        _register(module, Origin(place, _digest_of_package(module)), registries)
    for path in dict.fromkeys(paths):
        module, digest = _load_file(Path(path))
        _register(module, Origin(path, digest), registries)
    return Plugins(blocks, metrics, runtimes, tuple(broken))


def _built_in(point: importlib.metadata.EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "stagenas"


def _entry_points(disabled: str, wanted: bool) -> list[importlib.metadata.EntryPoint]:
    names = {name.strip() for name in disabled.split(",") if name.strip()}
    found = []
    for point in importlib.metadata.entry_points(group=GROUP):
        own_names = {point.name, point.dist.name if point.dist else ""}
        if _built_in(point):
            left_out = bool(names & {point.name})
        else:
            left_out = not wanted or "all" in names or bool(names & own_names)
        if not left_out:
            found.append(point)
    if not any(_built_in(point) for point in found) and not names:
        raise PluginError("the built-in blocks are not installed: run `pip install -e .` in the project again")
    return found


def _load_file(path: Path) -> tuple[ModuleType, str]:
    """Executes a local plugin file under a module name of its own."""
    if path.is_dir():
        raise PluginError(f"{path}: a plugin is a Python file, this is a directory")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path}: cannot read this plugin: {error.strerror}") from None
    digest = hashlib.sha256(source).hexdigest()[:12]
    name = f"nas_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{digest}"
    if name in sys.modules:
        return sys.modules[name], digest
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: a plugin is a Python file, its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it is executed: dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a stranger's module may raise anything
        del sys.modules[name]
        raise PluginError(f"{path}: this plugin does not import: {type(error).__name__}: {error}") from error
    return module, digest


def _digest_of_package(module: ModuleType) -> str:
    """Of all Python files beside the module, since a block may share its layers with its neighbours."""
    file = Path(module.__file__ or "")
    package = "." in module.__name__ or file.name == "__init__.py"
    sources = sorted(file.parent.rglob("*.py")) if package else [file]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.relative_to(file.parent).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def _register(module: ModuleType, origin: Origin, registries: Mapping[str, Registry[Any]]) -> None:
    manager = pluggy.PluginManager("nas")
    manager.add_hookspecs(hookspecs)
    hooks = [name for name in dir(module) if getattr(getattr(module, name), "nas_impl", None)]
    for name in hooks:
        if name not in HOOKS:
            hooks_are = ", ".join(HOOKS)
            raise PluginError(f"{origin}: there is no hook '{name}'{nearest(name, HOOKS)}; hooks are {hooks_are}")
    if not hooks:
        raise PluginError(f"{origin}: not a plugin: no function in it is marked with @nas.hookimpl\n"
                          f"A plugin has {' or '.join(HOOKS)}, see plugins/README.md.")
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{origin}: {error}") from None
    for name in hooks:
        for spec in _specs(module, name, origin):
            registries[name].add(spec, origin)


def _specs(module: ModuleType, hook: str, origin: Origin) -> Iterable[object]:
    try:
        specs = getattr(module, hook)()
        if specs is None or isinstance(specs, str | bytes) or not isinstance(specs, Iterable):
            raise PluginError(f"{origin}: {hook} must return a list of specs, got {type(specs).__name__}")
        return list(specs)
    except PluginError:
        raise
    except Exception as error:  # a stranger's hook may raise anything
        raise PluginError(f"{origin}: {hook} raises {type(error).__name__}: {error}") from error
