"""What a runtime plugin may hand over, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

import nas
from nas.runtimes import broken_contract


def spec(**changed: object) -> nas.RuntimeSpec:
    values: dict[str, object] = {"name": "turbo", "version": 1, "prepare": print}
    return nas.RuntimeSpec(**{**values, **changed})  # type: ignore[arg-type]


def test_the_fields_are_those_of_the_contract_in_their_order() -> None:
    assert [field.name for field in fields(nas.RuntimeSpec)] == [
        "name", "version", "prepare", "devices", "check", "libraries", "sent"
    ]


def test_a_name_a_version_and_a_prepare_are_a_whole_runtime() -> None:
    assert broken_contract(spec()) is None
    assert spec().devices == {"cpu", "cuda"}
    assert spec().check(nas.RuntimeOptions()) is None
    assert spec().libraries(nas.RuntimeOptions()) == {}


def test_a_runtime_is_told_plain_conditions_by_default() -> None:
    assert nas.RuntimeOptions() == nas.RuntimeOptions("cpu", "float32", "contiguous", 1, {}, fuse=True, caches="warm")


def test_a_call_of_several_passes_calls_what_runs_them() -> None:
    call = nas.DeviceCall(lambda: "the answer")
    assert (call(), call.passes, call.launched) == ("the answer", 1, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Turbo"}, "runtime name 'Turbo' must be lower case letters, digits and underscores"),
        ({"name": None}, "runtime name None must be"),
        ({"version": 0}, "runtime 'turbo': version 0 must be a whole number from 1"),
        ({"version": 1.0}, "version 1.0 must be a whole number from 1"),
        ({"prepare": None}, "runtime 'turbo': prepare must be callable, got None"),
        ({"check": "no"}, "runtime 'turbo': check must be callable, got 'no'"),
        ({"libraries": {}}, "runtime 'turbo': libraries must be callable, got {}"),
        ({"devices": "cpu"}, "runtime 'turbo': devices must be a set of device kinds such as 'cpu', got 'cpu'"),
        ({"devices": frozenset()}, "devices must be a set of device kinds such as 'cpu', got frozenset()"),
        ({"devices": {1}}, "devices must be a set of device kinds such as 'cpu', got {1}"),
        ({"devices": {"ssh"}}, "runtime 'turbo': 'ssh' must be among its devices where it has a sent"),
        ({"sent": len}, "runtime 'turbo': 'ssh' must be among its devices where it has a sent"),
        ({"sent": 1, "devices": {"ssh"}}, "'ssh' must be among its devices where it has a sent"),
        ({"devices": None}, "devices must be a set of device kinds such as 'cpu', got None"),
    ],
)
def test_what_breaks_the_contract_is_named(changed: dict[str, object], said: str) -> None:
    assert said in str(broken_contract(spec(**changed)))


@pytest.mark.parametrize("given", [None, "turbo", len])
def test_what_is_no_runtime_spec_is_named_by_its_type(given: object) -> None:
    assert broken_contract(given) == f"nas_runtimes must give RuntimeSpec values, got {type(given).__name__}"
