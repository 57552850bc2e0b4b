"""The page and its picture as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SpecError, StoreError
from nas.report.page import write_page
from nas.report.report import Report


def test_the_picture_stands_beside_the_page_which_shows_it(report: Report, tmp_path: Path) -> None:
    page, image = write_page(report, tmp_path / "my report.md")
    assert "(my%20report.svg)" in page.read_text(encoding="utf-8")
    assert image == tmp_path / "my report.svg"
    assert image.read_text(encoding="utf-8").startswith("<svg ")


def test_a_page_named_like_its_picture_is_refused_and_nothing_is_written(report: Report, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"name the page \.md"):
        write_page(report, tmp_path / "report.svg")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none"):
        write_page(report, tmp_path / "none" / "report.md")


def test_the_file_that_cannot_be_written_is_named_though_it_is_the_picture(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.svg").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*report\.svg: "):
        write_page(report, tmp_path / "report.md")


def test_a_study_that_cannot_be_drawn_leaves_no_page_behind(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: Report) -> str:
        raise StoreError("damaged")

    monkeypatch.setattr("nas.report.page.picture", damaged)
    with pytest.raises(StoreError, match="damaged"):
        write_page(report, tmp_path / "report.md")
    assert not list(tmp_path.iterdir())
