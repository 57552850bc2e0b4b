"""What is left out on the meta device, and what is not: the shapes and the complaints are torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.meta import QuickNorms, WithoutInitialisation


def _forward(module: nn.Module, x: Tensor) -> Tensor:
    with torch.device("meta"), QuickNorms():
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
    with QuickNorms():
        given = norm(x)
    assert norm.running_mean is not None
    assert norm.running_mean.abs().sum() > 0
    assert given.mean().abs() < 1e-6


def test_a_norm_on_a_real_device_is_computed() -> None:
    norm = nn.BatchNorm2d(2).eval()
    assert norm.running_mean is not None
    norm.running_mean.fill_(1.0)
    with QuickNorms():
        assert norm(torch.ones(1, 2, 1, 1)).abs().max() < 1e-6


def test_weights_keep_what_they_had_where_initialisation_is_left_out() -> None:
    weight = torch.full((2, 2), 7.0)
    with WithoutInitialisation():
        nn.init.ones_(weight)
        weight.zero_()
    assert weight.tolist() == [[7.0, 7.0], [7.0, 7.0]]
