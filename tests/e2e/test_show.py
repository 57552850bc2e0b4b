"""`nas show` and `nas blocks` as people and programs read them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import nas
from nas.cli import main
from nas.cli.show_tables import bar


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["nas", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert not ended.value.code, told.err
    return told.out


def test_each_part_has_a_line_and_the_totals_are_exact(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch, "show", "resnet50")
    cost = nas.count("resnet50")
    assert f"{cost.params:,} parameters, {cost.macs:,} MACs, {cost.flops:,} FLOPs as fvcore counts them" in told
    assert "not counted: aten::max_pool2d" in told
    (line,) = [line for line in told.splitlines() if line.strip().startswith("stages.3")]
    assert line.split()[1:6] == ["bottleneck", "x", "3", "512x28x28", "840.2"]
    assert "side by side" not in told


def test_a_stage_s_line_has_shape_costs_receptive_field_stride_and_bars_as_counted_by_hand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two 3x3 convolutions from 8 to 16 channels over 8 x 16 places of an image of 16 x 32; norms are 2 FLOPs a value."""
    stage = nas.Stage("conv", 1, 2, 16, 2, {"kernel": 3})
    stem = nas.Stem(channels=8, kernel=1, stride=1)
    arch = nas.Architecture((1, 16, 32), (stage,), stem, nas.Head(channels=0, dropout=0), classes=4)
    told = shown(capsys, monkeypatch, "show", str(arch))
    rows = {line.split()[0]: line.split()[1:] for line in told.splitlines() if line.split()}
    first, second, values = 8 * 16 * 9, 16 * 16 * 9, 2 * 16 * 8 * 16
    params, macs = first + second + 2 * 2 * 16, (first + second) * 8 * 16
    assert (params, macs, macs + 2 * values, values) == (3520, 442_368, 450_560, 4096)
    bars = ["█" * 12] * 2
    costs = ["3.52", "k", bars[0], "442.4", "k", bars[1], "450.6", "k", "4.096", "k"]
    assert rows["stages.0"] == ["conv", "x", "2", "16x8x16", *costs, "7x7", "2"]
    assert rows["stem"][0] == "8x16x32"
    assert rows["stem"][-2:] == ["1x1", "1"]


def test_receptive_fields_of_stacked_3x3_kernels_stand_beside_one_large_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(repeats: int, kernel: int) -> nas.Architecture:
        stage = nas.Stage("conv", 1, repeats, 16, 1, {"kernel": kernel})
        return nas.Architecture((1, 16, 16), (stage,), nas.Stem(channels=16, kernel=1, stride=1), nas.Head(channels=0))

    networks = [network(2, 3), network(1, 5), network(3, 3), network(1, 7)]
    told = shown(capsys, monkeypatch, "show", *map(str, networks))
    rows = told[told.index("side by side"):].splitlines()
    fields = [next(word for word in row.split()[1:] if "x" in word) for row in rows if row.strip()[:12] in ids(networks)]
    assert fields == ["5x5", "5x5", "7x7", "7x7"]


def test_networks_side_by_side_that_take_other_inputs_are_told_as_such(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch, "show", "resnet18", "torchvision:resnet18", "timm:resnet18")
    assert told.count("note: inputs differ") == 1
    assert "3x224x224 resnet18, torchvision:resnet18; 3x288x288 timm:resnet18" in told
    assert "(timm's test_input_size)" in told
    assert "inputs differ" not in shown(capsys, monkeypatch, "show", "resnet18", "torchvision:resnet18")


def test_a_network_of_another_library_is_shown_as_a_whole_beside_the_published_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch, "show", "torchvision:resnet18", "resnet18")
    (line,) = [line for line in told.splitlines() if line.split()[:1] == ["network"] and "as a whole" in line]
    assert line.split()[4] == "1000"
    cost = nas.count("resnet18")
    assert told.count(f"{cost.params:,} parameters, {cost.macs:,} MACs, {cost.flops:,} FLOPs") == 2
    rows = told[told.index("side by side"):].splitlines()
    theirs, ours = (row.split() for row in rows if row.split() and row.split()[0].endswith("resnet18"))
    assert theirs[0] == "torchvision:resnet18"
    assert theirs[1:] == ours[1:]


def test_timms_block_strings_are_shown_by_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = shown(capsys, monkeypatch, "show", "ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24")
    arch = nas.load("ds_r1_k3_s1_c16 ir_r2_k3_s2_e6_c24")
    assert told.startswith(f"{arch.arch_id}, input 3x224x224")
    (line,) = [line for line in told.splitlines() if line.strip().startswith("stages.1")]
    assert line.split()[1:5] == ["mbconv", "x", "2", "24x56x56"]


def ids(networks: list[nas.Architecture]) -> set[str]:
    return {nas.load(str(network)).arch_id for network in networks}


def test_a_local_plugin_s_network_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.py").write_text(
        "import nas\nfrom torch import nn\n"
        "def build(io):\n    return nn.Conv2d(io.in_channels, io.out_channels, 1, io.stride)\n"
        "@nas.hookimpl\ndef nas_blocks():\n    return [nas.BlockSpec('plain', 1, build)]\n"
    )
    arch = nas.Architecture((1, 8, 8), (nas.Stage("plain", 1, 2, 8, 2),), classes=2)
    told = shown(capsys, monkeypatch, "show", str(arch), "--plugin", str(tmp_path / "plain.py"))
    assert "plain x 2" in told


