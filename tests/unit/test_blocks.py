"""What a block plugin may hand over, what is refused, and the default hooks."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from torch import nn

import nas
from nas.blocks import RESERVED, broken_contract, by_slices
from nas.choices import Params

IO = nas.BlockIO(8, 16, 2, nn.BatchNorm2d, nn.SiLU, 0.1)


def spec(**changed: object) -> nas.BlockSpec:
    values: dict[str, object] = {"name": "ghost", "version": 1, "build": nn.Identity, "params": {"kernel": (3, 5)}}
    return nas.BlockSpec(**{**values, **changed})  # type: ignore[arg-type]


def test_the_fields_are_those_of_the_contract_in_their_order() -> None:
    assert [field.name for field in fields(nas.BlockIO)] == [
        "in_channels", "out_channels", "stride", "norm", "act", "drop_path"
    ]
    assert [field.name for field in fields(nas.BlockSpec)] == [
        "name", "version", "build", "params", "check", "canonical", "noop", "scale", "initializes_itself", "inherit"
    ]


def test_a_name_a_version_and_a_build_are_a_whole_block() -> None:
    block = nas.BlockSpec("ghost", 1, nn.Identity)
    assert broken_contract(block) is None
    assert dict(block.defaults) == {}
    assert block.check(IO, {}) is None
    assert block.canonical(IO, {"kernel": 3}) == {"kernel": 3}
    assert block.noop(IO, {}) is False
    assert (block.scale, block.initializes_itself, block.inherit) == ("down", False, by_slices)


def test_specs_and_what_the_network_tells_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        spec().version = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        IO.stride = 1  # type: ignore[misc]


def test_the_first_choice_is_the_default() -> None:
    assert spec(params={"kernel": (5, 3), "act": (None, "relu")}).defaults == Params({"kernel": 5, "act": None})


def test_complete_fills_in_the_defaults_of_what_is_not_named() -> None:
    block = spec(params={"kernel": (3, 5), "act": (None,)})
    assert block.complete({"kernel": 7}) == Params({"kernel": 7, "act": None})
    assert block.complete({}) == block.defaults


def test_complete_takes_values_that_are_no_search_choice() -> None:
    assert spec().complete({"kernel": "1x7"})["kernel"] == "1x7"


@pytest.mark.parametrize(
    ("params", "named", "said"),
    [
        ({"kernel": (3,)}, "kernal", "block 'ghost' has no parameter 'kernal' (did you mean 'kernel'?); it has kernel"),
        ({"kernel": (3,), "act": (None,)}, "heads", "block 'ghost' has no parameter 'heads'; it has kernel, act"),
        ({}, "kernel", "block 'ghost' has no parameter 'kernel'; it has none"),
    ],
)
def test_complete_refuses_a_parameter_that_the_block_lacks(params: dict, named: str, said: str) -> None:
    with pytest.raises(nas.BlockError) as caught:
        spec(params=params).complete({named: 3})
    assert str(caught.value) == said


@pytest.mark.parametrize("choice", [None, True, 3, 0.25, "1x7", "se"])
def test_a_choice_of_each_type_is_accepted(choice: object) -> None:
    assert broken_contract(spec(params={"kernel": [choice]})) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Ghost"}, "block name 'Ghost' must be lower case letters, digits and underscores"),
        ({"name": "ghost block"}, "block name 'ghost block' must be"),
        ({"name": "2ghost"}, "block name '2ghost' must be"),
        ({"name": "g" * 65}, "must be lower case"),
        ({"name": ""}, "block name '' must be"),
        ({"name": None}, "block name None must be"),
        ({"version": 0}, "block 'ghost': version 0 must be a whole number from 1"),
        ({"version": True}, "version True must be a whole number from 1"),
        ({"version": "1"}, "version '1' must be a whole number from 1"),
        ({"build": None}, "block 'ghost': build must be callable, got None"),
        ({"check": None}, "check must be callable, got None"),
        ({"canonical": {}}, "canonical must be callable, got {}"),
        ({"noop": False}, "noop must be callable, got False"),
        ({"inherit": "by_slices"}, "inherit must be callable, got 'by_slices'"),
        ({"scale": "sideways"}, "block 'ghost': scale 'sideways' must be 'down' or 'up'"),
        ({"params": [("kernel", (3,))]}, "params must be a mapping of names to choices, got list"),
        ({"params": {"Kernel": (3,)}}, "parameter name 'Kernel' must be lower case"),
        ({"params": {3: (3,)}}, "parameter name 3 must be lower case"),
        ({"params": {"kernel": ()}}, "parameter 'kernel' needs a tuple of at least one choice, got ()"),
        ({"params": {"kernel": 3}}, "parameter 'kernel' needs a tuple of at least one choice, got 3"),
        ({"params": {"kernel": "357"}}, "parameter 'kernel' needs a tuple of at least one choice, got '357'"),
        ({"params": {"kernel": {3, 5}}}, "parameter 'kernel' needs a tuple of at least one choice"),
        ({"params": {"kernel": (3, (1, 7))}}, "parameter 'kernel': a choice is None, bool, int, float or str, not tuple"),
        ({"params": {"expand": (float("inf"),)}}, "parameter 'expand': inf is not a finite number"),
        ({"params": {"act": (nn.ReLU,)}}, "parameter 'act': a choice is None, bool, int, float or str, not type"),
    ],
)
def test_what_breaks_the_contract_is_named(changed: dict[str, object], said: str) -> None:
    assert said in str(broken_contract(spec(**changed)))


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_key_of_every_stage_is_no_parameter(name: str) -> None:
    assert broken_contract(spec(params={name: (1,)})) == (
        f"block 'ghost': parameter '{name}' is a key of every stage; choose another name"
    )


@pytest.mark.parametrize("given", [None, "ghost", nn.Identity, {"name": "ghost"}])
def test_what_is_no_block_spec_is_named_by_its_type(given: object) -> None:
    assert broken_contract(given) == f"nas_blocks must give BlockSpec values, got {type(given).__name__}"


def filled(module: nn.Module, value: float) -> nn.Module:
    for entry in module.state_dict().values():
        entry.fill_(value)
    return module


def test_by_slices_takes_leading_channels_and_the_centres_of_kernels() -> None:
    parent, block = nn.Conv2d(4, 6, 5), nn.Conv2d(3, 2, 3)
    by_slices(block, parent)
    assert torch.equal(block.weight, parent.weight[:2, :3, 1:4, 1:4])
    assert torch.equal(block.bias, parent.bias[:2])


def test_by_slices_takes_rectangular_centres_and_the_statistics_of_norms() -> None:
    parent, block = (nn.Sequential(nn.Conv2d(2, 4, (1, width)), nn.BatchNorm2d(4)) for width in (7, 3))
    parent[1].running_var.uniform_()
    parent[1].num_batches_tracked.fill_(9)
    by_slices(block, parent)
    assert torch.equal(block[0].weight, parent[0].weight[..., 2:5])
    assert torch.equal(block[1].running_var, parent[1].running_var)
    assert block[1].num_batches_tracked == 9


def test_by_slices_copies_so_that_the_parent_stays_as_it_is() -> None:
    parent, block = filled(nn.Conv2d(4, 4, 3), 1.0), nn.Conv2d(2, 2, 3)
    by_slices(block, parent)
    filled(block, 2.0)
    assert (parent.weight == 1).all()


@pytest.mark.parametrize(
    "parent",
    [nn.Conv2d(4, 2, 3), nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 4), nn.Identity()],
    ids=["fewer outputs", "fewer inputs", "smaller kernel", "another rank", "nothing"],
)
def test_by_slices_leaves_what_the_parent_cannot_fill(parent: nn.Module) -> None:
    block = filled(nn.Conv2d(4, 4, 3), 3.0)
    by_slices(block, filled(parent, 1.0))
    assert (block.weight == 3).all()
