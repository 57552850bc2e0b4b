"""A space in which stages can be left out, blocks refuse, choices collapse and inputs are too small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.cost.table import CostTable
from nas.plugins import load_plugins
from nas.search.costaware.decoder import Decoder
from nas.search.costaware.networks import Codes
from nas.space import SearchSpace
from nas.spec import parse_spec

WIDE: dict[str, Any] = {
    "study": {"name": "wide"},
    "input": {"shape": [3, 16, 16], "resolution": [4, 16, 24], "classes": 10},
    "network": {
        "act": ["relu", "silu"], "drop_path": [0.0, 0.1], "stem": {"channels": [8, 12], "stride": [1, 2]},
        "head": {"channels": [0, 32], "dropout": [0.0, 0.2]},
    },
    "stages": [
        {"block": ["mbconv", "depthwise"], "repeats": [1, 2], "channels": [8, 16], "stride": [1, 2], "kernel": [3, 5],
         "mbconv": {"expand": [1, 3], "se": [0, 0.25], "attention": ["se", "eca"]}},
        {"block": ["conv", "identity"], "repeats": [0, 1, 3], "channels": [8, 16], "kernel": [3, "1x5"]},
        {"block": ["conv", "identity"], "channels": 16, "kernel": 3},
        {"block": ["conv", "identity"], "channels": 16, "kernel": 3},
        {"block": ["conv", "identity"], "channels": 16, "kernel": 3},
    ],
    "objectives": {"params": "minimize"},
}


@pytest.fixture(scope="session")
def decoder_of() -> Callable[..., Decoder]:
    """Makes the decoder of the space with other sections."""
    def make(**changes: Any) -> Decoder:
        return Decoder(SearchSpace(parse_spec(WIDE | changes), load_plugins().blocks), CostTable())

    return make


@pytest.fixture(scope="session")
def wide() -> dict[str, Any]:
    """The sections of the space."""
    return WIDE


@pytest.fixture(scope="session")
def decoder(decoder_of: Callable[..., Decoder]) -> Decoder:
    """Of the space as it is."""
    return decoder_of()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def nobody(decoder: Decoder) -> Codes:
    """No choices at all."""
    return np.zeros((0, len(decoder.choices)), dtype=np.int32)
