"""Finds plugins, loads them, and asks each for its blocks, metrics and runtimes.

One road for everyone: an entry point in group `nas`, or a local file. The built-in blocks come by entry point too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import SourceLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from nas import hookspecs
from nas.blocks import BlockRegistry
from nas.choices import shown
from nas.errors import PluginError, nearest
from nas.metrics import MetricRegistry
from nas.neighbours import neighbours
from nas.registry import Origin, Registry
from nas.runtimes import RuntimeRegistry

log = logging.getLogger("nas")

GROUP = "nas"
HOOKS = ("nas_blocks", "nas_metrics", "nas_runtimes")
_ANYTHING = (Exception, SystemExit)
"""What a stranger's module may raise, `sys.exit()` at its end among it; not Ctrl-C, which is its caller's."""


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded, and why. Fatal only where a study needs what it would have brought."""

    place: str
    cause: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}"


@dataclass(frozen=True)
class Plugins:
    """Everything that plugins registered; `files` and `entry_points` tell `load_plugins` how to do so once more."""

    blocks: BlockRegistry = field(default_factory=BlockRegistry)
    metrics: MetricRegistry = field(default_factory=MetricRegistry)
    runtimes: RuntimeRegistry = field(default_factory=RuntimeRegistry)
    broken: tuple[Broken, ...] = ()
    left_out: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    entry_points: bool = True

    def hint(self) -> str:
        """What to add to "unknown block ...": the plugins that did not load or were left out, or an empty string."""
        told = "".join(f"\nA plugin did not load: {broken}" for broken in self.broken)
        if self.left_out:
            told += f"\nLeft out by --no-plugins or NAS_DISABLE_PLUGINS: {', '.join(self.left_out)}"
        return told


def load_plugins(files: Sequence[str | Path] = (), entry_points: bool = True) -> Plugins:
    """The plugins that are installed, and those of local `files`.

    `NAS_DISABLE_PLUGINS` in the environment names, separated by commas, distributions or entry points to leave out;
    `all` leaves out every one that is not built in. A local file that was edited since is executed again.

    Raises:
        PluginError: `files` is no list of files; a local file does not load; two plugins register one name; a plugin
            breaks the contract.
    """
    paths = _paths(files)
    sources = tuple((path, _read(Path(path))) for path in dict.fromkeys(paths))
    return _load(sources, entry_points, os.environ.get("NAS_DISABLE_PLUGINS", ""))


def _paths(files: object) -> tuple[str, ...]:
    if isinstance(files, str | bytes | os.PathLike) or not isinstance(files, Iterable):
        raise PluginError(f"plugins: give a list of plugin files, such as [\"blocks.py\"], got {shown(files)}")
    found = []
    for file in files:
        try:
            found.append(str(Path(file).expanduser().resolve()))
        except (TypeError, ValueError, RuntimeError, OSError) as error:  # no text, no such user, ...
            raise PluginError(f"plugins: {shown(file)} is no path of a plugin file: {error}") from None
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _load(sources: tuple[tuple[str, bytes], ...], entry_points: bool, disabled: str) -> Plugins:
    blocks, metrics, runtimes = BlockRegistry(), MetricRegistry(), RuntimeRegistry()
    registries: dict[str, Registry[Any]] = dict(zip(HOOKS, (blocks, metrics, runtimes), strict=True))
    broken = []
    points, left_out = _entry_points(disabled, entry_points)
    for point in sorted(points, key=lambda point: (not _built_in(point), point.name)):
        dist = point.dist
        place = f"{dist.name} {dist.version}: {point.value}" if dist else point.value
        try:
            module = point.load()
        except _ANYTHING as error:
            broken.append(Broken(place, f"{type(error).__name__}: {error}"))
            continue
        if not isinstance(module, ModuleType):
            raise PluginError(f"{place}: the entry point '{point.name}' must name a module that has hooks, not "
                              f"a {type(module).__name__}")
        try:
            _register(module, Origin(place, _digest_of_package(module)), registries)
        except PluginError as error:
            if _built_in(point) or "NAS_DISABLE_PLUGINS" in str(error):
                raise
            raise PluginError(f"{error}\nUninstall its package, or leave it out with NAS_DISABLE_PLUGINS={point.name}."
                              ) from None
    for path, source in sources:
        module, digest = _load_file(Path(path), source)
        _register(module, Origin(path, digest), registries)
    files = tuple(path for path, _ in sources)
    return Plugins(blocks, metrics, runtimes, tuple(broken), tuple(left_out), files, entry_points)


