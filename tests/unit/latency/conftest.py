"""What the tests of the measuring room share: a clock that only moves when told, and the eager runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

import nas
import nas_runtimes.eager

Seconds = float | Iterable[float]


class FakeClock:
    """A clock that stands still until something advances it."""

    def __init__(self) -> None:
        self.now_ns = 0

    def ns(self) -> int:
        return self.now_ns

    def seconds(self) -> float:
        return self.now_ns / 1e9

    def call(self, seconds: Seconds, log: list[str] | None = None, name: str = "") -> Callable[[], None]:
        """A call that takes this long, or each time as long as the next of these; it writes its name into `log`."""
        durations: Iterator[float] | None = None if isinstance(seconds, float) else iter(seconds)

        def call() -> None:
            now = seconds if durations is None else next(durations)
            assert isinstance(now, float)
            self.now_ns += round(now * 1e9)
            if log is not None:
                log.append(name)

        return call


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def eager() -> nas.RuntimeSpec:
    [spec] = nas_runtimes.eager.nas_runtimes()
    return spec
