"""Threads and garbage collection are put back, whatever happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch

from nas.errors import MeasureError
from nas.latency.quiet import cpu_threads, no_garbage_collection, refuse_other_threads, torch_as_it_was


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    gc.enable()


def test_threads_hold_inside_and_are_put_back() -> None:
    torch.set_num_threads(2)
    with cpu_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_threads_are_put_back_after_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(KeyboardInterrupt), cpu_threads(1):
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 2


def test_garbage_is_not_collected_inside() -> None:
    with no_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_garbage_collection_is_put_back_after_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), no_garbage_collection():
        raise KeyboardInterrupt
    assert gc.isenabled()


def test_garbage_collection_that_was_off_stays_off() -> None:
    gc.disable()
    with no_garbage_collection():
        assert not gc.isenabled()
    assert not gc.isenabled()


def read() -> dict[str, object]:
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "only warned": torch.is_deterministic_algorithms_warn_only_enabled(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "cudnn": torch.backends.cudnn.enabled,
        "cudnn, deterministic": torch.backends.cudnn.deterministic,
        "benchmark": torch.backends.cudnn.benchmark,
        "precision": torch.get_float32_matmul_precision(),
    }


@pytest.mark.parametrize("ends", ["well", "with an error"])
def test_what_a_network_sets_for_the_whole_process_is_put_back(ends: str) -> None:
    before = read()
    with suppress(KeyboardInterrupt), torch_as_it_was():
        torch.set_num_threads(before["threads"] + 1)  # type: ignore[operator]
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.mkldnn.enabled = False
        torch.backends.cudnn.enabled = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("medium")
        changed = read()
        if ends == "with an error":
            raise KeyboardInterrupt
    assert [name for name in before if changed[name] == before[name]] == []
    assert read() == before


def test_another_number_of_threads_than_asked_for_is_refused_with_both() -> None:
    torch.set_num_threads(2)
    refuse_other_threads(2)
    with pytest.raises(MeasureError, match="with 2 threads now, and 1 were asked for") as told:
        refuse_other_threads(1)
    assert told.value.outcome == "invalid"
