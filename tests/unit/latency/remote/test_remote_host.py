"""A host is a name and nothing else: what a study file says reaches neither ssh's options nor a shell."""

from __future__ import annotations

import shlex

import pytest

from nas.errors import MeasureError, SpecError
from nas.latency.device import Device, local_device, resolve_device
from nas.latency.remote.host import (
    BOOTSTRAP,
    CONFIG_VARIABLE,
    PYTHON_VARIABLE,
    Place,
    command_of,
    place_of,
    python_there,
)


@pytest.mark.parametrize("host", ["jetson", "pi@10.0.0.7", "some_one@host.example.org", "fe80::1", "::1", "a-b.c"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert place_of(f"ssh:{host}") == Place(host, "cpu")
    device = resolve_device(f"ssh:{host}")
    assert device == Device(f"ssh:{host}", host)
    assert (device.kind, str(device)) == ("ssh", f"ssh:{host}")


@pytest.mark.parametrize("host", [
    "", "-oProxyCommand=id", "-v", "a b", "a\tb", "a\n", "a;id", "$(id)", "`id`", "a&b", "a|b", "a'b", 'a"b', "a\\b",
    "/a", "ssh://a", "a%h", "@a", "-x@a", "a@-x", "a@b@c", "ü", "a" * 256, "a=b", "{a,b}", "*", "~a", "a\0b",
])
def test_anything_else_is_refused_before_ssh_is_started(host: str) -> None:
    with pytest.raises(SpecError, match="give ssh:HOST with a host as ssh takes it") as caught:
        resolve_device(f"ssh:{host}")
    assert str(caught.value).startswith("device = ")


@pytest.mark.parametrize(("device", "processor", "name"), [
    ("ssh:pi@board/cuda", "cuda:0", "ssh:pi@board/cuda:0"),
    ("ssh:pi@board/cuda:0", "cuda:0", "ssh:pi@board/cuda:0"),
    ("ssh:pi@board/cuda:12", "cuda:12", "ssh:pi@board/cuda:12"),
    ("ssh:pi@board/cpu", "cpu", "ssh:pi@board"),
])
def test_what_computes_there_is_named_after_a_slash(device: str, processor: str, name: str) -> None:
    assert place_of(device) == Place("pi@board", processor)
    found = resolve_device(device)
    assert (found, found.kind, found.processor) == (Device(name, "pi@board"), "ssh", processor.partition(":")[0])


@pytest.mark.parametrize("processor", ["", "b", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:00000", "cuda:0/", "CUDA"])
def test_what_computes_nowhere_is_refused_before_ssh_is_started(processor: str) -> None:
    with pytest.raises(SpecError, match="give ssh:board for its CPU, or ssh:board/cuda:0 for its first CUDA device"):
        resolve_device(f"ssh:board/{processor}")


def test_what_is_done_here_alone_refuses_other_machines() -> None:
    assert local_device("cpu").kind == "cpu"
    with pytest.raises(SpecError, match="this is done on the machine that it is called on"):
        local_device("ssh:jetson")


def test_the_host_comes_after_all_options_and_the_program_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    words = command_of("pi@board", "python3")
    assert words[0] == "ssh"
    assert "BatchMode=yes" in words
    assert "ConnectTimeout=10" in words
    assert "-F" not in words
    assert words[-3:-1] == ["--", "pi@board"]
    assert shlex.split(words[-1]) == ["python3", "-c", BOOTSTRAP]


def test_another_configuration_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, "/some/where/config")
    assert command_of("board", "python3")[1:3] == ["-F", "/some/where/config"]


def test_no_shell_finds_anything_to_do_in_the_program() -> None:
    assert not set(BOOTSTRAP) & set('"$`\\!\n')


def test_another_python_can_be_named_but_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    assert python_there() == "python3"
    monkeypatch.setenv(PYTHON_VARIABLE, "~/venv/bin/python3.9")
    assert python_there() == "~/venv/bin/python3.9"
    for bad in ("python3; id", "-c", "a b", "$(id)"):
        monkeypatch.setenv(PYTHON_VARIABLE, bad)
        with pytest.raises(MeasureError, match=PYTHON_VARIABLE):
            python_there()
