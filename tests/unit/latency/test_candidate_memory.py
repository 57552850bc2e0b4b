"""A candidate's memory on a GPU is given back, and that hides nothing; with a stand-in for torch's own doing."""

from __future__ import annotations

import pytest
import torch

from nas.errors import MeasureError
from nas.latency.candidate import memory_given_back
from nas.latency.device import Device

GPU = Device("cuda:0", "a fake GPU")


def test_it_is_given_back_after_an_answer_and_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append("once"))
    with memory_given_back(GPU):
        pass
    with pytest.raises(MeasureError), memory_given_back(GPU):
        raise MeasureError("too large", "oom")
    with memory_given_back(Device("cpu", "a CPU")):
        pass
    assert given_back == ["once", "once"]


def test_a_device_that_a_candidate_broke_leaves_the_word_to_what_broke_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "empty_cache", broken)
    with pytest.raises(MeasureError, match="^running the network: ") as caught, memory_given_back(GPU):
        raise MeasureError("running the network: an illegal memory access", "device_error")
    assert caught.value.outcome == "device_error"
    with pytest.raises(torch.AcceleratorError), memory_given_back(GPU):
        """Ends well, it seems."""
