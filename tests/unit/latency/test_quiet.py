"""Threads and garbage collection are put back, whatever happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from nas.latency.quiet import cpu_threads, no_garbage_collection


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
