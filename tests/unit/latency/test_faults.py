"""What a network or a device raises becomes a word that a report holds."""

from __future__ import annotations

import weakref

import pytest
import torch

from nas.errors import MeasureError, SpecError
from nas.latency.faults import named, outcome_of
from nas.outcomes import ITS_OWN_FAULT


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "oom"),
        (MemoryError(), "oom"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom"),
        (RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer"), "oom"),
        (RuntimeError("Exception from src/inference/src/cpp/core.cpp:112: std::bad_alloc"), "oom"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "device_error"),
        (torch.AcceleratorError("device-side assert triggered"), "device_error"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "device_error"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x8 and 9x2)"), "invalid"),
        (AttributeError("'Net' object has no attribute 'stem'"), "invalid"),
    ],
)
def test_errors_have_outcomes(error: Exception, outcome: str) -> None:
    assert outcome_of(error) == outcome
    assert outcome in ITS_OWN_FAULT


def test_the_error_says_what_was_being_done_and_the_first_line_of_the_cause() -> None:
    with pytest.raises(MeasureError) as caught, named("running the network"):
        raise RuntimeError("shapes differ\na second line")
    assert str(caught.value) == "running the network: RuntimeError: shapes differ"
    assert caught.value.outcome == "invalid"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_error_without_a_message_is_still_told() -> None:
    with pytest.raises(MeasureError, match="running: MemoryError: no message"), named("running"):
        raise MemoryError


def test_an_error_that_knows_its_outcome_keeps_it_and_is_told_with_what_was_being_done() -> None:
    with pytest.raises(MeasureError, match="^running: its output holds NaN$") as caught, named("running"):
        raise MeasureError("its output holds NaN", "nan")
    assert caught.value.outcome == "nan"


def test_our_own_errors_and_interrupts_pass_untouched() -> None:
    with pytest.raises(SpecError), named("running"):
        raise SpecError("ours")
    with pytest.raises(KeyboardInterrupt), named("running"):
        raise KeyboardInterrupt


def test_what_filled_the_memory_is_let_go() -> None:
    class Large:
        pass

    seen: list[weakref.ref[Large]] = []

    def fill() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise MemoryError

    with pytest.raises(MeasureError) as caught, named("running"):
        fill()
    assert caught.value.outcome == "oom"
    assert seen[0]() is None
