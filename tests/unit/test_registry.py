"""A registry knows each spec by name and where it comes from; no conflict and no absence is silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import nas
from nas.blocks import BlockRegistry
from nas.metrics import MetricRegistry
from nas.registry import Origin, Registry
from nas.runtimes import RuntimeRegistry

HERE, THERE = Origin("acme 1.2: acme.blocks", "0123456789ab"), Origin("/home/me/ghost.py", "ba9876543210")
EVERY_KIND = pytest.mark.parametrize(
    ("registry", "make", "kind", "error"),
    [
        (BlockRegistry, lambda name: nas.BlockSpec(name, 1, print), "block", nas.BlockError),
        (MetricRegistry, lambda name: nas.MetricSpec(name, "s", "minimize", 1, print), "metric", nas.PluginError),
        (RuntimeRegistry, lambda name: nas.RuntimeSpec(name, 1, print), "runtime", nas.PluginError),
    ],
)


@EVERY_KIND
def test_what_is_added_is_found_by_name_in_the_order_of_adding(
    registry: Callable[[], Registry], make: Callable, kind: str, error: type[Exception]
) -> None:
    known, ghost, ant = registry(), make("ghost"), make("ant")
    known.add(ghost, HERE)
    known.add(ant, THERE)
    assert list(known) == ["ghost", "ant"]
    assert dict(known) == {"ghost": ghost, "ant": ant}
    assert (known.origin("ghost"), known.origin("ant")) == (HERE, THERE)
    assert "ghost" in known
    assert "bee" not in known
    assert len(known) == 2


@EVERY_KIND
def test_a_second_spec_of_one_name_is_refused_with_both_origins_and_the_way_out(
    registry: Callable[[], Registry], make: Callable, kind: str, error: type[Exception]
) -> None:
    known, first = registry(), make("ghost")
    known.add(first, HERE)
    with pytest.raises(nas.PluginError) as caught:
        known.add(make("ghost"), THERE)
    told = str(caught.value)
    assert told.startswith(f"two plugins have a {kind} named 'ghost': {HERE} and {THERE}.\n")
    assert "Rename one of them" in told
    assert "NAS_DISABLE_PLUGINS" in told
    assert known["ghost"] is first
    assert known.origin("ghost") == HERE


@EVERY_KIND
def test_an_unknown_name_is_an_error_of_its_kind_that_tells_the_nearest(
    registry: Callable[[], Registry], make: Callable, kind: str, error: type[Exception]
) -> None:
    known = registry()
    known.add(make("ghost"), HERE)
    for ask in (known.__getitem__, known.origin):
        with pytest.raises(error) as caught:
            ask("gost")
        assert str(caught.value) == f"unknown {kind} 'gost' (did you mean 'ghost'?)"


@EVERY_KIND
def test_a_spec_that_breaks_the_contract_is_refused_with_its_origin_and_nothing_is_added(
    registry: Callable[[], Registry], make: Callable, kind: str, error: type[Exception]
) -> None:
    known = registry()
    for wrong in (make("Ghost"), object(), None):
        with pytest.raises(nas.PluginError, match="acme 1.2: acme.blocks: ") as caught:
            known.add(wrong, HERE)
        assert kind in str(caught.value)
    assert dict(known) == {}


def test_an_origin_prints_as_its_place() -> None:
    assert str(HERE) == "acme 1.2: acme.blocks"
