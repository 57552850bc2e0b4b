"""How many CPU threads a training takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas.choices import shown
from nas.errors import SpecError

if TYPE_CHECKING:
    from nas.train.data.dataset import Shape

SMALL = 32 * 32
"""Pixels up to which one thread is taken."""
MOST = 1024
"""Threads that can be asked for."""


def find_threads(option: object, shape: Shape) -> int | None:
    """The threads that an option `threads` asks for; None leaves torch's own number.

    "auto" takes one thread for inputs of up to 32 x 32 pixels. Their operations are so short that two threads gain
    little; and where another process holds a core, threads that wait for each other spin: a training of 2 s then
    took 48 s. One thread also sums in the same order on every machine.

    Raises:
        SpecError: it is neither "auto" nor a whole number from 1 to 1024.
    """
    if option == "auto":
        return 1 if shape[1] * shape[2] <= SMALL else None
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= MOST:
        raise SpecError(f'threads = {shown(option)} must be "auto" or a whole number from 1 to {MOST}')
    return option


@contextlib.contextmanager
def limited_to(threads: int | None) -> Iterator[None]:
    """Runs with this many threads, and sets torch's number back afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
