"""How well latency is predicted on a published table: `python -m tests.benchmarks.ofa_latency --data PATH`.

The table, `ofa5000_help_latency.csv` of HayeonLee/HELP, has 5,000 networks of the Once-for-All MobileNetV3 space with
their milliseconds on several GPUs. Some of them train the model, all others judge it.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.cost.count import count_blocks
from nas.cost.table import CostTable
from nas.latency.features import Network
from nas.plugins import load_plugins

WIDTHS = (24, 40, 80, 112, 160)
STRIDES = (2, 2, 2, 1, 2)
ACTS = ("relu", "relu", "hardswish", "hardswish", "hardswish")
EXCITED = (False, True, False, True, True)
LAYERS = 4
"""A stage has so many layers, of which the first `d` are used."""


def architecture(kernels: str, expansions: str, depths: str, side: int) -> Architecture:
    """A row of the table: 20 kernels, 20 expansions, 5 depths, and the resolution.

    Once-for-All's MobileNetV3-Large of width 1.0 (Cai et al. 2020, arXiv:1908.09791).
    """
    stages = [Stage("mbconv", 1, 1, 16, 1, {"kernel": 3, "expand": 1, "act": "relu"})]
    before = 16
    for stage, (width, stride, act, excited) in enumerate(zip(WIDTHS, STRIDES, ACTS, EXCITED, strict=True)):
        for layer in range(int(depths[stage])):
            place = stage * LAYERS + layer
            expand = int(expansions[place])
            excite = {"se": expand / 4, "attention": "hard_se"} if excited else {}
            params = {"kernel": int(kernels[place]), "expand": expand, "act": act, **excite}
            stages.append(Stage("mbconv", 1, 1, width, 1 if layer else stride, params))
            before = width
    return Architecture(
        (3, side, side), tuple(stages), Stem(channels=16, act="hardswish"),
        Head(channels=960, hidden=1280, dropout=0.1, act="hardswish"), act="hardswish", norm=Norm(1e-5, 0.1),
        drop_path=0.0,
    )
