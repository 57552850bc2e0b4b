"""How values become texts in the database: strict JSON, and text that every database can hold."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from nas.errors import StoreError
from nas.plain import dump


def clean(text: str) -> str:
    """Text without what a database refuses: lone surrogates (from file names) and NUL, both written out instead."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


class JsonText(TypeDecorator[Any]):
    """A column of JSON in a Text, the same on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else dump(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """From the database."""
        if value is None:
            return None
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            raise StoreError(f"the database is damaged: {value!r:.60} should be JSON") from None


class CleanText(TypeDecorator[str]):
    """A column of text that others wrote: messages, names, architectures."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else clean(value)
