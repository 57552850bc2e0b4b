"""One thread: on shared cores two make the larger networks several times slower."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
