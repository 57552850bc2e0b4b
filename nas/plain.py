"""Values as JSON knows them: what goes into a database, or over a pipe to another process."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

from nas.errors import StoreError


def plain(value: object) -> object:
    """`value` as JSON knows it: mappings as objects, tuples as lists, numpy scalars as numbers.

    JSON has no number for NaN and the infinities: they become the texts "nan", "inf" and "-inf".

    Raises:
        StoreError: there is something in it that is no plain value, such as an object of a plugin.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if callable(item := getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        return plain(item())
    raise StoreError(f"{value!r:.80} cannot be stored: a {type(value).__name__} is not text, number, list or mapping")


def dump(value: object, *, ordered: bool = False) -> str:
    """Strict JSON on one line; ASCII, so that no encoding can break it. `ordered`: by key, at every depth.

    Raises:
        StoreError: see `plain`.
    """
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":"), sort_keys=ordered)


def fingerprint(facts: Mapping[str, object]) -> str:
    """12 hex digits that are equal for equal facts, whatever the order of their keys.

    Raises:
        StoreError: see `plain`.
    """
    return hashlib.sha256(dump(facts, ordered=True).encode()).hexdigest()[:12]
