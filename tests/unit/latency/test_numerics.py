"""A worker computes float32 as the process does that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nas.latency.numerics import compute_as, numerics


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = numerics()
    yield
    compute_as(before)


def test_what_was_set_is_told_and_can_be_set_elsewhere() -> None:
    before = numerics()
    assert before["cudnn_benchmark"] is False
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    changed = numerics()
    assert changed == {"matmul_precision": "medium", "cudnn_benchmark": True, "cudnn_tf32": False}
    compute_as(before)
    assert numerics() == before
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    compute_as(changed)
    assert torch.backends.cudnn.conv.fp32_precision == "none", "convolutions are computed in float32 itself"
    assert numerics() == changed
    assert torch.get_float32_matmul_precision() == "medium", "torch would refuse, had both of its interfaces been used"


def test_nothing_told_changes_nothing() -> None:
    before = numerics()
    compute_as({})
    assert numerics() == before
