"""timm's block strings give timm's networks: the same weights in the same order, costs and logits; or they are refused.

The strings are those that timm itself decodes while it builds a network.
"""

from __future__ import annotations

import pytest
import timm
import torch
from timm.models import efficientnet, mobilenetv3
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn

import nas
from nas.cost.count import count_module
from nas.zoo import architecture_of

WHOLE = {
    "efficientnet_b0": "efficientnet",
    "tf_efficientnetv2_s": "efficientnetv2",
    "mobilenetv2_100": "mobilenetv2",
    "efficientnet_lite0": "mobilenetv2",
    "mnasnet_100": "mnasnet",
    "spnasnet_100": "mnasnet",
    "efficientnet_es": "mnasnet",
    "mobilenetv3_large_100": "mobilenetv3",
}
"""timm's name -> family; all that lies around the blocks is the family's too."""
STAGES = {"efficientnetv2_rw_s": "efficientnetv2", "mobilenetv3_small_100": "mobilenetv3", "mobilenetv1_100": "mobilenetv2"}
"""The blocks alone: their heads have other widths than the family's."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arch_def_of(name: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What timm decodes while it builds this network."""
    seen: list[list[list[str]]] = []

    def recorded(arch_def, *args, **kwargs):
        seen.append([list(stage) for stage in arch_def])
        return decode_arch_def(arch_def, *args, **kwargs)

    for module in (efficientnet, mobilenetv3):
        monkeypatch.setattr(module, "decode_arch_def", recorded)
    with torch.device("meta"):
        timm.create_model(name)
    assert len(seen) == 1
    return seen[0]


def kinds(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key.rsplit(".", 1)[-1], tuple(weight.shape)) for key, weight in module.state_dict().items()]


def randomise_norms(network: nn.Module) -> None:
    """Away from 1 and 0, so that a norm in another place, or with another eps, shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.05, 1.5, generator=generator)


def assert_same_stages(ours: nn.Module, theirs: nn.Module, channels: int, side: int = 112) -> None:
    """Weights in order, parameters, MACs and activations of `stages` and `blocks`."""
    assert kinds(ours.stages) == kinds(theirs.blocks)
    costs = [count_module(stages, (channels, side, side)) for stages in (ours.stages, theirs.blocks)]
    assert costs[0].params == costs[1].params > 0
    assert costs[0].macs == costs[1].macs > 0
    assert costs[0].activations == costs[1].activations


def assert_same_answers(ours: nn.Module, theirs: nn.Module, x: torch.Tensor) -> None:
    """With their weights in order, ours gives what theirs gives, and did not before."""
    randomise_norms(theirs)
    ours.eval()
    theirs.eval()
    with torch.no_grad():
        before, expected = ours(x), theirs(x)
        state = ours.state_dict()
        source = theirs.state_dict().values()
        ours.load_state_dict({key: new.reshape(state[key].shape) for key, new in zip(state, source, strict=True)})
        given = ours(x)
    largest = expected.abs().max()
    assert (given - expected).abs().max() <= 1e-5 * largest
    assert (before - expected).abs().max() > 1e-2 * largest, "the comparison could not have failed"


@pytest.mark.parametrize("name", [*WHOLE, *STAGES])
def test_the_stages_of_a_network_of_timm_are_said_exactly(name, monkeypatch):
    arch_def = arch_def_of(name, monkeypatch)
    arch = architecture_of(arch_def, family=(WHOLE | STAGES)[name])
    with torch.device("meta"):
        theirs = timm.create_model(name)
    assert_same_stages(nas.build(arch, device="meta"), theirs, arch.stem.channels)


@pytest.mark.parametrize("name", WHOLE)
def test_with_the_family_around_them_they_are_the_whole_network(name, monkeypatch):
    arch = architecture_of(arch_def_of(name, monkeypatch), family=WHOLE[name])
    ours, theirs = nas.count(arch), nas.count(f"timm:{name}")
    assert (ours.params, ours.activations) == (theirs.params, theirs.activations)
    assert ours.macs == theirs.macs
    assert nas.load(f"timm:{name}").input_shape == arch.input_shape


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("tf_")])
def test_with_timm_s_weights_in_order_logits_agree(name, monkeypatch):
    arch = architecture_of(arch_def_of(name, monkeypatch), family=WHOLE[name])
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert_same_answers(nas.build(arch, seed=0), nas.build(f"timm:{name}", seed=0), x)


@pytest.mark.parametrize(
    "strings",
    [
        "ir_r2_k3_s1_e1_c32",  # timm expands 1 x as well
        "ir_r1_k3_s1_e1_c24 ir_r2_k5_s2_e1_c64",
        "er_r2_k3_s2_e1_c32",
        "ds_r1_k3_s2_c48 ir_r3_k7_s1_e2.3_c56",  # widths inside that timm rounds
        "ds_r2_k3_s1_c40_se0.3 ir_r2_k5_s2_e2.3_c56_se0.3",  # squeezes that are no short ratio of the input
        "er_r2_k3_s2_e4_c40_fc24_se0.25",
        "cn_r3_k3_s1_c32_skip cn_r2_k5_s2_c48",
        "cn_r2_k3_s2_c64_gs16 dsa_r2_k5_s1_c64_nhs",
        "ir_r1_k3_s2_e6_c24_noskip_nr6 ir_r1_k3_s1_e6_c32_skip_nmi",
        "ds_r1_k3_s1_e1_c16_noskip_nre",
    ],
)
def test_strings_of_every_kind_mean_what_they_mean_to_timm(strings):
    arch = architecture_of(strings, input_shape=(3, 64, 64), classes=10)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = efficientnet.EfficientNet(
            block_args=decode_arch_def([[string] for string in strings.split()]),
            stem_size=32,
            act_layer=nn.SiLU,
            num_classes=10,
        )
    ours = nas.build(arch, seed=0)
    assert_same_stages(ours, theirs, 32, side=32)
    assert_same_answers(ours, theirs, torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("name", "family", "said"),
    [
        ("semnasnet_100", "mnasnet", r"'ir_r3_k5_s2_e3_c40_se0.25': se0.25: squeeze-excite with relu and a sigmoid"),
        ("mixnet_s", "mnasnet", r"a1\.1: an expansion by anything but a 1x1"),
        ("mobilenetv4_conv_small", "mnasnet", r"'uir_r1_a5_k5_s2_e3_c96': uir: .* no block here"),
        ("efficientnet_cc_b0_4e", "efficientnet", r"cc4: conditionally parametrised"),
        ("mobilenet_edgetpu_100", "mnasnet", r"noskip: a block of stride 1 from 96 to 96 channels has a residual here"),
        ("mobilenet_edgetpu_v2_s", "mnasnet", r"gs64: fused_mbconv has no groups"),
        ("efficientnet_x_b3", "efficientnet", r"d1: space to depth"),
    ],
)
def test_a_network_of_timm_that_cannot_be_said_is_refused_with_string_token_and_reason(name, family, said, monkeypatch):
    arch_def = arch_def_of(name, monkeypatch)
    with pytest.raises(nas.SpecError, match=said):
        architecture_of(arch_def, family=family)
