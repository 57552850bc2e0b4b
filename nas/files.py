"""Files for others to read, whole or not at all: what stood there before stays where a new one cannot be written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nas.errors import StoreError


def write_files(contents: Mapping[Path, str | bytes]) -> None:
    """Writes all of these files, text in UTF-8: each beside its place first, and put there once all are on the disk.

    A new file has the mode that `open` would give it, one that is there keeps its own; a link stays, and what it leads
    to is written. What is no file, such as a pipe or /dev/stdout, is written as it is.

    Raises:
        StoreError: a file cannot be written; none has changed, unless the disk fails between two renamings.
    """
    waiting: list[tuple[Path, Path, Path]] = []
    try:
        for path, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            try:
                if place := _place(path):
                    beside = place.parent / f".nas-{secrets.token_hex(8)}.tmp"
                    waiting.append((path, beside, place))
                    _write_new(beside, data, place)
                else:
                    path.write_bytes(data)
            except OSError as error:
                raise _unwritable(path, error) from None
        while waiting:
            path, beside, place = waiting[0]
            try:
                beside.replace(place)
            except OSError as error:
                raise _unwritable(path, error) from None
            waiting.pop(0)
    finally:
        for _, beside, _ in waiting:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def check_files(paths: list[Path]) -> None:
    """Whether all of these can be written, as far as that can be known before: asked before long work.

    Raises:
        StoreError: one cannot.
    """
    for path in paths:
        try:
            place = _place(path)
            if place and not os.access(place.parent, os.W_OK | os.X_OK):
                raise PermissionError(None, "its folder may not be written to")
        except OSError as error:
            raise _unwritable(path, error) from None


def is_folder(path: Path) -> bool:
    """Whether a folder is there; what the system does not take for a path, such as one that is too long, is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _place(path: Path) -> Path | None:
    """Where a file is to be renamed to; None for what is written as it is.

    Raises:
        OSError: it can be neither.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not place.parent.is_dir():
            raise FileNotFoundError(None, f"there is no folder {place.parent}") from None
        return None if _of_the_system(place) else place
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "it is a directory")
    if not os.access(path, os.W_OK):
        raise PermissionError(None, "it may not be written to")
    return place if stat.S_ISREG(mode) and not _of_the_system(Path(os.path.realpath(path.parent)) / path.name) else None


def _of_the_system(path: Path) -> bool:
    """Whether its folder holds no files, but devices, or what processes have opened: /dev/stdout may be a file."""
    return path.parent == Path("/dev") or path.is_relative_to("/proc")


def _write_new(beside: Path, data: bytes, place: Path) -> None:
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the umask takes, as `open` does
    with os.fdopen(opened, "wb") as file:
        with suppress(FileNotFoundError):
            beside.chmod(stat.S_IMODE(place.stat().st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {path}: {error.strerror or error}; give another path")
