"""What blocks share: activations by name and batch normalisation, as values."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from nas.arch import Norm
from nas.errors import SpecError
from nas.layers import ACTIVATIONS, BatchNorm, activation, batch_norm


@pytest.mark.parametrize("name, kind", [
    ("silu", nn.SiLU), ("relu", nn.ReLU), ("relu6", nn.ReLU6), ("hardswish", nn.Hardswish), ("gelu", nn.GELU),
    ("mish", nn.Mish), ("leaky_relu", nn.LeakyReLU), ("identity", nn.Identity),
])
def test_each_name_is_one_activation_of_torchs(name, kind):
    assert type(activation(name)()) is kind


def test_no_activation_is_untested_above():
    assert list(ACTIVATIONS) == ["silu", "relu", "relu6", "hardswish", "gelu", "mish", "leaky_relu", "identity"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_activation_works_in_place(name):
    given = torch.linspace(-3, 3, 7)
    before = given.clone()
    activation(name)()(given)
    assert torch.equal(given, before)


def test_each_call_makes_a_module_of_its_own():
    make = activation("silu")
    assert make() is not make()


def test_factories_are_values_that_compare_by_what_they_make():
    assert activation("silu") == activation("silu") != activation("relu")
    assert batch_norm(Norm(1e-5, 0.1)) == batch_norm(Norm(1e-5, 0.1)) != batch_norm(Norm(1e-3, 0.1))
    assert len({activation("silu"), activation("silu"), batch_norm(Norm())}) == 2


@pytest.mark.parametrize("name, near", [("slu", " (did you mean 'silu'?)"), ("SiLU", ""), ("zzz", ""), (None, ""), (3, "")])
def test_an_unknown_activation_is_told_with_the_nearest_and_all(name, near):
    with pytest.raises(SpecError) as told:
        activation(name)
    assert str(told.value) == f"unknown activation {name!r}{near}; there are {', '.join(ACTIVATIONS)}"


def test_batch_norm_has_the_channels_and_the_networks_eps_and_momentum():
    norm = batch_norm(Norm(eps=1e-5, momentum=0.01))(12)
    assert type(norm) is nn.BatchNorm2d
    assert (norm.num_features, norm.eps, norm.momentum) == (12, 1e-5, 0.01)
    assert isinstance(batch_norm(Norm()), BatchNorm)


def test_the_module_loads_no_torch():
    code = "import sys, nas.layers; nas.layers.activation('silu'); print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "False"
