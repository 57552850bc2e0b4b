"""Networks that were built elsewhere count as fvcore counts them, and resnet50 as it is published."""

from __future__ import annotations

import warnings

import pytest
import torch
import torchvision

from nas.cost.count import count_module


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mnasnet1_0", "convnext_tiny"])
def test_networks_of_torchvision_count_as_fvcore_does(name):
    net = torchvision.models.get_model(name).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

        flops, activations = (
            analysis(net, torch.zeros(1, 3, 64, 64)).unsupported_ops_warnings(False)
            .uncalled_modules_warnings(False).total() for analysis in (FlopCountAnalysis, ActivationCountAnalysis)
        )
    cost = count_module(net, (3, 64, 64))
    assert (cost.flops, cost.activations) == (flops, activations)


def test_resnet50_at_its_crop():
    cost = count_module(torchvision.models.resnet50(), (3, 224, 224))
    assert (cost.params, cost.flops) == (25_557_032, 4_111_512_576)
    assert cost.macs == pytest.approx(4.089e9, rel=1e-4)
    assert (cost.receptive_field, cost.output_stride) == ("427x427", 32)