def _built_in(point: importlib.metadata.EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "stagenas"


def _entry_points(disabled: str, wanted: bool) -> tuple[list[importlib.metadata.EntryPoint], list[str]]:
    """The entry points that are wanted, and the names of those that are left out."""
    names = {_plain(name) for name in disabled.split(",") if name.strip()}
    unmatched = names - {"all"}
    found, without = [], []
    for point in importlib.metadata.entry_points(group=GROUP):
        own_names = {_plain(point.name), _plain(point.dist.name if point.dist else "")}
        if _built_in(point):
            left_out = _plain(point.name) in names
        else:
            left_out = not wanted or "all" in names or bool(names & own_names)
        unmatched -= own_names
        if left_out:
            without.append(f"{point.name} ({point.dist.name})" if point.dist else point.name)
        else:
            found.append(point)
    if not any(_built_in(point) for point in found) and not names:
        raise PluginError("the built-in blocks are not installed: run `pip install -e .` in the project again")
    for name in sorted(unmatched):
        log.warning("NAS_DISABLE_PLUGINS: no installed plugin is named '%s'", name)
    return found, without


def _plain(name: str) -> str:
    """As package indexes compare names: Nas_ShuffleNet is nas-shufflenet."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise PluginError(f"{path}: a plugin is a Python file, this is a directory")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path}: cannot read this plugin: {error.strerror}") from None


def _load_file(path: Path, source: bytes) -> tuple[ModuleType, str]:
    """Executes a local plugin file under a module name of its own.

    What is executed is `source` itself and no cached byte code, which could be that of an earlier edit: Python tells
    two edits of one second and one length by nothing.
    """
    digest = hashlib.sha256(source).hexdigest()[:12]
    name = f"nas_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{digest}"
    if name in sys.modules:
        return sys.modules[name], _with_neighbours(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, SourceLoader):
        raise PluginError(f"{path}: a plugin is a Python file, its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it is executed: dataclasses and pickles look their module up
    try:
        exec(spec.loader.source_to_code(source, str(path)), vars(module))
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, _ANYTHING):
            raise
        raise PluginError(f"{path}: this plugin does not import: {type(error).__name__}: {error}") from error
    return module, _with_neighbours(path, source)


def _with_neighbours(path: Path, source: bytes) -> str:
    """The digest of a plugin file and of what it imports from its folder."""
    digest = hashlib.sha256(source).hexdigest()[:12]
    parts = [name.encode() + b"\0" + content for name, content in neighbours(path, source).items()]
    return hashlib.sha256(b"\0".join([digest.encode(), *parts])).hexdigest()[:12] if parts else digest


def _digest_of_package(module: ModuleType) -> str:
    """Of all Python files of the module's package, since a block may share its layers with its neighbours."""
    digest = hashlib.sha256()
    if module.__file__ is None:
        return digest.hexdigest()[:12]
    file = Path(module.__file__)
    package, root = "." in module.__name__ or file.name == "__init__.py", file.parent
    while package and (root.parent / "__init__.py").exists():
        root = root.parent
    for source in sorted(root.rglob("*.py")) if package else [file]:
        digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def _register(module: ModuleType, origin: Origin, registries: Mapping[str, Registry[Any]]) -> None:
    manager = pluggy.PluginManager("nas")
    manager.add_hookspecs(hookspecs)
    functions = {name: value for name, value in vars(module).items() if inspect.isroutine(value)}
    hooks = [name for name, function in functions.items() if isinstance(getattr(function, "nas_impl", None), dict)]
    for name in hooks:
        if name not in HOOKS:
            hooks_are = ", ".join(HOOKS)
            raise PluginError(f"{origin}: there is no hook '{name}'{nearest(name, HOOKS)}; hooks are {hooks_are}")
    if not hooks:
        raise PluginError(f"{origin}: not a plugin: no function in it is marked with @nas.hookimpl\n"
                          f"A plugin has {' or '.join(HOOKS)}, see plugins/README.md.")
    for name in HOOKS:
        if name in functions and name not in hooks:
            raise PluginError(f"{origin}: '{name}' is not marked with @nas.hookimpl, and so would not be called")
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
    except _ANYTHING as error:
        raise PluginError(f"{origin}: {hook} raises {type(error).__name__}: {error}") from error
