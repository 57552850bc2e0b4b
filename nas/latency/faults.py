"""What went wrong while a candidate was run, as an outcome of the report."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from nas.errors import MeasureError, NasError
from nas.outcomes import OUTCOMES

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "CUBLAS_STATUS_ALLOC_FAILED",
                  "CUDNN_STATUS_ALLOC_FAILED", "Failed to allocate memory", "bad_alloc")
_DEVICE = ("CUDA error", "CUDA driver error", "device-side assert", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS",
           "illegal memory access", "NVML")


def outcome_of(error: BaseException) -> str:
    """`oom`, `device_error`, or `invalid` for a network that cannot be run at all."""
    import torch

    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in text for sign in _OUT_OF_MEMORY):
        return "oom"
    if isinstance(error, torch.AcceleratorError) or any(sign in text for sign in _DEVICE):
        return "device_error"
    return "invalid"


def as_outcome(error: BaseException) -> tuple[str, str]:
    """The outcome of a metric that raised this, and its message: a word of its own, where it is one of the report's."""
    if isinstance(error, MeasureError):
        return error.outcome if error.outcome in OUTCOMES[1:] else "metric_error", str(error)
    if isinstance(error, NasError):
        return "invalid", str(error)
    outcome = outcome_of(error)
    return "metric_error" if outcome == "invalid" else outcome, f"{type(error).__name__}: {error}"


@contextmanager
def named(doing: str) -> Iterator[None]:
    """Turns what a network or a runtime raises inside into a `MeasureError` that says what was being done.

    Raises:
        MeasureError: with outcome `oom`, `device_error` or `invalid`, or with that of the `MeasureError` raised inside.
    """
    try:
        yield
    except MeasureError as error:  # which knows its outcome already
        raise MeasureError(f"{doing}: {error}", error.outcome) from error
    except NasError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # its frames hold the tensors that filled the memory
        first_line = (str(error).strip() or "no message").splitlines()[0]
        raise MeasureError(f"{doing}: {type(error).__name__}: {first_line}", outcome_of(error)) from error