@pytest.mark.parametrize(("value", "text"), [(0, ""), (1e-9, "▏"), (4, "████"), (4.5, "████▌"), (12, "█" * 12)])
def test_a_bar_is_as_long_as_its_share(value: float, text: str) -> None:
    assert bar(value, 12) == text


def test_blocks_are_listed_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(shown(capsys, monkeypatch, "blocks", "--format", "json"))
    found = {block["name"]: block for block in told["blocks"]}
    assert {"conv", "mbconv", "bottleneck", "inception", "attention", "transposed_conv"} <= found.keys()
    assert found["transposed_conv"]["scale"] == "up"
    assert found["bottleneck"]["parameters"][0] == {"name": "expand", "default": 0.25, "choices": [0.25, 0.5, 1]}
    assert "nas_blocks.residual" in found["bottleneck"]["origin"]
    assert told["broken"] == []


POWER = """
import nas

def lacks(options):
    if options.device == "cpu":
        return "the meter is not installed; pip install 'meter[red]'"

def fails(options):
    raise OSError("no licence")

@nas.hookimpl
def nas_metrics():
    return [nas.MetricSpec("power_w", "W", "minimize", 3, len, options={"meter": "usb0", "exact": True})]

@nas.hookimpl
def nas_runtimes():
    return [nas.RuntimeSpec("metered", 2, len, check=lacks), nas.RuntimeSpec("broken", 1, len, check=fails)]
"""


def test_metrics_and_runtimes_are_listed_with_their_options_and_with_what_is_missing_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "power.py").write_text(POWER)
    told = shown(capsys, monkeypatch, "blocks", "--plugin", str(tmp_path / "power.py"))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if "│" in line]
    assert ["power_w", "3", "W", "less", 'meter: "usb0"'] in [line[:5] for line in lines]
    assert "exact: true" in [line[4] for line in lines if len(line) == 6]
    rows: list[list[str]] = []
    for line in lines:
        if len(line) == 5 and not line[0] and rows:  # a cell too long for its column goes on below
            rows[-1] = [f"{cell} {more}".strip() for cell, more in zip(rows[-1], line, strict=True)]
        elif len(line) == 5:
            rows.append(line)
    by_name = {row[0]: row[2:4] for row in rows}
    assert by_name["eager"] == ["cpu, cuda, ssh", "nothing"]
    assert by_name["metered"] == ["cpu, cuda", "cpu: the meter is not installed; pip install 'meter[red]'"]
    assert by_name["broken"] == ["cpu, cuda", "its check fails: OSError: no licence"]


def test_metrics_and_runtimes_are_listed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "power.py").write_text(POWER)
    told = json.loads(shown(capsys, monkeypatch, "blocks", "--format", "json", "--plugin", str(tmp_path / "power.py")))
    metrics, runtimes = ({spec["name"]: spec for spec in told[kind]} for kind in ("metrics", "runtimes"))
    assert metrics["latency_ms"]["options"]["runtime"] == "eager"
    assert (metrics["power_w"]["unit"], metrics["power_w"]["direction"]) == ("W", "minimize")
    assert metrics["power_w"]["origin"] == str(tmp_path / "power.py")
    assert runtimes["cuda_graph"]["devices"] == ["cuda"]
    assert runtimes["eager"]["missing"] == {}
    assert runtimes["metered"]["missing"] == {"cpu": "the meter is not installed; pip install 'meter[red]'"}


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_runtime_that_runs_on_gpus_alone_lacks_one_where_there_is_none(
    gpus: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.latency.gpu.count", lambda: gpus)
    listed = json.loads(shown(capsys, monkeypatch, "blocks", "--format", "json"))["runtimes"]
    lacks = {spec["name"]: spec["missing"].get("cuda", "") for spec in listed}
    assert lacks["eager"] == ""
    assert lacks["cuda_graph"] == ("" if gpus else "a CUDA device")
    assert lacks["tensorrt"].startswith("a CUDA device") is not bool(gpus)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_narrow_terminal_goes_without_columns_and_is_told_so_but_nothing_is_cut(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setattr("nas.cli.options.output", lambda: Console(width=width))
    told = shown(capsys, monkeypatch, "show", "resnet50", "mobilenet_v3_large")
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= width
    for word in ("stages.5", "bottleneck x 5", "1024x14x14", "5.586 M", "1.092 G", "mobilenet_v3_large", "5.483 M"):
        assert word in told, word
    assert told.count(f"left out, for a width of {width}: bars of the costs") == (3 if width <= 120 else 0)


def test_a_long_name_goes_on_in_the_next_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "timm:mobilenetv3_small_050.lamb_in1k"
    told = shown(capsys, monkeypatch, "show", "resnet18", long)
    last = told[told.index("side by side"):]
    assert "…" not in last
    assert "█" in last
    words = [line.split()[0] for line in last.splitlines() if line.strip()]
    assert words[-2] + words[-1] == long
