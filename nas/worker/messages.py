"""What a worker and its owner say to each other: one JSON object a line.

The owner sends `{"id": number, "job": "package.module:function", "arguments": {...}, "cwd": ..., "path": [...]}`. The
worker answers any number of `{"phase": name, "limit_s": seconds or null}` and `{"told": value}`, and then one of
`{"answer": value}` and `{"failed": text, "outcome": word}`, each with the `id` of what it was asked: a line without it
was said by somebody else, by a network that has forked or written into the pipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]

IDLE_S = 120.0
"""A worker that nobody has asked for anything for this long ends by itself."""


def line_of(message: Message) -> bytes:
    """A message as a line. Not a number and the infinities pass, since Python reads them back.

    Raises:
        TypeError: there is something in it that JSON does not know.
    """
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True)
class Tell:
    """How a job speaks while it runs."""

    send: Callable[[Message], None]

    def phase(self, name: str, limit_s: float | None = None) -> None:
        """A new phase begins: whoever waits kills the worker if it lasts longer than `limit_s` (None: never)."""
        self.send({"phase": name, "limit_s": limit_s})

    def report(self, value: object) -> None:
        """Something that the owner wants to hear before the answer."""
        self.send({"told": value})


Job = Callable[[Mapping[str, Any], Tell], object]
"""What a worker can be asked for: plain values in, plain values out. What it raises becomes an outcome."""
