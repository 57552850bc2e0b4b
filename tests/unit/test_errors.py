"""One tree of errors; what is misspelled is answered with the nearest name."""

from __future__ import annotations

import pickle

import pytest

import nas
from nas import errors
from nas.errors import nearest, printable


def test_every_error_is_a_nas_error_and_documented() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) == 8
    assert all(issubclass(kind, nas.NasError) and kind.__doc__ for kind in kinds)


@pytest.mark.parametrize(
    "name",
    [
        *("NasError", "SpecError", "PluginError", "BlockError", "StudyDriftError", "MeasureError", "StoreError"),
        "NothingFeasibleError",
    ],
)
def test_every_error_is_public(name: str) -> None:
    assert getattr(nas, name) is getattr(errors, name)


def test_a_measure_error_has_the_outcome_of_its_row() -> None:
    assert nas.MeasureError("no luck").outcome == "metric_error"
    assert nas.MeasureError("no memory", "oom").outcome == "oom"
    assert str(nas.MeasureError("no memory", outcome="oom")) == "no memory"


def test_a_measure_error_comes_out_of_a_worker_process_as_it_was() -> None:
    again = pickle.loads(pickle.dumps(nas.MeasureError("no memory", "oom")))
    assert (type(again), str(again), again.outcome) == (nas.MeasureError, "no memory", "oom")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("mbcov", " (did you mean 'mbconv'?)"),
        ("fused_mbcnov", " (did you mean 'fused_mbconv'?)"),
        ("conv", " (did you mean 'conv'?)"),
        ("transformer", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_told_where_there_is_one(word: str, told: str) -> None:
    assert nearest(word, iter(["conv", "mbconv", "fused_mbconv"])) == told


def test_nothing_is_near_to_nothing() -> None:
    assert nearest("conv", []) == ""


def test_a_mistake_of_the_caller_s_exits_with_2_and_a_run_that_failed_with_1() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, nas.NasError)]
    assert {kind.__name__ for kind in kinds if kind.exit_code == 1} == {"MeasureError", "NothingFeasibleError"}
    assert {kind.exit_code for kind in kinds} == {1, 2}


def test_a_message_for_a_terminal_has_nothing_that_acts_on_it_and_keeps_its_lines() -> None:
    told = printable("block \x1b[31mred\x9b2J\r\n\tof \u202etxt: ä, 10 µs")
    assert told == "block \\x1b[31mred\\x9b2J\\r\n\\tof \\u202etxt: ä, 10 µs"
