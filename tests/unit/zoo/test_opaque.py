"""Networks of torchvision and timm by name: what is known of them, and what is told where there is none."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import nas
from nas.network import build_network, parameters_of
from nas.plugins import load_plugins
from nas.zoo import libraries, opaque
from nas.zoo.opaque import Opaque


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("torchvision:resnet18", 224),
        ("torchvision:efficientnet_v2_s", 384),
        ("torchvision:inception_v3", 299),
        ("torchvision:vit_h_14", 224),  # its default weights are for 518 x 518, another network
        ("timm:resnet18", 288),
        ("timm:resnet18.tv_in1k", 224),
        ("timm:vit_tiny_patch16_224", 224),
    ],
)
def test_a_network_of_a_library_is_a_value_with_the_library_s_own_evaluation_crop(text, side):
    network = nas.load(f" {text} ")
    assert isinstance(network, Opaque)
    assert network.input_shape == (3, side, side)
    assert network.classes == 1000
    assert str(network) == text
    assert network == nas.load(text)
    assert hash(network) == hash(nas.load(text))
    assert network.arch_id is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("torchvision:resnet51", r"torchvision:resnet51: torchvision.models has no .* \(did you mean 'resnet50'\?\)"),
        ("torchvision:", "has no network ''"),
        ("torchvision:fasterrcnn_resnet50_fpn", "finds objects and gives boxes; .* gives \\(batch, classes\\)"),
        ("torchvision:deeplabv3_resnet50", "a class for each pixel"),
        ("torchvision:r3d_18", "takes videos"),
        ("torchvision:raft_small", "optical flow"),
        ("torchvision:quantized_resnet18", "integer weights"),
        ("timm:efficientnet_b99", r"timm has no network 'efficientnet_b99' \(did you mean 'efficientnet_b"),
        ("timm:resnet18.tv_in2k", r"no weights tagged 'tv_in2k' \(did you mean 'tv_in1k'\?\)"),
        ("timm:resnet18." + 5000 * "x", r"no weights tagged 'x{60}'; there are a1_in1k"),
        ("timm:resnet18.", "no weights tagged ''; there are a1_in1k"),
        ("timm:hf-hub:someone/something", "timm has no network 'hf-hub:someone/something'"),
        ("timm:local-dir:/tmp", "timm has no network 'local-dir:/tmp'"),
        ("timm:vit_so400m_patch14_siglip_gap_384", "has no classifier"),
    ],
)
def test_what_is_no_classifier_of_images_is_refused_and_told_why(text, said):
    with pytest.raises(nas.SpecError, match=said):
        nas.load(text)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_installed_is_named_with_the_remedy(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(libraries, "_imported", libraries._imported.__wrapped__)
    with pytest.raises(nas.SpecError, match=f"^{library}:resnet34: {library} is not installed; pip install {library}$"):
        nas.load(f"{library}:resnet34")


def test_a_library_that_does_not_import_is_told_with_its_cause(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(libraries, "importlib", SimpleNamespace(import_module=broken))
    monkeypatch.setattr(libraries, "_imported", libraries._imported.__wrapped__)
    with pytest.raises(nas.SpecError, match="torchvision does not import: RuntimeError: operator.*\n.*belongs to this torch"):
        nas.load("torchvision:resnet34")


class FakeLibrary(libraries.Library):
    """A library of one network."""

    name = "fake"

    def __init__(self, module: nn.Module, shape: tuple[int, int, int] = (3, 8, 8)) -> None:
        self.network, self.shape = module, shape

    def find(self, _):
        return None

    def input_shape(self, _):
        return self.shape

    def make(self, _):
        return self.network.to("meta")


@pytest.mark.parametrize(
    ("library", "said"),
    [
        (FakeLibrary(nn.Conv2d(3, 4, 1)), r"fake:net: it gives \(2, 4, 8, 8\) for 2 images"),
        (FakeLibrary(nn.Flatten(), (1, 8, 8)), "it takes 1x8x8, and .* images of 3 channels"),
        (FakeLibrary(nn.Linear(7, 3)), r"does not run on a batch of images of 3x8x8: RuntimeError"),
    ],
)
def test_a_network_that_does_not_give_classes_is_refused(library, said, monkeypatch):
    monkeypatch.setattr(opaque, "LIBRARIES", {"fake": library})
    with pytest.raises(nas.SpecError, match=said):
        opaque.load_opaque.__wrapped__("fake:net")


def test_a_network_that_its_library_cannot_build_is_refused(monkeypatch):
    class Broken(FakeLibrary):
        def make(self, _):
            raise ImportError("needs a third library")

    monkeypatch.setattr(opaque, "LIBRARIES", {"fake": Broken(nn.Flatten())})
    with pytest.raises(nas.SpecError, match="fake:net: fake does not build it: ImportError: needs a third library"):
        opaque.load_opaque.__wrapped__("fake:net")


def test_an_opaque_network_is_no_architecture_and_that_is_said():
    network, blocks = nas.load("torchvision:resnet18"), load_plugins().blocks
    for needs_an_architecture in (build_network, parameters_of):
        with pytest.raises(nas.SpecError, match=r"an Architecture is needed here, got Opaque 'torchvision:resnet18'"):
            needs_an_architecture(network, blocks)
    with pytest.raises(nas.SpecError, match=r"can be counted, got list .*nas\.load makes an architecture"):
        nas.count(["ds_r1_k3_s1_c16"])


def test_loading_leaves_the_generator_as_it_was():
    opaque.load_opaque.cache_clear()
    before = torch.get_rng_state()
    nas.load("torchvision:regnet_y_400mf")  # cannot be built without its weights
    assert torch.equal(torch.get_rng_state(), before)
