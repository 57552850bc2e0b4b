"""Every block at every place: what `check` accepts is built, runs, and gives (out_channels, ceil(H / stride)), or
(out_channels, H x stride) where it scales up.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.chain import scaled

NAMES = [
    *("conv", "pointwise", "depthwise", "depthwise_separable", "identity", "mbconv", "fused_mbconv"),
    *("basic", "bottleneck", "transposed_conv", "inception", "attention"),
]
HEIGHT, WIDTH = 19, 22  # larger than any padding drawn below, as reflected padding needs
VALUES = {
    "kernel": [1, 3, 5, 7, "1x7", "5x3", "3x3"],
    "expand": [0.25, 0.5, 1, 1.5, 2, 3],
    "se": [0, 0.1, 0.25, 0.5, 1, 2],
    "attention": ["se", "hard_se", "ese", "eca", "scse"],
    "act": [None, "silu", "relu", "relu6", "hardswish", "gelu", "mish", "leaky_relu", "identity"],
    "dilation": [1, 2, 3],
    "groups": [None, 1, 2, 3, 4],
    "bias": [False, True],
    "padding": ["same", 0, 1, 2, 3],
    "padding_mode": ["zeros", "reflect", "replicate", "circular"],
    "branches": ["1", "3,5", "1, 3 ,5", "1x7,7x1", "3x3,1"],
    "heads": [1, 2, 3, 4, 8],
}
WRONG = [None, True, 0, -1, 4, 2.7, float("nan"), "", "odd"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [(8, out, stride) for out in (8, 16, 24) for stride in (1, 2)])
@pytest.mark.parametrize("size", [(1, 1), (7, 8), (8, 5)])
def test_output_is_out_channels_by_the_size_over_or_times_the_stride(name, at, size, blocks, make, place):
    in_channels, out_channels, stride = at
    block = make(name, place(*at))
    height, width = (scaled(side, stride, blocks[name].scale) for side in size)
    assert block.eval()(torch.zeros(2, in_channels, *size)).shape == (2, out_channels, height, width)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("act", ["silu", "relu", "hardswish"])
def test_input_is_left_as_it_was(name, act, make, place):
    x = torch.randn(2, 8, 6, 6)
    before = x.clone()
    make(name, place(act=act)).train()(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_check_and_build_agree(name, data, blocks, place):
    spec = blocks[name]
    channels = st.integers(1, 12)
    io = place(data.draw(channels, "in"), data.draw(channels, "out"), data.draw(st.sampled_from([1, 2]), "stride"))
    params = {name: data.draw(st.sampled_from(VALUES[name]), name) for name in spec.params}
    if params and data.draw(st.integers(0, 3)) == 0:
        params[data.draw(st.sampled_from(sorted(params)))] = data.draw(st.sampled_from(WRONG), "wrong")
    refusal = spec.check(io, params)
    if refusal is not None:
        assert len(refusal) > 20
        return
    block = spec.build(io, **params).eval()
    shape = (2, io.out_channels, *(scaled(side, io.stride, spec.scale) for side in (HEIGHT, WIDTH)))
    assert block(torch.zeros(2, io.in_channels, HEIGHT, WIDTH)).shape == shape


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_canonical_parameters_build_the_same_network(name, data, blocks, place):
    spec = blocks[name]
    io = place(data.draw(st.sampled_from([4, 12])), 12, data.draw(st.sampled_from([1, 2])))
    params = {name: data.draw(st.sampled_from(VALUES[name]), name) for name in spec.params}
    if spec.check(io, params) is not None:
        return
    canonical = spec.complete(spec.canonical(io, params))
    assert spec.check(io, canonical) is None
    assert spec.complete(spec.canonical(io, canonical)) == canonical
    one, other = spec.build(io, **params).eval(), spec.build(io, **canonical).eval()
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, io.in_channels, HEIGHT, WIDTH)
    torch.testing.assert_close(one(x), other(x))
