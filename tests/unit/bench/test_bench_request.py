"""What a bench can be asked for, and what is refused before a device is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest

import nas
from nas.bench.published import published
from nas.bench.request import conditions_of, make_request, parse_batches
from nas.errors import NasError, SpecError
from nas.zoo import names

SMALL = str(nas.Architecture((3, 16, 16), (nas.Stage("conv", 1, 1, 8, 2),), nas.Stem(channels=8), classes=5))


def test_every_published_network_comes_first_and_none_twice() -> None:
    found = make_request(["resnet18", SMALL, SMALL], every=True).subjects
    assert [subject.text for subject in found] == [*names(), SMALL]
    assert found[-1].label == nas.load(SMALL).arch_id  # a text is too long for a table
    assert found[-1].input_shape == (3, 16, 16)
    assert found[-1].published is None


def test_a_request_goes_through_the_pipe() -> None:
    request = make_request([SMALL], batches=[8, 1, 8], runtimes=["eager"], max_seconds=2, device="cpu", threads=1)
    told = request.arguments()
    assert told["batches"] == (1, 8)
    assert told["runtimes"] == ("eager",)
    assert told["options"]["threads"] == 1
    assert list(told["shapes"].values()) == [(3, 16, 16)]


@pytest.mark.parametrize(
    ("networks", "options", "said"),
    [
        ([], {}, "--all"),
        (["resnet19"], {}, "did you mean 'resnet18'"),
        ([SMALL], {"dtype": "int8"}, "dtype = 'int8'"),
        ([SMALL], {"runtimes": ["eagre"]}, "did you mean 'eager'"),
        ([SMALL], {"batches": [0]}, "batch = 0"),
        ([SMALL], {"max_seconds": 0.0}, "max_seconds = 0.0"),
        ([SMALL], {"threads": 0}, "threads = 0"),
        ([SMALL], {"plugin_files": ["missing.py"]}, "missing.py"),
    ],
)
def test_what_cannot_be_meant_is_refused(networks: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError, match=re.escape(said)):
        make_request(networks, **options)


def test_batches_are_whole_numbers_between_commas() -> None:
    assert parse_batches("1, 8,64") == (1, 8, 64)
    for text in ("0", "1,,2", "-1", "1.5", "", "70000", "one"):
        with pytest.raises(SpecError, match="--batch"):
            parse_batches(text)


def test_what_the_device_refuses_is_the_caller_s_mistake() -> None:
    with pytest.raises(SpecError, match="no such device"):
        conditions_of({"refused": "no such device"})


def test_published_figures_are_torchvision_s_own_and_agree_with_what_is_counted() -> None:
    pytest.importorskip("torchvision")
    for name in names():
        found = published(name, nas.load(name))
        assert found is not None
        cost = nas.count(name)
        assert found.params == cost.params
        assert cost.macs / 1e9 == pytest.approx(found.gflops, abs=6e-4)  # published to three decimals
    resnet = published("torchvision:resnet50", nas.load("torchvision:resnet50"))
    assert resnet is not None
    assert resnet.weights == "ResNet50_Weights.IMAGENET1K_V2"
    assert resnet.accuracy == 80.858


def test_a_network_of_no_published_name_has_no_published_figures() -> None:
    assert published(SMALL, nas.load(SMALL)) is None
    assert published(str(nas.load("resnet18")), nas.load("resnet18")) is None  # whoever writes it out may mean another
