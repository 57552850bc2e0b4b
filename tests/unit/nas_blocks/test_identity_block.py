"""identity: nothing where shapes allow it, else the least that changes them."""

from __future__ import annotations

import pytest
import torch
from torch import nn


def test_nothing_at_stride_1_and_equal_channels(blocks, make, place):
    assert isinstance(make("identity", place(8, 8)), nn.Identity)
    assert blocks["identity"].noop(place(8, 8), {}) is True


@pytest.mark.parametrize(("out", "stride"), [(8, 2), (16, 1), (16, 2)])
def test_otherwise_a_strided_1x1_convolution_and_norm(out, stride, blocks, make, place):
    io = place(8, out, stride)
    block = make("identity", io)
    assert blocks["identity"].noop(io, {}) is False
    assert [name for name, _ in block.named_children()] == ["conv", "norm"]
    assert sum(weight.numel() for weight in block.parameters()) == 8 * out + 2 * out
    assert block(torch.zeros(2, 8, 7, 7)).shape == (2, out, -(-7 // stride), -(-7 // stride))
