"""Where a training runs, and on how many threads."""

from __future__ import annotations

import pytest
import torch

from nas.errors import SpecError
from nas.train.device import find_device
from nas.train.threads import find_threads, limited_to


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")


def test_a_gpu_is_taken_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(SpecError, match=r'device = "cuda:2": this machine has 2 GPUs'):
        find_device("cuda:2")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SpecError, match=r'has no GPU that torch can use; use "auto" or "cpu"'):
        find_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "ssh:jetson", 0, None, True])
def test_other_devices_are_refused(name: object) -> None:
    with pytest.raises(SpecError, match="must be auto, cpu, cuda or cuda:N"):
        find_device(name)


def test_small_inputs_take_one_thread_and_large_ones_torchs_own_number() -> None:
    assert find_threads("auto", (3, 32, 32)) == 1
    assert find_threads("auto", (1, 33, 32)) is None
    assert find_threads(3, (1, 8, 8)) == 3


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two", None, True])
def test_other_numbers_of_threads_are_refused(threads: object) -> None:
    with pytest.raises(SpecError, match='must be "auto" or a whole number from 1'):
        find_threads(threads, (1, 8, 8))


def test_the_number_of_threads_is_set_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), limited_to(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
    with limited_to(None):
        assert torch.get_num_threads() == before
