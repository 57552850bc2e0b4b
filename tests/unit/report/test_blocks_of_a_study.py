"""`nas report --blocks`: each block's part of the time, in every format; and plain words where there is none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nas
from nas.cli.commands import app

PLUGIN = '''
import nas

def milliseconds(context):
    return 1.0 + sum(stage.repeats * (0.5 if stage.block == "mbconv" else 0.1) for stage in context.arch.stages)

@nas.hookimpl
def nas_metrics():
    return [nas.MetricSpec("time_ms", "ms", "minimize", 1, milliseconds, options={}, seeded=False, noisy=True),
            nas.MetricSpec("images", "images/s", "maximize", 1, lambda context: 1.0, options={}, noisy=True)]
'''
STUDY = """
plugins = ["{plugin}"]
[study]
name = "{name}"
trials = {trials}
sampler = "random"
[input]
shape = [1, 8, 8]
classes = 10
[network]
stem = {{ channels = 8, stride = 1 }}
head = {{ channels = 16, dropout = 0.0 }}
drop_path = 0.0
[[stages]]
block = ["conv", "mbconv"]
repeats = [1, 2, 3]
channels = [8, 12]
stride = 2
kernel = 3
[objectives]
macs = "minimize"
{column} = "{direction}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("blocks")
    (home / "clock.py").write_text(PLUGIN)
    for name, trials, column, direction in (("timed", 12, "time_ms", "minimize"), ("short", 3, "time_ms", "minimize"),
                                            ("rate", 2, "images", "maximize"), ("plain", 2, "naswot", "maximize")):
        (home / f"{name}.toml").write_text(STUDY.format(plugin="clock.py", name=name, trials=trials, column=column,
                                                        direction=direction))
        database = f"{home}/{'few' if name == 'short' else 'nas'}.db"
        nas.run(home / f"{name}.toml", storage=f"sqlite:///{database}", isolated=False)
    return home


def told(folder: Path, study: str, *words: str, database: str = "nas", plugin: bool = True) -> tuple[int, str]:
    plugins = ["--plugin", str(folder / "clock.py")] if plugin else []
    arguments = ["report", study, "--storage", f"sqlite:///{folder}/{database}.db", "--blocks", *plugins, *words]
    found = CliRunner().invoke(app, arguments)
    return found.exit_code, found.output if found.exception is None or found.exit_code == 0 else str(found.exception)


def test_csv_has_a_row_a_block_and_one_for_the_rest(folder):
    code, text = told(folder, "timed", "--format", "csv")
    assert code == 0, text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["block"] for row in rows if row["block"].startswith("(")].count("(rest)") == 1
    assert rows[-1]["block"] == "(rest)"
    values = [float(row["value"]) for row in rows[:-1]]
    assert values == sorted(values, reverse=True)
    stems = [row for row in rows if row["block"] == "(stem)"]
    assert [(row["in_channels"], row["out_channels"], row["height"], row["seen"]) for row in stems] == [
        ("1", "8", "8", "12")]
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows[:-1])
    dear, cheap = (max(float(row["value"]) for row in rows if row["block"] == block) for block in ("mbconv", "conv"))
    assert dear > 2 * cheap


def test_the_rows_of_a_network_add_up_to_its_predicted_time(folder):
    _, text = told(folder, "timed", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    shares = {row["block"]: float(row["share"]) for row in rows if row["block"] in ("(stem)", "(rest)")}
    assert all(-0.5 < share < 1 for share in shares.values())
    assert {row["unit"] for row in rows} == {"ms"}


def test_json_is_valid_and_says_what_stands_behind_it(folder):
    code, text = told(folder, "timed", "--format", "json")
    assert code == 0
    read = json.loads(text)
    assert read["study"]["name"] == "timed"
    assert read["notices"][0].startswith("time_ms: a model of 12 measured networks, which predicts another network to")
    assert read["rows"][-1]["low"] is None


def test_the_table_and_the_page_name_blocks_channels_and_maps(folder):
    for form in ("table", "md"):
        code, text = told(folder, "timed", "--format", form)
        assert code == 0
        for word in ("mbconv", "stem", "head", "rest", "8x8", "1 -> 8", "90 % interval"):
            assert word in text, (form, word)


def test_a_file_is_written_where_one_is_named(folder):
    out = folder / "blocks.md"
    assert told(folder, "timed", "--format", "md", "--out", str(out)) == (0, f"wrote {out}\n")
    assert out.read_text().startswith("# timed: what each block takes\n")


def test_a_format_that_it_is_not_written_in_is_refused(folder):
    code, text = told(folder, "timed", "--format", "html")
    assert code != 0
    assert "--format html: --blocks is written as table, csv, json, md" in text


def test_too_few_measurements_are_told_with_how_many_it_takes(folder):
    code, text = told(folder, "short", database="few")
    assert code != 0
    assert "time_ms: 3 networks are measured" in text and "a model takes 8" in text


def test_a_study_without_a_time_is_told_so(folder):
    _, text = told(folder, "plain")
    assert "study 'plain' has no column that is a time, such as latency_ms" in text
    _, text = told(folder, "rate")
    assert "images does not add up over blocks" in text


def test_a_metric_whose_plugin_is_not_named_is_told_with_the_remedy(folder):
    _, text = told(folder, "timed", plugin=False)
    assert "Not known here: time_ms; name its plugin with --plugin" in text


def test_a_metric_that_was_edited_since_leaves_the_study_s_own_values_as_they_were(folder, tmp_path):
    (tmp_path / "clock.py").write_text(PLUGIN + "# edited\n")
    code, text = told(folder, "timed", "--plugin", str(tmp_path / "clock.py"), plugin=False)
    assert code == 0
    assert "a model of 12 measured networks" in text
