"""Published networks by name, and texts: what `nas.load` gives and refuses."""

from __future__ import annotations

import pytest

from nas import zoo
from nas.arch import Architecture, Norm
from nas.errors import BlockError, SpecError

CROPS = {
    "efficientnet_v2_s": 384, "efficientnet_v2_m": 480, "efficientnet_v2_l": 480,
    "efficientnet_b0": 224, "efficientnet_b1": 240, "efficientnet_b2": 288, "efficientnet_b3": 300,
    "efficientnet_b4": 380, "efficientnet_b5": 456, "efficientnet_b6": 528, "efficientnet_b7": 600,
    "mobilenet_v2": 224, "mobilenet_v3_large": 224, "mobilenet_v3_small": 224, "mnasnet1_0": 224,
    "resnet18": 224, "resnet34": 224, "resnet50": 224,
}  # fmt: skip
V2_S_ROWS = [
    [2, 3, 1, 1, 24, 24, 0, 0],
    [4, 3, 2, 4, 24, 48, 0, 0],
    [4, 3, 2, 4, 48, 64, 0, 0],
    [6, 3, 2, 4, 64, 128, 1, 0.25],
    [9, 3, 1, 6, 128, 160, 1, 0.25],
    [15, 3, 2, 6, 160, 256, 1, 0.25],
]


def test_names_are_the_published_networks():
    assert set(zoo.names()) == set(CROPS)


@pytest.mark.parametrize("name", CROPS)
def test_input_shape_is_the_published_crop(name):
    assert zoo.load(name).input_shape == (3, CROPS[name], CROPS[name])


@pytest.mark.parametrize("name", CROPS)
def test_text_gives_the_same_architecture_back(name):
    arch = zoo.load(name)
    assert zoo.load(str(arch)) == arch
    assert Architecture.parse(str(arch)) == arch


def test_arch_ids_are_distinct():
    assert len({zoo.load(name).arch_id for name in CROPS}) == len(CROPS)


def test_every_parameter_is_filled_in():
    first = zoo.load("efficientnet_v2_s").stages[0]
    assert dict(first.params) == {"act": None, "attention": "se", "expand": 1, "kernel": 3, "se": 0}


def test_the_classic_rows_of_efficientnet_v2_s_are_that_network():
    assert zoo.load(str(Architecture.from_rows(V2_S_ROWS))) == zoo.load("efficientnet_v2_s")


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("mobilenet_v2", Norm(1e-5, 0.1)),
        ("efficientnet_b0", Norm(1e-5, 0.1)),
        ("efficientnet_b4", Norm(1e-5, 0.1)),
        ("efficientnet_b5", Norm(1e-3, 0.01)),
        ("efficientnet_b7", Norm(1e-3, 0.01)),
        ("efficientnet_v2_s", Norm(1e-3, 0.1)),
        ("mobilenet_v3_large", Norm(1e-3, 0.01)),
        ("mnasnet1_0", Norm(1e-5, 3e-4)),
        ("resnet50", Norm(1e-5, 0.1)),
    ],
)
def test_norms_are_the_published_ones(name, norm):
    assert zoo.load(name).norm == norm


def test_b7_is_b0_twice_as_wide_and_three_times_as_deep():
    b7 = zoo.load("efficientnet_b7")
    assert [stage.repeats for stage in b7.stages] == [4, 7, 7, 10, 10, 13, 4]
    assert [stage.channels for stage in b7.stages] == [32, 48, 80, 160, 224, 384, 640]
    assert (b7.stem.channels, b7.head.channels) == (64, 2560)


@pytest.mark.parametrize("text", ["efficientnet_b9", "EfficientNet_B0", "", "resnet"])
def test_an_unknown_name_is_refused_with_what_there_is(text):
    with pytest.raises(SpecError, match="unknown network") as caught:
        zoo.load(text)
    assert "mobilenet_v2" in str(caught.value)


def test_the_nearest_name_is_told():
    with pytest.raises(SpecError, match=r"did you mean 'mobilenet_v2'\?"):
        zoo.load("mobilnet_v2")


@pytest.mark.parametrize("value", [None, 3, {"mobilenet_v2"}])
def test_neither_name_nor_text(value):
    with pytest.raises(SpecError, match="a network is a name or an architecture's text"):
        zoo.load(value)


def test_a_malformed_text_is_refused():
    with pytest.raises(SpecError, match="written as input"):
        zoo.load("input(3x224x224)")


def test_a_text_with_an_unknown_block_names_the_nearest():
    text = str(zoo.load("mobilenet_v2")).replace("mbconv@1", "mbconw@1")
    with pytest.raises(BlockError, match=r"stages\[0\] \(mbconw\): unknown block 'mbconw' \(did you mean 'mbconv'\?\)"):
        zoo.load(text)


def test_a_text_that_a_block_refuses_names_the_stage():
    text = str(zoo.load("mobilenet_v2")).replace("expand=1,kernel=3", "expand=1,kernel=4", 1)
    with pytest.raises(BlockError, match=r"stages\[0\] \(mbconv\): kernel must be an odd int"):
        zoo.load(text)


def test_a_local_plugin_s_block_can_be_named(tmp_path):
    plugin = tmp_path / "plain.py"
    plugin.write_text(
        "import nas\nfrom torch import nn\n\n"
        "def build(io):\n    return nn.Conv2d(io.in_channels, io.out_channels, 3, io.stride, 1)\n\n"
        "@nas.hookimpl\ndef nas_blocks():\n    return [nas.BlockSpec('plain', 1, build)]\n"
    )
    text = str(zoo.load("mobilenet_v2"))
    stages = text[text.index("mbconv@1") : text.index(" head(")]
    text = text.replace(stages, "plain@1(repeats=2,channels=8,stride=2)")
    assert zoo.load(text, plugins=[plugin]).stages[0].block == "plain"
    with pytest.raises(BlockError, match="unknown block 'plain'"):
        zoo.load(text)
