"""What `Store.open` accepts, what it refuses and how it says so, and what it leaves behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from nas.errors import StoreError
from nas.store.rows import StudyRow
from nas.store.store import Store


def refusal(url: str, **options: object) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(url, **options)  # type: ignore[arg-type]  # a test's options are not typed one by one
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    return message


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nas.db", "sqlite:///nas.db"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "not in memory"),
        ("sqlite:///:memory:", "not in memory"),
        ("sqlite:///a\0b", "NUL"),
        ("mysql://host/db", "come later"),
    ],
)
def test_a_url_that_is_no_file_is_refused_with_one_that_would_do(url: str, says: str) -> None:
    assert says in refusal(url)


def test_a_password_in_a_url_is_not_repeated() -> None:
    message = refusal("postgresql://user:secret@host/db")
    assert "secret" not in message
    assert "postgresql" in message


@pytest.mark.parametrize("name", ["a b", "100%", "a%20b", "what?.db", "a#b", "{x}", "{SCHEMA_VERSION}", "ü", "a?b=c&d"])
def test_what_follows_the_scheme_is_the_path_to_the_letter(
    tmp_path: Path, name: str, make_study: Callable[..., StudyRow]
) -> None:
    with Store.open(f"sqlite:///{tmp_path / name}") as store:
        make_study(store)
        store.optuna.create_new_study([StudyDirection.MINIMIZE])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Store.open(f"sqlite:///{tmp_path / name}", read_only=True) as store:
        assert store.study_names() == ["quickstart"]


def test_a_relative_path_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///nas.db") as store:
        monkeypatch.chdir("/")
        assert store.study_names() == []
    assert (tmp_path / "nas.db").read_bytes()[18:20] == b"\1\1"


def test_an_empty_file_is_a_new_database(file: Path) -> None:
    file.touch()
    with Store.open(f"sqlite:///{file}", create=False) as store:
        assert store.study_names() == []


def test_a_database_of_optunas_is_adopted_and_its_studies_stay(file: Path) -> None:
    stock = RDBStorage(f"sqlite:///{file}")
    stock.create_new_study([StudyDirection.MINIMIZE], "theirs")
    stock.engine.dispose()
    with Store.open(f"sqlite:///{file}") as store:
        assert store.study_names() == []
        assert store.optuna.get_study_id_from_name("theirs") == 1
        with pytest.raises(StoreError, match="Optuna's own"):
            store.find_study("theirs")


@pytest.mark.parametrize(
    "content", [b"not a database", b"SQLite", b"\x00" * 100, b"SQLite format 3\x00" + b"\xff" * 200]
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes, read_only: bool) -> None:
    (tmp_path / "file").write_bytes(content)
    assert "SQLite database" in refusal(f"sqlite:///{tmp_path / 'file'}", read_only=read_only)
    assert snapshot(tmp_path) == {"file": content}


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_another_programs_database_is_refused_untouched(file: Path, journal: str) -> None:
    execute(file, f"PRAGMA journal_mode={journal}", "CREATE TABLE bookmarks (url TEXT)")
    before = snapshot(file.parent)
    assert "bookmarks" in refusal(f"sqlite:///{file}")
    assert snapshot(file.parent) == before


def test_a_damaged_database_is_told_as_damaged(file: Path, store: Store) -> None:
    store.close()
    content = bytearray(file.read_bytes())
    content[100:4096] = b"\xff" * 3996  # the page that holds the schema
    file.write_bytes(content)
    assert "damaged" in refusal(f"sqlite:///{file}")
    assert file.read_bytes() == bytes(content)


def test_damage_that_shows_only_when_rows_are_read_is_a_store_error(
    file: Path, make_study: Callable[..., StudyRow]
) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        make_study(store)
    execute(file, "UPDATE nas_studies SET spec = '{broken'")
    with Store.open(f"sqlite:///{file}", read_only=True) as store, pytest.raises(StoreError, match="damaged"):
        store.study("quickstart")
    execute(file, "UPDATE nas_studies SET spec = '{}'", "DROP TABLE nas_columns")
    with Store.open(f"sqlite:///{file}", read_only=True) as store, pytest.raises(StoreError, match="nas_columns"):
        store.study("quickstart")


def test_a_directory_a_missing_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    assert "directory" in refusal(f"sqlite:///{tmp_path}")
    assert "does not exist" in refusal(f"sqlite:///{tmp_path}/missing/nas.db")
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(f"sqlite:///{tmp_path}/file/nas.db")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refusal(f"sqlite:///{tmp_path}/pipe")


def test_where_no_file_can_be_made_this_is_said() -> None:
    message = refusal("sqlite:////proc/nas.db")
    assert message.startswith("/proc/nas.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_or_folder_without_the_right_to_write_is_refused(file: Path, store: Store) -> None:
    store.close()
    file.chmod(0o400)
    assert "may not write" in refusal(f"sqlite:///{file}")
    file.chmod(0o600)
    file.parent.chmod(0o500)
    assert "may not write to the folder" in refusal(f"sqlite:///{file}")
    file.parent.chmod(0o700)


def test_a_missing_file_is_not_made_where_it_must_exist(file: Path) -> None:
    for options in ({"create": False}, {"read_only": True}):
        assert str(file) in refusal(f"sqlite:///{file}", **options)
    assert not file.exists()


def test_a_database_without_a_study_has_nothing_to_report(file: Path) -> None:
    file.touch()
    assert "no study" in refusal(f"sqlite:///{file}", read_only=True)
    stock = RDBStorage(f"sqlite:///{file}")
    stock.engine.dispose()
    assert "no study" in refusal(f"sqlite:///{file}", read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_a_newer_nas_is_refused_untouched(file: Path, store: Store, read_only: bool) -> None:
    store.close()
    execute(file, "UPDATE nas_alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    assert "newer nas" in refusal(f"sqlite:///{file}", read_only=read_only)
    assert file.read_bytes() == before


def test_a_database_of_another_optunas_schema_is_refused_with_optunas_remedy(file: Path, store: Store) -> None:
    store.close()
    execute(file, "UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    assert "optuna storage upgrade" in refusal(f"sqlite:///{file}")


def test_a_locked_database_is_told_as_locked(file: Path, store: Store) -> None:
    store.close()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked" in refusal(f"sqlite:///{file}", busy_s=0.1)
    holder.execute("ROLLBACK")
    holder.close()
    with Store.open(f"sqlite:///{file}") as reopened:
        assert reopened.study_names() == []


def test_a_lock_that_is_not_let_go_is_a_store_error(file: Path, make_study: Callable[..., StudyRow]) -> None:
    with Store.open(f"sqlite:///{file}", busy_s=0.1) as store:
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            make_study(store)
        holder.execute("ROLLBACK")
        holder.close()
        make_study(store)


def test_the_journal_is_a_log_while_it_is_open_and_one_plain_file_afterwards(file: Path) -> None:
    first, second = Store.open(f"sqlite:///{file}"), Store.open(f"sqlite:///{file}")
    assert file.read_bytes()[18:20] == b"\2\2"
    first.study_names()
    second.study_names()
    first.close()
    assert file.read_bytes()[18:20] == b"\2\2"  # the second has it open
    second.close()
    assert file.read_bytes()[18:20] == b"\1\1"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_a_process_left_in_its_log_when_it_was_killed_is_read(
    file: Path, make_study: Callable[..., StudyRow], tmp_path: Path
) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        make_study(store)
        left = tmp_path / "left"
        left.mkdir()
        for path in tmp_path.glob("nas.db*"):
            (left / path.name).write_bytes(path.read_bytes())
    assert (left / "nas.db-wal").stat().st_size > 0
    for options in ({"read_only": True}, {}):
        with Store.open(f"sqlite:///{left / 'nas.db'}", **options) as store:  # type: ignore[arg-type]
            assert store.study_names() == ["quickstart"]


def test_read_only_writes_nothing_and_says_so(file: Path, make_study: Callable[..., StudyRow]) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        study = make_study(store)
    before = snapshot(file.parent)
    with Store.open(f"sqlite:///{file}", read_only=True) as store:
        assert store.trials(study) == []
        for write in (lambda: make_study(store, "other"), lambda: store.optuna):
            with pytest.raises(StoreError, match="read-only"):
                write()
    assert snapshot(file.parent) == before


def test_a_file_that_is_deleted_while_it_is_open_is_not_made_anew(file: Path) -> None:
    store = Store.open(f"sqlite:///{file}")
    store.optuna.engine.dispose()
    for path in file.parent.iterdir():
        path.unlink()
    with pytest.raises(StoreError, match="the database was deleted while it was open"):
        store.study_names()
    store.close()
    assert list(file.parent.iterdir()) == []
