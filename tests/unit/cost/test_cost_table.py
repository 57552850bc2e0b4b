"""Each distinct block is counted once: what the key of the table is made of, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nas.arch import Architecture, Head, Norm, Stage, Stem
from nas.blocks import BlockRegistry, BlockSpec
from nas.canonical import canonicalise
from nas.choices import Params
from nas.cost.count import count_architecture
from nas.cost.table import BlockCost, BlockKey, CostTable
from nas.registry import Origin

ARCH = Architecture(
    input_shape=(3, 32, 32),
    stages=(Stage("mbconv", 1, 4, 16, 2, Params({"kernel": 3, "expand": 2, "se": 0.25})),),
    stem=Stem(channels=8),
    head=Head(channels=32),
    classes=10,
)


class Recorded(CostTable):
    """Also keeps what was asked for and not found."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: list[BlockKey] = []

    def get(self, key: BlockKey) -> BlockCost | None:
        cost = super().get(key)
        if cost is None:
            self.missed.append(key)
        return cost


def missed(table: Recorded, arch: Architecture, blocks: BlockRegistry) -> int:
    """How many blocks had to be counted."""
    before = len(table.missed)
    count_architecture(canonicalise(arch, blocks), blocks, table)
    return len(table.missed) - before


@pytest.fixture
def table(blocks) -> Recorded:
    table = Recorded()
    assert missed(table, ARCH, blocks) == 4, "stem, the first block, the three others, head"
    return table


def of(stage: Stage) -> Architecture:
    return replace(ARCH, stages=(stage,))


def test_a_known_network_counts_nothing_again(table, blocks):
    assert missed(table, ARCH, blocks) == 0


def test_what_is_put_in_is_what_comes_out(table, blocks):
    arch = canonicalise(ARCH, blocks)
    assert count_architecture(arch, blocks, table) == count_architecture(arch, blocks, CostTable())


@pytest.mark.parametrize("changed", [
    replace(ARCH, drop_path=0.7),
    replace(ARCH, norm=Norm(eps=1e-5, momentum=0.01)),
    replace(ARCH, head=replace(ARCH.head, dropout=0.6)),
    of(replace(ARCH.stages[0], repeats=9)),
], ids=["drop path", "norm's eps", "dropout", "repeats"])
def test_what_costs_nothing_is_not_part_of_the_key(table, blocks, changed):
    assert missed(table, changed, blocks) == 0


@pytest.mark.parametrize(("changed", "anew"), [
    (replace(ARCH, input_shape=(3, 48, 32)), 4),
    (replace(ARCH, act="relu"), 2),
    (replace(ARCH, classes=11), 1),
    (replace(ARCH, stem=replace(ARCH.stem, kernel=5)), 1),
    (replace(ARCH, stem=replace(ARCH.stem, channels=12)), 2),
    (of(replace(ARCH.stages[0], params=Params({"kernel": 5, "expand": 2, "se": 0.25}))), 2),
    (of(replace(ARCH.stages[0], channels=24)), 3),
], ids=["height", "activation", "classes", "stem's kernel", "stem's channels", "parameter", "channels"])
def test_what_changes_the_cost_is_part_of_the_key(table, blocks, changed, anew):
    assert missed(table, changed, blocks) == anew


def test_another_source_of_a_block_is_another_key(blocks):
    spec = BlockSpec("theirs", 1, blocks["conv"].build)
    arch = Architecture((3, 16, 16), (Stage("theirs", 1, 1, 8, 1),), stem=Stem(channels=8))
    table, sources = Recorded(), []
    for digest in ("aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        registry = BlockRegistry()
        registry.add(spec, Origin("a test", digest))
        sources.append(missed(table, arch, registry))
    assert sources == [3, 1], "the stem and the head stay, the block's source has changed"


def test_the_key_written_out_tells_all_of_it(table):
    key = table.missed[1]
    assert str(key).startswith(f"mbconv@1#{key.digest}(")
    for part in ("expand=2", "kernel=3", "8x16x16 to 16", "stride=2", "act=silu"):
        assert part in str(key)
