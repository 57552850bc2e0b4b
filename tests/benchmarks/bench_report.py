"""The report of a large study, its memory and its database, beside what stock Optuna has."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.filled import filled
from tests.benchmarks.row import Row, Scale, Target, alternately, duration
from tests.benchmarks.table import ROOT

OURS = "import nas; frame = nas.read_report({name!r}, storage={storage!r}, params=True)"
THEIRS = ("import optuna; optuna.logging.disable_default_handler(); "
          "frame = optuna.load_study(study_name={name!r}, storage={storage!r}).trials_dataframe()")
# Not ru_maxrss, which begins with that of the process that started this one.
PEAK = """
import pandas
def kib(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
{warm}
del frame
before = kib("VmRSS:")
{read}
print(1024 * (kib("VmHWM:") - before), frame.memory_usage(deep=True).sum(), len(frame))
"""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Time, memory, and bytes of a database."""
    trials = scale.of(10_000, 60)
    name, storage = filled(folder / "large.db", trials)
    _, small = (name, storage) if scale.small else filled(folder / "small.db", 5)

    def read(text: str) -> None:
        exec(text.format(name=name, storage=storage), {})

    for text in (OURS, THEIRS):
        exec(text.format(name=name, storage=small), {})
    ours, theirs = alternately([lambda: read(OURS), lambda: read(THEIRS)], scale.of(3, 1))
    what = f"{trials:,} trials x 40 parameters"
    yield Row(f"`read_report(params=True)`, {what}", duration(ours), f"{duration(theirs)} trials_dataframe",
              theirs / ours, Target(20), "one file with both tables, a latency with its interval among ours; opened "
              f"anew each time, in turns, median of {scale.of(3, 1)}. Half of ours is SQLite, which finds each trial's "
              "parameters in as many rows, as Optuna keeps them.")
    memory = [_peak(text, name, storage, small) for text in (OURS, THEIRS)]
    (our_peak, our_frame), (their_peak, their_frame) = memory
    yield Row(f"memory of that report, {what}", f"{our_peak / 2**20:.0f} MiB", f"{their_peak / 2**20:.0f} MiB",
              our_peak / their_peak, Target(1 / 3, at_least=False), "growth of the peak resident memory of a fresh "
              "process that has read a small study before. The frames themselves: ours "
              f"{our_frame / 2**20:.1f} MiB, Optuna's {their_frame / 2**20:.1f} MiB.")
    ours_b, samples_b, stock_b = _sizes(Path(storage.removeprefix("sqlite:///")), trials)
    yield Row("database size a trial, raw samples apart", f"{ours_b:,.0f} B", f"{stock_b:,.0f} B stock",
              ours_b / stock_b, Target(1.5, at_least=False), f"{trials:,} trials with a latency; the same file with all "
              "tables but the samples, and with Optuna's tables alone (without our one attribute), each vacuumed, less "
              f"an empty database. Raw samples, compressed float32, are {samples_b:,.0f} B more.")


def _peak(text: str, name: str, storage: str, small: str) -> tuple[int, int]:
    code = PEAK.format(warm=text.format(name=name, storage=small), read=text.format(name=name, storage=storage))
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    grown, frame, _ = map(int, told.stdout.split())
    return grown, frame


def _sizes(path: Path, trials: int) -> tuple[float, float, float]:
    """Bytes a trial: all but samples, samples, Optuna's alone."""
    sizes = []
    for dropped, own in (([], False), (["nas_samples"], False), (None, True)):
        copy = path.with_suffix(".copy.db")
        shutil.copy(path, copy)
        connection = sqlite3.connect(copy)
        full = _vacuumed(connection, copy, dropped, own)
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            if table in ("trials", "measurements", "nas_trials", "nas_measurements", "nas_samples",
                         "nas_trial_measurements") or table.startswith("trial_"):
                connection.execute(f'delete from "{table}"')
        connection.commit()
        sizes.append((full - _vacuumed(connection, copy, [], own)) / trials)
        connection.close()
        copy.unlink()
    return sizes[1], sizes[0] - sizes[1], sizes[2]


def _vacuumed(connection: sqlite3.Connection, path: Path, dropped: list[str] | None, own: bool) -> int:
    if own:
        for kind, name in connection.execute(
            "select type, name from sqlite_master where type in ('table', 'trigger')"
        ).fetchall():
            if kind == "trigger" or name.startswith("nas_"):
                connection.execute(f'drop {kind} if exists "{name}"')
        connection.execute("delete from trial_user_attributes where key = 'arch_id'")
    for name in dropped or ():
        connection.execute(f'drop table if exists "{name}"')
    connection.commit()
    connection.execute("vacuum")
    return path.stat().st_size
