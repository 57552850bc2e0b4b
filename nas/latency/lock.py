"""One timing a device: whoever times holds the device's locks, whichever process and whichever study it is of."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nas.errors import MeasureError


@contextmanager
def held(names: Sequence[str], waiting: Callable[[], None]) -> Iterator[None]:
    """Holds the locks of these names on this host. The kernel gives them back where the holder dies.

    Args:
        names: what is to be held: a GPU's UUID; of a CPU each of its cores, so that timings on disjoint sets of cores
            do not wait for each other.
        waiting: is told once, where somebody else holds one.

    Raises:
        MeasureError: `contaminated`: no folder can be had in which only this user can put a lock, or a lock in it
            cannot be opened. Nothing would keep others from timing at the same moment.
    """
    folder, told = _folder(), False
    with ExitStack() as stack:
        for name in sorted(names):  # always in this order, so that no two wait for each other
            lock = FileLock(folder / f"{name}.lock", mode=0o600)
            try:
                _acquire(lock, timeout=0)
            except Timeout:
                if not told:
                    waiting()
                    told = True
                _acquire(lock, timeout=-1)
            stack.callback(lock.release)
        yield


def check_locks(names: Sequence[str]) -> None:
    """Opens each lock of these names once, and waits for nobody: for a study, before it has begun a trial.

    Raises:
        MeasureError: as `held` does.
    """
    folder = _folder()
    for name in names:
        lock = FileLock(folder / f"{name}.lock", mode=0o600)
        with suppress(Timeout):  # somebody holds it, and so it can be opened
            _acquire(lock, timeout=0)
            lock.release()


def _acquire(lock: FileLock, timeout: float) -> None:
    try:
        lock.acquire(timeout=timeout, poll_interval=0.01)
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:  # the latter where the file system knows no locks
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise MeasureError(f"{lock.lock_file}: this lock of the device cannot be opened: {reason}; remove what is "
                           "there, and see that its folder can be written to", "contaminated") from None


def _folder() -> Path:
    """Of this user alone."""
    own = os.getuid() if hasattr(os, "getuid") else None
    folder = _common() / ("nas-locks" if own is None else f"nas-locks-{own}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise MeasureError(f"{folder}: the locks of the devices cannot be kept there: {error.strerror}; see that this "
                           "folder can be made and written to", "contaminated") from None
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if own is not None and not (private and found.st_uid == own):
        raise MeasureError(f"{folder}: the locks of the devices are kept there, and it is not a folder of this user "
                           "alone; remove it", "contaminated")
    return folder


def _common() -> Path:
    """One for all processes of the host: not TMPDIR, which batch systems set anew for every job."""
    return Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
