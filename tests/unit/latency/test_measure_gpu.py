"""The road on a CUDA device, where there is one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import nas
from nas.errors import MeasureError
from nas.latency.measure import measure_module
from nas.latency.options import LatencyOptions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

QUICK = LatencyOptions(device="cuda", max_seconds=1.0)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_network_is_timed_on_the_device(eager: nas.RuntimeSpec, dtype: str, memory_format: str) -> None:
    options = replace(QUICK, dtype=dtype, memory_format=memory_format)
    latency = measure_module(network(), (3, 64, 64), options, eager)
    assert latency.n >= 1
    assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
    assert latency.fused
    assert latency.conditions["device"] == "cuda:0"
    assert latency.environment["gpu_uuid"]


def test_a_network_that_asks_for_more_memory_than_there_is_ends_as_oom_and_the_next_one_is_timed(
    eager: nas.RuntimeSpec,
) -> None:
    class Greedy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.empty(2**44, device=x.device)

    with pytest.raises(MeasureError) as caught:
        measure_module(Greedy(), (3, 64, 64), QUICK, eager)
    assert caught.value.outcome == "oom"
    assert measure_module(network(), (3, 64, 64), QUICK, eager).n >= 1
