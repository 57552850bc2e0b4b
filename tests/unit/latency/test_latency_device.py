"""What a device's name means on this machine."""

from __future__ import annotations

import pytest
import torch

from nas.errors import MeasureError, SpecError
from nas.latency import device as room
from nas.latency.device import Device, lacks_dtype, resolve_device


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")


def test_auto_without_a_gpu_is_the_cpu_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    device = resolve_device("auto")
    assert (str(device), device.kind) == ("cpu", "cpu")
    assert device.name
    assert device.notice == f"no CUDA device: latency is measured on the CPU ({device.name})"


def test_auto_with_a_gpu_is_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    assert resolve_device("auto") == Device("cuda:0", "GPU number 0")


def test_the_cpu_that_was_asked_for_needs_no_notice() -> None:
    assert resolve_device("cpu").notice == ""


@pytest.mark.parametrize(("text", "name"), [("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")])
def test_cuda_devices_are_named_with_their_index(monkeypatch: pytest.MonkeyPatch, text: str, name: str) -> None:
    with_gpus(monkeypatch, 2)
    device = resolve_device(text)
    assert (device.torch_name, device.kind) == (name, "cuda")


@pytest.mark.parametrize(
    ("count", "text", "message"),
    [
        (0, "cuda", "there is no CUDA device"),
        (0, "cuda:0", "there is no CUDA device"),
        (1, "cuda:1", "there is one CUDA device, cuda:0"),
        (2, "cuda:2", "there are 2 CUDA devices"),
    ],
)
def test_a_cuda_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, count: int, text: str, message: str
) -> None:
    with_gpus(monkeypatch, count)
    with pytest.raises(SpecError, match=message) as caught:
        resolve_device(text)
    assert f"device = '{text}'" in str(caught.value)


@pytest.mark.parametrize("text", ["gpu", "cuda:x", "cuda:-1", "cuda:", "tpu", "", "CPU"])
def test_an_unknown_device_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="give auto, cpu, cuda or cuda:N"):
        resolve_device(text)


def test_the_nearest_device_is_told() -> None:
    with pytest.raises(SpecError, match="did you mean 'cuda'"):
        resolve_device("cudaa")


def test_another_machine_is_named_without_being_asked() -> None:
    assert resolve_device("ssh:jetson") == Device("ssh:jetson", "jetson")


def test_the_cpu_is_asked_whether_it_computes_in_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacks_dtype(Device("cpu", "this one"), "float32") is None

    def refuse(*args: object) -> torch.Tensor:
        raise RuntimeError('"slow_conv2d_cpu" not implemented for \'Half\'\nmore')

    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    reason = lacks_dtype(Device("cpu", "an old CPU"), "float16")
    assert reason == "an old CPU cannot compute in it: \"slow_conv2d_cpu\" not implemented for 'Half'"


def test_a_full_device_does_not_count_as_lacking_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*args: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    full = Device("cpu", "a full CPU")
    with monkeypatch.context() as patched:
        patched.setattr(torch.nn.functional, "conv2d", fill)
        with pytest.raises(MeasureError) as caught:
            room.lacks_dtype(full, "float32")
    assert caught.value.outcome == "oom"
    assert lacks_dtype(full, "float32") is None
