"""The files of a plugin's own folder that it leans on: found in the text of its imports, at every depth of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from nas.errors import PluginError

_OURS = frozenset({"nas", "nas_blocks", "nas_metrics", "nas_runtimes"})
_READ: dict[Path, bytes] = {}
"""Each neighbour as it was when this process first looked: Python keeps an imported module as it was then."""


def neighbours(path: Path, source: bytes) -> Mapping[str, bytes]:
    """Path within the plugin's folder -> content, of each file that the plugin imports from there, and that these do.

    What is installed, or lies outside the folder, is none.

    Raises:
        PluginError: one cannot be read, or is no longer what this process has imported.
    """
    folder = path.resolve().parent
    found: dict[Path, bytes] = {}
    waiting = [(path.resolve(), source)]
    while waiting:
        file, text = waiting.pop()
        for other in _imported(file, text, folder):
            if other not in found and other != path.resolve():
                found[other] = _read(other)
                waiting.append((other, found[other]))
    return {file.relative_to(folder).as_posix(): found[file] for file in sorted(found)}


def _imported(file: Path, source: bytes, folder: Path) -> Iterator[Path]:
    """The files of the folder that the imports of a source may mean, the packages that they lie in included."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # whoever imports it will say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(folder, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            root = file.parents[node.level - 1] if 0 < node.level <= len(file.parents) else folder
            module = node.module or ""
            names = [(root, f"{module}.{name.name}".strip(".")) for name in node.names]
        else:
            continue
        for root, name in names:
            parts = name.split(".")
            if root.is_relative_to(folder) and parts[0] not in _OURS:
                for depth in range(1, len(parts) + 1):
                    place = root.joinpath(*parts[:depth])
                    yield from (each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file())


def _read(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PluginError(f"{file}: cannot read this file, which a plugin imports: {error.strerror}") from None
    if _READ.setdefault(file, content) != content:
        places = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        if any(place and Path(str(place)).name == file.name and Path(str(place)).resolve() == file for place in places):
            raise PluginError(f"{file}: changed since this process imported it, and Python keeps what it has imported: "
                              "start the process, or the notebook's kernel, anew")
        _READ[file] = content
    return content
