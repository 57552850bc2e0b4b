"""What each part of a network costs: the parts add up to the whole, and tell how far the network has come."""

from __future__ import annotations

import pytest

import nas
from nas.cost.count import count_parts
from nas.cost.result import PartCost
from nas.cost.table import CostTable
from nas.plugins import load_plugins


def parts(name: str) -> tuple[PartCost, ...]:
    return count_parts(nas.load(name), load_plugins().blocks, CostTable())


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "efficientnet_v2_s"])
def test_the_parts_add_up_to_the_whole(name: str) -> None:
    whole = nas.count(name)
    for cost in ("params", "macs", "flops", "activations"):
        assert sum(getattr(part.cost, cost) for part in parts(name)) == getattr(whole, cost)
    last = parts(name)[-1].cost
    assert (last.receptive_field, last.output_stride) == (whole.receptive_field, whole.output_stride)


def test_a_part_tells_its_blocks_and_what_it_puts_out() -> None:
    told = {part.name: (part.text, part.shape) for part in parts("efficientnet_v2_s")}
    assert told["stem"] == ("", (24, 192, 192))
    assert told["stages.3"] == ("mbconv x 6", (128, 24, 24))
    assert told["head"] == ("", (1000,))


def test_receptive_field_and_stride_grow_from_part_to_part() -> None:
    told = [(part.cost.receptive_field, part.cost.output_stride) for part in parts("resnet50")]
    assert told[0] == ("11x11", 4)
    assert told[-1] == ("427x427", 32)
    fields = [int(field.split("x")[0]) for field, _ in told]
    assert fields == sorted(fields)


def test_a_module_is_counted_with_the_shape_of_its_input() -> None:
    network = nas.build("mobilenet_v3_small")
    assert nas.count(network, input_shape=(3, 224, 224)).macs == nas.count("mobilenet_v3_small").macs
    with pytest.raises(nas.SpecError, match="input_shape: give the"):
        nas.count(network)
    with pytest.raises(nas.SpecError, match="an architecture has its own"):
        nas.count("mobilenet_v3_small", input_shape=(3, 8, 8))
