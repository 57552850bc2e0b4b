"""What several runtimes check before a study starts."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from typing import Any

import nas


def missing(modules: Iterable[str], extra: str) -> str | None:
    """Why a module cannot be imported, with the extra that brings it, or None."""
    for name in modules:
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed; pip install 'stagenas[{extra}]'"
    return None


def unusable(module: str, extra: str) -> str | None:
    """Why a module that is installed cannot be imported all the same, or None."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  # a broken installation raises whatever it likes
        said = (str(error).strip() or "no message").splitlines()[0]
        return (f"{module} cannot be imported: {type(error).__name__}: {said}; "
                f"pip install --force-reinstall 'stagenas[{extra}]'")
    return None


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Distribution -> its version, of those that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def multiplies_in_tf32() -> bool:
    """Whether torch convolves float32 in TF32 on CUDA, as the other libraries are told to do too."""
    import torch

    backends: Any = torch.backends  # of which not everything is typed
    return bool(backends.cudnn.conv.fp32_precision == "tf32")


def own_layout(options: nas.RuntimeOptions) -> str | None:
    """Why a runtime that is handed a graph, and decides itself how to fold and lay it out, refuses the conditions."""
    if options.memory_format != "contiguous":
        return f"memory_format = '{options.memory_format}': it lays out memory itself; give contiguous"
    if not options.fuse:
        return "fuse = false: it folds batch norm itself, whatever it is handed; give true"
    return None
