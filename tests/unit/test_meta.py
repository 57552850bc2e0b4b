"""What is left out on the meta device, and what is not: the shapes and the complaints are torch's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from nas.meta import QuickShapes, WithoutInitialisation


def _forward(module: nn.Module, x: Tensor) -> Tensor:
    with torch.device("meta"), QuickShapes():
        output: Tensor = module(x)
    return output


@pytest.mark.parametrize("dims", [2, 3, 4, 5])
def test_a_batch_norm_gives_the_shape_and_the_type_of_its_input(dims: int) -> None:
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[dims]
    x = torch.empty([2, 8, *[4] * (dims - 2)], device="meta")
    given = _forward(norm(8, device="meta").eval(), x)
    assert (given.shape, given.dtype, given.device.type) == (x.shape, torch.float32, "meta")


def test_a_norm_of_other_channels_is_refused_by_torch() -> None:
    with pytest.raises(RuntimeError, match="running_mean"):
        _forward(nn.BatchNorm2d(16, device="meta").eval(), torch.empty(2, 8, 4, 4, device="meta"))


def test_a_norm_of_another_type_is_torch_s_to_answer() -> None:
    x = torch.empty(2, 8, 4, 4, device="meta", dtype=torch.float64)
    norm = nn.BatchNorm2d(8, device="meta").eval()
    with torch.device("meta"):
        theirs = norm(x)
    assert _forward(norm, x).dtype == theirs.dtype


def test_a_norm_in_training_mode_updates_its_statistics_on_a_real_device() -> None:
    norm, x = nn.BatchNorm2d(2), torch.arange(16.0).reshape(2, 2, 2, 2)
    with QuickShapes():
        given = norm(x)
    assert norm.running_mean is not None
    assert norm.running_mean.abs().sum() > 0
    assert given.mean().abs() < 1e-6


def test_a_norm_on_a_real_device_is_computed() -> None:
    norm = nn.BatchNorm2d(2).eval()
    assert norm.running_mean is not None
    norm.running_mean.fill_(1.0)
    with QuickShapes():
        assert norm(torch.ones(1, 2, 1, 1)).abs().max() < 1e-6


def test_weights_keep_what_they_had_where_initialisation_is_left_out() -> None:
    weight = torch.full((2, 2), 7.0)
    with WithoutInitialisation():
        nn.init.ones_(weight)
        weight.zero_()
    assert weight.tolist() == [[7.0, 7.0], [7.0, 7.0]]


def _outcome(call: Callable[[], Tensor]) -> object:
    try:
        given = call()
    except (RuntimeError, ValueError, TypeError) as error:
        return type(error)
    return tuple(given.shape), given.stride(), given.dtype, given.device.type


@settings(deadline=None)
@given(data=st.data(), groups=st.integers(1, 3), shape=st.tuples(*[st.integers(1, 12)] * 2), bias=st.booleans())
def test_a_convolution_gives_the_shape_that_torch_gives_or_its_error(
    data: st.DataObject, groups: int, shape: tuple[int, int], bias: bool
) -> None:
    small, pair = st.integers(1, 4), lambda numbers: st.one_of(numbers, st.tuples(numbers, numbers))
    x = torch.empty(2, data.draw(st.integers(1, 6)), *shape, device="meta")
    weight = torch.empty(data.draw(st.integers(1, 6)), data.draw(small), data.draw(small), data.draw(small), device="meta")
    options = {
        "bias": torch.empty(weight.shape[0], device="meta") if bias else None,
        "stride": data.draw(pair(small)), "dilation": data.draw(pair(small)), "groups": groups,
        "padding": data.draw(st.one_of(pair(st.integers(0, 4)), st.sampled_from(["same", "valid"]))),
    }

    def convolve() -> Tensor:
        output: Tensor = functional.conv2d(x, weight, **options)
        return output

    expected = _outcome(convolve)
    with QuickShapes():
        assert _outcome(convolve) == expected


@pytest.mark.parametrize("name", ["relu", "relu6", "silu", "hardswish", "hardsigmoid", "gelu", "mish"])
@pytest.mark.parametrize("shape", [(2, 3), (1, 8, 4, 4)])
def test_an_activation_gives_its_input_s_shape(name: str, shape: tuple[int, ...]) -> None:
    x = torch.empty(shape, device="meta")
    with QuickShapes():
        given = getattr(functional, name)(x)
    assert (given.shape, given.dtype, given.device.type) == (x.shape, torch.float32, "meta")
    assert given is not x


@pytest.mark.parametrize("how", [{"inplace": True}, {}])
def test_an_activation_in_place_is_torch_s(how: dict[str, bool]) -> None:
    x = torch.empty(2, 3, device="meta")
    with QuickShapes():
        assert functional.relu(x, *([] if how else [True]), **how) is x


@pytest.mark.parametrize("call", [
    lambda x: functional.relu(x, bogus=1), lambda x: functional.gelu(x, approximate="tan"),
    lambda x: torch.add(x, x, alpha=2), lambda x: torch.add(input=x, other=x), torch.add,
    lambda x: functional.relu(x.transpose(1, 2)), lambda x: functional.relu(x.transpose(1, 2)).view(2, -1),
    lambda x: functional.batch_norm(x, torch.zeros(3, device="meta"), torch.ones(3, device="meta"), foo=1),
])
def test_arguments_and_strides_are_torch_s_to_judge(call: Any) -> None:
    x = torch.empty(2, 3, 4, device="meta")
    expected = _outcome(lambda: call(x))
    with QuickShapes():
        assert _outcome(lambda: call(x)) == expected


@pytest.mark.parametrize("other", [(1, 8, 4, 4), (1, 8, 1, 1), (4, 4), (2, 8, 4, 4), (1, 7, 4, 4), ()])
@pytest.mark.parametrize("join", [torch.add, torch.mul, lambda one, two: one + two, lambda one, two: one * two])
def test_sums_and_products_give_the_shape_that_torch_gives_or_its_error(other: tuple[int, ...], join: Any) -> None:
    x, y = torch.empty(1, 8, 4, 4, device="meta"), torch.empty(other, device="meta")
    expected = _outcome(lambda: join(x, y))
    with QuickShapes():
        assert _outcome(lambda: join(x, y)) == expected


@pytest.mark.parametrize("size", [1, 7, (2, 3), (None, 2)])
def test_a_pool_gives_the_size_that_is_asked_for(size: Any) -> None:
    x = torch.empty(2, 8, 9, 9, device="meta")
    expected = _outcome(lambda: functional.adaptive_avg_pool2d(x, size))
    with QuickShapes():
        assert _outcome(lambda: functional.adaptive_avg_pool2d(x, size)) == expected


def test_building_and_measuring_a_network_load_no_compiler() -> None:
    code = ("import sys, nas\n"
            "arch = nas.load('mobilenet_v3_small')\n"
            "nas.count(arch)\n"
            "nas.measure(arch, device='cpu', max_seconds=0.05)\n"
            "print([name for name in ('sympy', 'torch._dynamo', 'torch._inductor') if name in sys.modules])\n")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"
