"""Study files: TOML in, a frozen `StudySpec` out, and errors that name file, key, value and remedy.

What the file says is checked here as far as that needs no plugin. Whether the blocks exist and accept their choices
is asked by `nas.space` and `nas.search.preflight`.
"""

from __future__ import annotations

from nas.spec.reading import load_spec, parse_spec
from nas.spec.sections import SAMPLERS, Bound, ColumnSection, StageSection, StudySection, StudySpec

__all__ = ["SAMPLERS", "Bound", "ColumnSection", "StageSection", "StudySection", "StudySpec", "load_spec", "parse_spec"]
