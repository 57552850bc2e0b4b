"""Reports as text, one renderer a format. A new format is one new file in `nas/report/formats`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from nas.errors import SpecError, nearest

if TYPE_CHECKING:
    from nas.report.report import Report


@dataclass(frozen=True)
class Format:
    """How a report is written.

    Attributes:
        name: what `--format` calls it.
        suffix: of its files, with the dot.
        render: the file's content.
    """

    name: str
    suffix: str
    render: Callable[[Report], str | bytes]


@cache
def formats() -> Mapping[str, Format]:
    """Every format by name: the `FORMAT` of each module in `nas.report.formats`."""
    from nas.report import formats as home

    found: dict[str, Format] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(home.__path__)):
        named: Format = importlib.import_module(f"{home.__name__}.{module}").FORMAT
        if named.name in found:
            raise SpecError(f"two report formats are named '{named.name}', one of them in {module}")
        found[named.name] = named
    return found


def render(report: Report, name: str) -> str | bytes:
    """The report in the format of this name.

    Raises:
        SpecError: there is no such format.
    """
    known = formats()
    if name not in known:
        raise SpecError(f"unknown report format '{name}'{nearest(name, known)}; there are {', '.join(known)}")
    return known[name].render(report)
