"""Optuna itself and its dashboard read a study's file while `nas` writes it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nas
from nas.search.progress import Progress
from nas.spec import parse_spec

STUDY = {
    "study": {"name": "watched", "trials": 6, "sampler": "nsga2"},
    "input": {"shape": [1, 8, 8], "classes": 10},
    "stages": [{"block": ["conv", "mbconv"], "channels": [8, 16, 24], "repeats": [1, 2], "kernel": [3, 5]}],
    "objectives": {"macs": "minimize", "params": "minimize"},
    "constraints": {"activations": "<= 1e9"},
}
STOCK = """
import optuna, sys
study = optuna.load_study(study_name="watched", storage=sys.argv[1])
print(len(study.trials), study.metric_names, [trial.state.name for trial in study.trials], study.trials[0].constraints)
"""
DASHBOARD = """
import sys
from wsgiref.simple_server import make_server
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi
server = make_server("127.0.0.1", 0, wsgi(RDBStorage(sys.argv[1])))
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def dashboard(url: str) -> Iterator[str]:
    """The address of a dashboard on the database."""
    with subprocess.Popen([sys.executable, "-c", DASHBOARD, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def asked(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=60) as answer:  # our own
        return json.load(answer)


def test_stock_optuna_and_its_dashboard_read_the_file_while_it_is_written(tmp_path: Path) -> None:
    url, seen = f"sqlite:///{tmp_path / 'nas.db'}", []

    def look(told: Progress) -> None:
        if told.last is None or told.finished != 3:
            return
        seen.append(subprocess.run([sys.executable, "-c", STOCK, url], capture_output=True, text=True, check=True).stdout)
        with dashboard(url) as address:
            [study] = asked(f"{address}/api/studies")["study_summaries"]
            detail = asked(f"{address}/api/studies/{study['study_id']}")
        seen.append((study["study_name"], detail["objective_names"], len(detail["trials"]), detail["trials"][2]["values"]))

    nas.run(parse_spec(STUDY), storage=url, observer=look)
    report = nas.read_report("watched", storage=url)
    assert len(report) == 6
    stock, shown = seen
    assert stock.startswith("3 ['macs', 'params'] ['COMPLETE', 'COMPLETE', 'COMPLETE'] ")
    name, metrics, trials, values = shown
    assert (name, metrics, trials) == ("watched", ["macs", "params"], 3)
    assert [float(value) for value in values] == [report["macs"][2], report["params"][2]]
