"""A bench as a table, a page, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from nas.bench import told
from nas.bench.files import CSV_COLUMNS, as_csv, as_json, check_out, write
from nas.bench.page import page
from nas.bench.result import Bench
from nas.bench.table import rendered
from nas.errors import SpecError, StoreError


def by_heading(bench: Bench, place: int) -> dict[str, str]:
    row = bench.rows[place]
    return dict(zip([column.heading for column in told.columns(bench)], told.cells(bench, row), strict=True))


def test_a_row_tells_costs_latency_throughput_and_what_others_published(bench: Bench) -> None:
    assert by_heading(bench, 0) == {
        "network": "small", "input": "3x32x32", "params": "1 M", "macs": "125 M", "activations": "500 k",
        "eager ms, batch 1": "5.0 ±0.2", "images/s": "400", "at batch": "4", "GFLOP/s": "100",
        "GB/s": "2.005", "of roof": "50%", "top-1 %": "70.2", "GMAC": "0.125",
    }


def test_a_failed_network_tells_its_outcome_where_its_latency_would_stand(bench: Bench) -> None:
    cells = by_heading(bench, 2)
    assert cells["eager ms, batch 1"] == "worker_died"
    assert cells["images/s"] == cells["params"] == ""


def test_a_single_pass_has_no_interval_and_says_so(bench: Bench) -> None:
    only = dataclasses.replace(bench.rows[0].timings[0], low_ms=5.0, high_ms=5.0, samples_ms=(5.0,))
    bench.rows[0] = dataclasses.replace(bench.rows[0], timings=(only,))
    assert by_heading(bench, 0)["eager ms, batch 1"] == "5 ±?"


def test_each_runtime_has_its_latency_and_the_last_one_the_throughput(bench: Bench) -> None:
    small = bench.rows[0]
    device = tuple(dataclasses.replace(t, runtime="cuda_graph", median_ms=t.median_ms / 2) for t in small.timings)
    both = dataclasses.replace(small, timings=(small.timings[0], *device))
    conditions = dataclasses.replace(bench.conditions, runtimes=("eager", "cuda_graph"))
    cells = by_heading(dataclasses.replace(bench, conditions=conditions, rows=[both]), 0)
    assert list(cells)[5:7] == ["eager ms, batch 1", "cuda_graph ms, batch 1"]
    assert cells["images/s"] == "800"


def test_the_curve_leaves_out_what_was_not_measured(bench: Bench) -> None:
    header, lines = told.curve(bench)
    assert header == ["network", "1", "4", "16"]
    assert lines == [["small", "200", "400", "320"], ["large", "10", "8", ""], ["broken", "", "", ""]]
    alone = dataclasses.replace(bench, conditions=dataclasses.replace(bench.conditions, batches=(1,)))
    assert told.curve(alone) == ([], [])


def test_notes_tell_failures_first_and_each_kind_of_warning_once(bench: Bench) -> None:
    large = bench.rows[1]
    noisy = [dataclasses.replace(t, warnings=(f"others kept 1.{k} of 2 CPUs busy",)) for k, t in enumerate(large.timings)]
    bench.rows[1] = dataclasses.replace(large, timings=tuple(noisy))
    found = list(told.notes(dataclasses.replace(bench, asked=5)))
    assert found[0] == "stopped: 3 of 5 networks were measured"
    assert found[1] == "large: oom: eager, batch 16: no memory | left"
    assert found[2] == "broken: worker_died: while timing the worker was killed"
    assert "1 of 5 measurements ended before" in found[3]
    assert found[4:] == ["large, eager, batch 1: others kept 1.0 of 2 CPUs busy (1 more like it)"]


def test_the_mark_of_a_single_pass_is_explained_where_it_stands_in_the_table(bench: Bench) -> None:
    assert not [note for note in told.notes(bench) if "±?" in note]
    large = bench.rows[1]
    single = dataclasses.replace(large.timings[0], samples_ms=(100.0,), stopped_by="cap")
    later = dataclasses.replace(large.timings[1], samples_ms=(500.0,))  # of which the table does not tell
    bench.rows[1] = dataclasses.replace(large, timings=(large.timings[0], later))
    assert not [note for note in told.notes(bench) if "±?" in note]
    bench.rows[1] = dataclasses.replace(large, timings=(single,))
    assert [note for note in told.notes(bench) if note.endswith("and ±? that there was time for one pass")]


def test_what_there_is_one_of_is_told_as_one(bench: Bench) -> None:
    small = dataclasses.replace(bench.rows[0], ended="max_seconds is spent",
                                timings=(dataclasses.replace(bench.rows[0].timings[0], stopped_by="cap"),))
    alone = dataclasses.replace(bench, rows=[small], asked=2)
    found = list(told.notes(alone))
    assert found[0] == "stopped: 1 of 2 networks was measured"
    assert found[1] == "the batches of 1 network end early: 5 s a network were spent"
    assert found[2].startswith("1 of 1 measurement ended before its interval was as narrow")
    assert "\n1 network, measured with" in page(alone)


def test_inputs_of_several_sizes_are_told_with_who_takes_which(bench: Bench) -> None:
    assert not [note for note in told.notes(bench) if note.startswith("inputs differ")]
    bench.rows[1] = dataclasses.replace(bench.rows[1], network="timm:resnet50d", input_shape=(3, 288, 288))
    [note] = [note for note in told.notes(bench) if note.startswith("inputs differ")]
    assert note == ("inputs differ: 3x32x32 small, broken; 3x288x288 timm:resnet50d; of a network with a name, a "
                    "published crop is used (timm's test_input_size)")
    [note] = told.inputs_differ({**{f"n{k}": (3, 8, 8) for k in range(5)}, "other": (3, 9, 9)})
    assert "3x8x8 n0, n1, n2 and 2 more; 3x9x9 other;" in note
    assert "timm" not in note


def test_the_terminal_shows_table_curve_roofs_and_notes(bench: Bench) -> None:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(rendered(bench))
    text = console.export_text()
    assert "images/s over the batch, eager" in text
    assert "200 GFLOP/s on a 1024 x 1024 matrix product in float32, and 10 GB/s on a copy of 256 MiB" in text
    assert "note: broken: worker_died" in text
    assert "cpu (a CPU), float32, contiguous, 2 threads, up to 5 s a network" in text


def shown(bench: Bench, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(rendered(bench))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_narrow_terminal_goes_without_columns_and_is_told_so_but_no_number_is_cut(bench: Bench, width: int) -> None:
    text = shown(bench, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for word in ("5.0 ±0.2", "worker_died", "400", "images/s"):
        assert word in text
    assert (f"left out, for a width of {width}: GMAC, activations" in text) is (width < 200)
    assert "left out" not in shown(bench, 200)


def test_a_long_name_goes_on_in_the_next_line_and_takes_no_column_away(bench: Bench) -> None:
    long = "timm:" + 40 * "x" + ".in1k"
    named = dataclasses.replace(bench, rows=[dataclasses.replace(bench.rows[0], network=long), *bench.rows[1:]])
    text = shown(named, 160)
    assert "left out" not in text
    assert text.count("x") - shown(bench, 160).count("x") == 2 * 40  # in the table and in the curve, nothing is cut


def test_of_many_batches_every_other_one_goes_first_and_the_ends_stay(bench: Bench) -> None:
    batches = tuple(2**power for power in range(9))
    conditions = dataclasses.replace(bench.conditions, batches=batches)
    text = shown(dataclasses.replace(bench, conditions=conditions), 45)
    [told_so] = [line for line in text.splitlines() if line.startswith("left out, for a width of 45: 2, 8")]
    assert "1," not in told_so.partition(":")[2]
    assert "256" not in told_so


def test_the_page_says_what_its_columns_mean_and_keeps_the_machine_s_name_to_itself(bench: Bench) -> None:
    text = page(bench, "my roof.svg")
    assert text.startswith("# Networks on a CPU\n")
    assert "![Each network below what this device reaches](my%20roof.svg)" in text
    assert "| small | Small\\_Weights.V1 | 70.250 | 1,000,000 | 1,000,000 | 0.125 | 0.125 |" in text
    assert "each weight read once a pass" in text
    assert "no memory \\| left" in text
    assert "my-machine" not in text
    assert "secret" not in text


def test_csv_has_a_line_a_measurement_and_one_for_a_network_without_any(bench: Bench) -> None:
    bench.rows[2] = dataclasses.replace(bench.rows[2], message="=1+1")
    lines = list(csv.DictReader(io.StringIO(as_csv(bench))))
    assert list(lines[0]) == list(CSV_COLUMNS)
    assert [(line["network"], line["batch"]) for line in lines] == [
        ("small", "1"), ("small", "4"), ("small", "16"), ("large", "1"), ("large", "4"), ("broken", "")
    ]
    assert float(lines[1]["flop_per_s"]) == pytest.approx(100e9)
    assert float(lines[1]["of_roof"]) == pytest.approx(0.5)
    assert lines[5]["message"] == "'=1+1"  # no spreadsheet takes it for a formula


def test_json_keeps_every_sample(bench: Bench) -> None:
    found = json.loads(as_json(bench))
    assert found["rows"][0]["timings"][0]["samples_ms"] == list(bench.rows[0].timings[0].samples_ms)
    assert found["roofs"]["flop_per_s"] == 200e9
    assert found["conditions"]["threads"] == 2


def test_a_page_has_its_picture_beside_it(bench: Bench, tmp_path: Path) -> None:
    assert write(bench, tmp_path / "r.md") == (tmp_path / "r.md", tmp_path / "r.svg")
    assert "](r.svg)" in (tmp_path / "r.md").read_text()
    assert (tmp_path / "r.svg").read_text().startswith("<svg")


def test_a_place_where_nothing_can_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(SpecError, match=r"ends in \.md, \.csv, \.json"):
        check_out(tmp_path / "r.txt")
    with pytest.raises(SpecError, match="is a folder"):
        check_out(tmp_path / "folder.md")
    with pytest.raises(SpecError, match="there is no folder"):
        check_out(tmp_path / "nowhere" / "r.md")
    check_out(tmp_path / "r.md")


def test_the_place_of_the_picture_is_asked_about_beforehand_too(tmp_path: Path) -> None:
    (tmp_path / "r.svg").mkdir()
    with pytest.raises(SpecError, match=r"--out: cannot write .*r\.svg: it is a directory"):
        check_out(tmp_path / "r.md")
    check_out(tmp_path / "r.csv")


def test_a_file_that_cannot_be_written_leaves_the_older_ones(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "r.md").write_text("older")
    (tmp_path / "r.svg").mkdir()
    with pytest.raises(StoreError, match=r"--out: cannot write .*r\.svg: "):
        write(bench, tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text() == "older"


def test_a_file_that_cannot_be_written_names_the_path(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        write(bench, tmp_path / "nowhere" / "r.csv")
