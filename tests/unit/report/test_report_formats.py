"""Reports as text: whole and exact for programs, short and inert for people."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from collections.abc import Callable

import pandas as pd
import pytest
from rich.console import Console

from nas.errors import SpecError
from nas.report.render import formats, render
from nas.report.report import Report
from nas.report.terminal import summary_table

Golden = Callable[[str, str], None]
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def text(report: Report, name: str) -> str:
    rendered = render(report, name)
    assert isinstance(rendered, str)
    return rendered


def with_cell(report: Report, trial: int, column: str, value: object) -> Report:
    frame = report.frame.copy()
    frame.loc[trial, column] = value
    return dataclasses.replace(report, frame=frame)


@pytest.mark.parametrize(("name", "file"), [("md", "report.md"), ("json", "report.json"), ("table", "report.txt"), ("html", "report.html")])
def test_the_small_study_is_written_as_before(report: Report, golden: Golden, name: str, file: str) -> None:
    golden(file, text(report, name))


def test_every_format_writes_a_study_without_trials(empty_report: Report) -> None:
    assert {"csv", "json", "md", "table"} <= set(formats())
    for name in formats():
        assert render(empty_report, name)


def test_an_unknown_format_names_the_nearest(report: Report) -> None:
    with pytest.raises(SpecError, match="did you mean 'json'"):
        render(report, "jsn")


def test_csv_read_by_pandas_is_the_frame(report: Report) -> None:
    types = {name: kind for name, kind in report.frame.dtypes.items() if str(kind) != "str"}
    read = pd.read_csv(io.StringIO(text(report, "csv")), dtype=types)
    inert = report.frame.columns.drop(["message", "unsupported_ops"])  # texts that are neutralised, or empty
    pd.testing.assert_frame_equal(read[inert], report.frame[inert], check_exact=True)
    assert list(read.columns) == list(report.frame.columns)
    assert read.loc[4, "message"] == "'=HYPERLINK(\"http://example.invalid\")[31m | <script> second line"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\x1b"])
def test_csv_text_never_begins_a_formula(report: Report, begin: str, before: str) -> None:
    evil = with_cell(report, 4, "message", f"{before}{begin}1+1")
    read = pd.read_csv(io.StringIO(text(evil, "csv")))
    assert read.loc[4, "message"] == f"'{begin}1+1"


def test_csv_leaves_negative_numbers_alone(report: Report) -> None:
    read = pd.read_csv(io.StringIO(text(with_cell(report, 0, "naswot", -1234.5), "csv")))
    assert read.loc[0, "naswot"] == -1234.5


def no_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


def test_json_is_strict_and_complete(report: Report) -> None:
    broken = with_cell(report, 0, "naswot", math.inf)
    content = json.loads(text(broken, "json"), parse_constant=no_constant)
    assert list(content) == ["study", "columns", "rows"]
    assert [column["name"] for column in content["columns"]] == list(report.frame.columns)
    assert [row["trial"] for row in content["rows"]] == list(range(7))
    assert content["rows"][0]["naswot"] is None
    assert content["rows"][4]["accuracy"] is None
    assert content["rows"][1]["latency_ms"] == 3.1234567890123
    assert content["rows"][1]["pareto"] is True


def test_markdown_says_what_was_found_and_how_to_find_it_again(report: Report) -> None:
    page = text(report, "md")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    assert headings[0] == r"digits\_small"
    for part in ("What was searched", "Pareto front", "Best per objective", "Outcomes", "Failures", "Conditions",
                 "How to reproduce"):
        assert any(heading.startswith(part) for heading in headings), part
    assert "3.123 [3.077, 3.169]" in page
    assert "945.7 k" in page
    assert "nas run digits_small.toml" in page
    assert "ghost, version 2" in page
    assert "builder-7" not in page  # the machine's own name is not for a page that is passed on


def test_markdown_shows_the_first_failures_and_counts_the_others(report: Report) -> None:
    frame = pd.concat([report.frame, *[report.frame.loc[[4]]] * 12], ignore_index=True)
    page = text(dataclasses.replace(report, frame=frame), "md")
    assert page.count("second line") == 10 - 1  # trial 5 is one of the ten
    assert "4 more are in the CSV and JSON reports" in page


@pytest.mark.parametrize("name", ["md", "table", "html"])
def test_no_control_character_comes_through(report: Report, name: str) -> None:
    study = dataclasses.replace(report.study, name="evil\x1b]0;title\x07\u202e\x9b2J")
    assert not CONTROLS.search(text(dataclasses.replace(report, study=study), name))
    assert "\u202e" not in text(dataclasses.replace(report, study=study), name)


def test_markdown_holds_no_markup_of_others(report: Report) -> None:
    study = dataclasses.replace(report.study, name="<img src=x> | [a](javascript:b)\n# heading")
    page = text(dataclasses.replace(report, study=study), "md")
    assert "<script>" not in page
    assert "<img" not in page
    assert r"\[a\](javascript" in page
    assert "\n# heading" not in page


def test_the_table_is_plain_text_wherever_it_is_written(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in text(report, "table")


def test_the_table_takes_text_of_others_for_no_markup(report: Report) -> None:
    study = dataclasses.replace(report.study, name="[bold red]x[/bold red][/nothing]")
    assert "[bold red]x[/bold red]" in text(dataclasses.replace(report, study=study), "table")


def test_the_table_has_colours_on_a_terminal_alone(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
        with console.capture() as captured:
            console.print(summary_table(report))
        assert ("\x1b[32m" in captured.get()) == terminal


def test_without_a_front_the_table_says_so(empty_report: Report) -> None:
    assert "no trial was successful and feasible" in text(empty_report, "table")


def test_parquet_is_the_frame_in_its_types(report: Report) -> None:
    written = render(report, "parquet")
    assert isinstance(written, bytes)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(written)), report.frame)


def test_a_parameter_of_several_types_is_text_in_parquet(report: Report) -> None:
    frame = report.frame.copy()
    frame["stage0.kernel"] = pd.array([3, "1x7", None, *[3] * (len(frame) - 3)], dtype=object)
    written = render(dataclasses.replace(report, frame=frame), "parquet")
    assert isinstance(written, bytes)
    assert list(pd.read_parquet(io.BytesIO(written))["stage0.kernel"][:2]) == ["3", "1x7"]


def test_html_loads_nothing_and_holds_no_script(report: Report) -> None:
    page = text(report, "html")
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<iframe|src=|href=", page)


def test_html_escapes_what_others_wrote(report: Report) -> None:
    told = "<script>alert(1)</script> & \x1b[31mred"
    page = text(with_cell(report, 2, "message", told), "html")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; [31mred" in page


def test_html_escapes_the_names_of_study_and_columns_and_damaged_architectures(report: Report) -> None:
    evil = '"><img src=x onerror=y>'
    columns = [dataclasses.replace(each, name=evil) if each.name == "naswot" else each for each in report.columns]
    study = dataclasses.replace(report.study, name=evil)
    frame = with_cell(report, 0, "arch", evil).frame.rename(columns={"naswot": evil})
    page = text(dataclasses.replace(report, study=study, frame=frame, columns=columns), "html")
    assert "<img" not in page
    assert page.count("&quot;&gt;&lt;img src=x onerror=y&gt;") >= 5, "heading, title, picture, column, architecture"


def test_html_marks_the_front_among_all_trials(report: Report) -> None:
    assert text(report, "html").count('<tr class="front">') == int(report.frame["pareto"].sum())
