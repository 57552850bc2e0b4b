"""A word in a log where a device is waited for: minutes may pass, and nothing else says that the program lives."""

from __future__ import annotations

import threading
from collections.abc import Callable

WAITING = "waiting for the device"
"""How what is being done ends, as long as somebody else measures."""
AFTER_S = 10.0


class Patience:
    """Says once a wait that it lasts. Its thread sleeps until then, so that it takes no core from what is timed."""

    def __init__(self, say: Callable[[str], None], after_s: float = AFTER_S) -> None:
        self._say, self._after_s = say, after_s
        self._timer: threading.Timer | None = None

    def hear(self, doing: str) -> None:
        """This is being done from now on."""
        self.end()
        if doing.endswith(WAITING):
            self._timer = threading.Timer(self._after_s, self._say, [f"{doing}, which another process measures on"])
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
