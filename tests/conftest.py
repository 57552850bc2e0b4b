"""One thread: on shared cores two make the larger networks several times slower. And no deadlines of hypothesis: they
would measure the machine.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("nas", deadline=None)
settings.load_profile("nas")


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One after the other, where only what needs a GPU is asked for: two at once would time each other."""
    return 1 if config.option.markexpr == "gpu" else None
