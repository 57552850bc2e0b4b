"""What a convolution is, in the layers that the blocks are made of: tests that are also its documentation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import convolve2d, correlate2d
from torch import Tensor, nn
from torch.nn import functional

import nas

Make = Callable[..., nn.Module]
Place = Callable[..., nas.BlockIO]
Pair = tuple[Tensor, nn.Conv2d]


@pytest.fixture
def layer(make: Make, place: Place) -> Callable[..., nn.Conv2d]:
    """The convolution of block `conv`, with random weights."""

    def made(in_channels: int = 1, out_channels: int = 1, stride: int = 1, **params: object) -> nn.Conv2d:
        block = make("conv", place(in_channels, out_channels, stride), **params)
        convolution = block.get_submodule("conv")
        assert isinstance(convolution, nn.Conv2d)
        return convolution.double().requires_grad_(False)

    return made


def image(channels: int = 1, height: int = 9, width: int = 11, batch: int = 1) -> Tensor:
    return torch.randn(batch, channels, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def as_array(x: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = x.numpy()
    return array


# A convolution layer is cross-correlation.


def test_it_is_a_cross_correlation(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, x = layer(kernel=3), image()
    expected = correlate2d(as_array(x[0, 0]), as_array(convolution.weight[0, 0]), mode="same")
    np.testing.assert_allclose(as_array(convolution(x)[0, 0]), expected, atol=1e-12)


def test_it_is_a_convolution_with_the_kernel_flipped(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, x = layer(kernel=5), image()
    flipped = as_array(convolution.weight[0, 0])[::-1, ::-1]
    expected = convolve2d(as_array(x[0, 0]), flipped, mode="same")
    np.testing.assert_allclose(as_array(convolution(x)[0, 0]), expected, atol=1e-12)


def test_channels_that_come_in_are_summed_up(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, x = layer(3, 2, kernel=3), image(3)
    expected = sum(
        correlate2d(as_array(x[0, channel]), as_array(convolution.weight[1, channel]), mode="same") for channel in range(3)
    )
    np.testing.assert_allclose(as_array(convolution(x)[0, 1]), expected, atol=1e-12)


# Its weights are (out, in / groups, height, width).


@pytest.mark.parametrize(
    ("out", "params", "shape"),
    [
        (16, {"kernel": 3}, (16, 8, 3, 3)),
        (16, {"kernel": "1x7"}, (16, 8, 1, 7)),
        (16, {"kernel": 3, "groups": 4}, (16, 2, 3, 3)),
        (8, {"kernel": 3, "groups": 8}, (8, 1, 3, 3)),
        (16, {"kernel": 3, "dilation": 2}, (16, 8, 3, 3)),
    ],
)
def test_the_shape_of_its_weights(
    layer: Callable[..., nn.Conv2d], out: int, params: dict[str, object], shape: tuple[int, ...]
) -> None:
    assert layer(8, out, **params).weight.shape == shape


def test_groups_see_their_own_channels_alone(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, x = layer(4, 4, kernel=3, groups=2), image(4)
    changed = x.clone()
    changed[:, 2:] = 0
    assert torch.equal(convolution(x)[:, :2], convolution(changed)[:, :2])
    assert not torch.allclose(convolution(x)[:, 2:], convolution(changed)[:, 2:])


@pytest.mark.parametrize(("out", "groups", "said"), [(8, 3, "the 8 input channels"), (12, 8, "the 12 output channels")])
def test_groups_must_divide_both_numbers_of_channels(blocks, place: Place, out: int, groups: int, said: str) -> None:
    conv = blocks["conv"]
    assert said in conv.check(place(8, out), conv.complete({"groups": groups}))


# Fixed kernels are filters.

BOX = torch.full((3, 3), 1 / 9)
LAPLACIAN = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
SHARPENING = torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])


def gains(layer: Callable[..., nn.Conv2d], kernel: Tensor) -> tuple[float, float]:
    """How much of the constant and of the fastest frequency a filter lets through: of the spectrum of its response to
    one bright pixel.
    """
    convolution = layer(kernel=3, padding_mode="circular")
    convolution.weight[0, 0] = kernel
    pixel = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    pixel[0, 0, 4, 4] = 1
    spectrum = torch.fft.fft2(convolution(pixel)[0, 0]).abs()
    return float(spectrum[0, 0]), float(spectrum[4, 4])


def test_a_box_blur_keeps_the_low_frequencies(layer: Callable[..., nn.Conv2d]) -> None:
    low, high = gains(layer, BOX)
    assert low == pytest.approx(1)
    assert high == pytest.approx(1 / 9)


def test_a_laplacian_keeps_the_edges(layer: Callable[..., nn.Conv2d]) -> None:
    low, high = gains(layer, LAPLACIAN)
    assert low == pytest.approx(0, abs=1e-12)
    assert high == pytest.approx(8)


def test_a_sharpening_kernel_keeps_both_and_raises_the_edges(layer: Callable[..., nn.Conv2d]) -> None:
    low, high = gains(layer, SHARPENING)
    assert low == pytest.approx(1)
    assert high == pytest.approx(9)


# On spectrograms a 1 x k kernel runs over frequency.


def test_a_1xk_kernel_on_one_channel_is_conv1d_along_frequency(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, spectrogram = layer(1, 4, kernel="1x7"), image(1, height=20, width=33, batch=2)  # (batch, 1, frames, bins)
    frames = spectrogram.transpose(1, 2).reshape(2 * 20, 1, 33)
    expected = functional.conv1d(frames, convolution.weight[:, :, 0], padding=3).reshape(2, 20, 4, 33).transpose(1, 2)
    torch.testing.assert_close(convolution(spectrogram), expected)


def test_with_frames_as_channels_a_1xk_kernel_is_conv1d_that_mixes_the_frames(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, frames = layer(20, 4, kernel="1x7"), image(20, height=1, width=33, batch=2)  # (batch, frames, 1, bins)
    expected = functional.conv1d(frames[:, :, 0], convolution.weight[:, :, 0], padding=3)
    torch.testing.assert_close(convolution(frames)[:, :, 0], expected)


def test_a_kx1_kernel_runs_over_time(layer: Callable[..., nn.Conv2d]) -> None:
    convolution, spectrogram = layer(1, 4, kernel="7x1"), image(1, height=20, width=33)
    columns = spectrogram[0].permute(2, 0, 1)  # (bins, 1, frames)
    expected = functional.conv1d(columns, convolution.weight[..., 0], padding=3).permute(1, 2, 0)
    torch.testing.assert_close(convolution(spectrogram)[0], expected)


# A transposed convolution is zero insertion, padding and a convolution.


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_transposed_convolution_is_a_convolution_between_inserted_zeros(
    make: Make, place: Place, stride: int, kernel: int
) -> None:
    block = make("transposed_conv", place(3, 4, stride), kernel=kernel).double()
    transposed = block.get_submodule("conv")
    assert isinstance(transposed, nn.ConvTranspose2d)
    x = image(3, height=5, width=6)
    spread = torch.zeros(1, 3, 5 * stride, 6 * stride, dtype=torch.float64)  # behind the last value too: output padding
    spread[:, :, ::stride, ::stride] = x
    weight = transposed.weight.transpose(0, 1).flip(2, 3)  # (out, in, k, k), and turned about
    torch.testing.assert_close(transposed(x), functional.conv2d(spread, weight, padding=kernel // 2))


# Padding, stride.


@pytest.mark.parametrize(("kernel", "dilation", "number"), [(3, 1, 1), (5, 1, 2), (3, 2, 2), (7, 1, 3)])
def test_padding_same_is_half_of_what_the_kernel_spans(
    layer: Callable[..., nn.Conv2d], kernel: int, dilation: int, number: int
) -> None:
    same = layer(kernel=kernel, dilation=dilation)
    numbered = layer(kernel=kernel, dilation=dilation, padding=number)
    assert same.padding == numbered.padding == (number, number)
    assert same(image()).shape == image().shape


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes_differ_at_the_border_alone(layer: Callable[..., nn.Conv2d], mode: str) -> None:
    zeros, other = layer(kernel=3), layer(kernel=3, padding_mode=mode)
    other.weight.copy_(zeros.weight)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(other(image())[inside], zeros(image())[inside])
    assert torch.allclose(other(image()), zeros(image())) == (mode == "zeros")


@pytest.mark.parametrize(("size", "half"), [(8, 4), (7, 4), (1, 1)])
def test_stride_2_halves_the_map_and_rounds_up(layer: Callable[..., nn.Conv2d], size: int, half: int) -> None:
    convolution, x = layer(stride=2, kernel=3), image(1, size, size)
    assert convolution(x).shape == (1, 1, half, half)
    every = functional.conv2d(x, convolution.weight, padding=1)
    torch.testing.assert_close(convolution(x), every[..., ::2, ::2])


# What stacked 3 x 3 kernels see, and cost, against one large kernel.


def stacked(repeats: int, kernel: int) -> nas.Cost:
    """`repeats` convolutions of 16 channels behind a stem that sees one pixel."""
    stage = nas.Stage("conv", 1, repeats, 16, 1, {"kernel": kernel})
    stem, head = nas.Stem(channels=16, kernel=1, stride=1), nas.Head(channels=0, dropout=0)
    return nas.count(nas.Architecture((1, 16, 16), (stage,), stem, head, classes=2))


@pytest.mark.parametrize(("repeats", "large"), [(2, 5), (3, 7)])
def test_stacked_3x3_kernels_see_as_much_as_a_large_one_and_cost_less(repeats: int, large: int) -> None:
    small, one = stacked(repeats, 3), stacked(1, large)
    assert small.receptive_field == one.receptive_field == f"{large}x{large}"
    assert one.macs - small.macs == 16 * 16 * 16 * 16 * (large**2 - repeats * 9)
    assert small.params < one.params


def test_a_separable_pair_has_a_fraction_of_the_weights_and_macs() -> None:
    costs = {}
    for block in ("conv", "depthwise_separable"):
        stage = nas.Stage(block, 1, 1, 64, 1, {"kernel": 3})
        arch = nas.Architecture((1, 16, 16), (stage,), nas.Stem(channels=64, stride=1), nas.Head(channels=0), classes=2)
        costs[block] = nas.count(arch)
    assert costs["conv"].params - costs["depthwise_separable"].params == 64 * 64 * 9 - (64 * 9 + 64 * 64) - 2 * 64
    assert costs["conv"].macs - costs["depthwise_separable"].macs == 16 * 16 * (64 * 64 * 9 - (64 * 9 + 64 * 64))


def test_the_measured_time_of_a_separable_pair_stands_beside_the_regular_convolution_s() -> None:
    """Which of the two is faster is a question to a machine; reports/README.md asks it, and says what one answered."""
    times = {}
    for block in ("conv", "depthwise_separable"):
        stage = nas.Stage(block, 1, 1, 16, 1, {"kernel": 3})
        network = nas.build(nas.Architecture((3, 8, 8), (stage,), nas.Stem(channels=16, kernel=1, stride=1)), seed=0)
        times[block] = nas.measure(network.stages, input_shape=(16, 8, 8), threads=1, max_seconds=0.2)
    regular, separable = times["conv"], times["depthwise_separable"]
    for latency in (regular, separable):
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
        assert latency.reference_ratio > 0
    machines = {latency.conditions["environment"] for latency in times.values()}
    assert len(machines) == 1, "times of two machines are not to be compared"
