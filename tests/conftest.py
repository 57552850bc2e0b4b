"""One thread: on shared cores two make the larger networks several times slower. And no deadlines of hypothesis: they
would measure the machine.
"""

from __future__ import annotations

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("nas", deadline=None)
settings.load_profile("nas")
