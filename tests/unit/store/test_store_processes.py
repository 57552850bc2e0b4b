"""Several processes on one file: no lock error, no number twice, no gap; and what is left of one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from nas.store.rows import StudyRow, TrialEnd
from nas.store.store import Store

WORKER = Path(__file__).with_name("worker.py")


def start(file: Path, study: str, trials: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), f"sqlite:///{file}", study, trials]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_processes_work_on_one_study_at_once(file: Path, make_study: Callable[..., StudyRow]) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        study = make_study(store)
    workers = [start(file, study.name, "20") for _ in range(4)]
    answers = [worker.communicate(timeout=120) for worker in workers]
    assert [(worker.returncode, error) for worker, (_, error) in zip(workers, answers, strict=True)] == [(0, "")] * 4
    numbers = [int(line) for output, _ in answers for line in output.split()]
    assert sorted(numbers) == list(range(80))
    with Store.open(f"sqlite:///{file}") as store:
        assert store.standing(study).finished == 80
        assert [record.number for record in store.trials(study)] == list(range(80))
        assert len(store.optuna.get_all_trials(study.optuna_id)) == 80
        assert len(store.environment_rows(study)) == 1
        with store.optuna.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_processes_that_open_a_new_file_at_once_all_find_it_set_up(file: Path) -> None:
    program = f"from nas.store.store import Store\nwith Store.open('sqlite:///{file}') as s: print(s.study_names())"
    openers = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [opener.communicate(timeout=120) for opener in openers] == [("[]\n", "")] * 3


def test_a_trial_is_an_orphan_as_soon_as_its_process_is_dead(
    file: Path, make_study: Callable[..., StudyRow]
) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        study = make_study(store)
        worker = start(file, study.name, "hang")
        assert worker.stdout
        number = int(worker.stdout.readline())
        assert store.standing(study).orphans() == []
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert store.standing(study).orphans() == [number]
        store.end_trial(study, number, TrialEnd("interrupted", "its process was killed"))
        assert store.trials(study)[number].outcome == "interrupted"
