"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from nas.errors import StoreError
from nas.files import check_files, write_files


def full(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """The disk is full from the file number `after` on: it can be made, and not be filled."""
    opened = os.fdopen
    seen = []

    class Full:
        def __init__(self, file: int) -> None:
            self._file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self._file)

        def write(self, data: bytes) -> None:
            os.write(self._file, data[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fdopen(file: int, mode: str) -> object:
        seen.append(file)
        return opened(file, mode) if len(seen) <= after else Full(file)

    monkeypatch.setattr("nas.files.os.fdopen", fdopen)


def test_text_is_utf_8_and_bytes_are_as_they_are(tmp_path: Path) -> None:
    write_files({tmp_path / "a.md": "± 1\n", tmp_path / "b.bin": b"\x00\xff"})
    assert (tmp_path / "a.md").read_bytes() == "± 1\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("written", [0, 1])
def test_on_a_full_disk_all_old_files_stay_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    page, image = tmp_path / "old.md", tmp_path / "old.svg"
    page.write_text("old page")
    full(monkeypatch, after=written)
    with pytest.raises(StoreError, match=r"cannot write .*old\.(md|svg): No space left on device"):
        write_files({page: "new page", image: "new image"})
    assert [path.name for path in tmp_path.iterdir()] == ["old.md"]
    assert page.read_text() == "old page"


def test_a_new_file_has_the_mode_of_any_other_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        (tmp_path / "old").touch(0o600)
        write_files({tmp_path / "new": "", tmp_path / "old": ""})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o600


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.md", tmp_path / "link.md"
    if there:
        target.write_text("old")
    link.symlink_to(target)
    write_files({link: "new"})
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["target.md"]


def test_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    write_files({Path("/dev/null"): "gone"})
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(StoreError, match="cannot write /dev/full: No space left on device"):
        write_files({Path("/dev/full"): "gone", tmp_path / "b": ""})
    assert not list(tmp_path.iterdir())


def test_standard_output_is_written_as_it_is_though_it_is_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    write_files({Path("/dev/stdout"): "told\n"})
    assert capfd.readouterr().out == "told\n"


@pytest.mark.parametrize("ask", [lambda path: check_files([path]), lambda path: write_files({path: ""})])
@pytest.mark.parametrize(("name", "why"), [("folder", "it is a directory"), ("none/x", "there is no folder"),
                                           ("file/x", "Not a directory")])
def test_a_place_where_nothing_can_be_written_is_named_with_its_reason(
    tmp_path: Path, ask: object, name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"cannot write .*{name}: {why}"):
        ask(tmp_path / name)  # type: ignore[operator]


def test_asking_beforehand_writes_nothing(tmp_path: Path) -> None:
    check_files([tmp_path / "a.md", Path("/dev/stdout")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("closed", ["old.md", "."])
def test_what_may_not_be_written_to_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    (tmp_path / "old.md").write_text("old")
    refused = tmp_path / closed
    monkeypatch.setattr("nas.files.os.access", lambda path, _: Path(path) != refused)  # root may write anywhere
    with pytest.raises(StoreError, match=r"old\.md: .* may not be written to"):
        check_files([tmp_path / "old.md"])
