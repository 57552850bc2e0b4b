"""Metrics asked in a worker: a candidate that hangs, crashes or eats the memory is a row, and the next one is right."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
from nas.search import asking
from nas.search.asking import Here, InWorker, start_workers
from nas.search.evaluate import Evaluation, evaluate
from nas.search.prepare import Prepared, prepare
from nas.search.propose import Candidate, Proposer
from nas.spec import StudySpec
from nas.store import Store
from nas.worker import borrowed

FAKE = '''
"""A fake device: what it does to a candidate is told by its column's options, and is done by its file's number."""
import ctypes, os, signal, sys, time
from pathlib import Path
import nas

def turn(context):
    """How often this candidate was asked, over all processes."""
    file = Path(context.options["folder"]) / context.arch.arch_id
    before = int(file.read_text()) if file.exists() else 0
    file.write_text(str(before + 1))
    return before + 1

def device(context):
    does, until = context.options["does"], context.options["until"]
    if turn(context) > until or (context.options["only"] and context.arch.arch_id != context.options["only"]):
        does = "answers"
    context.phase("timing", context.options["limit_s"])
    match does:
        case "answers":
            context.report(3, 0.25)
            print("seen by the author")
            return nas.Estimate(float(os.getpid()), low=1.0, samples=(1.0, 2.0), conditions={"fused": True, "none": None},
                                environment={"machine": "fake"}, message="quiet")
        case "builds":
            context.network
            return 1.0
        case "hangs":
            while True:
                time.sleep(0.05)
        case "segfaults":
            ctypes.string_at(0)
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leaves":
            os._exit(3)
        case "eats memory":
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")
        case "illegal access":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        case "throttles" | "drifts":
            raise nas.MeasureError("told so", {"throttles": "throttled", "drifts": "contaminated"}[does])
        case "answers nan":
            return float("nan")
        case "answers pid":
            return nas.Estimate(1.0, conditions={"pid": os.getpid()})
        case "edits":
            Path(__file__).write_text(Path(__file__).read_text() + "\\n")
            return 1.0

def refuses(setting):
    if setting.options["refuses"] == "crash":
        ctypes.string_at(0)
    if setting.options["refuses"] == "killed once":
        if not (mark := Path(setting.options["folder"]) / "killed").exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return None
    return setting.options["refuses"] or None

@nas.hookimpl
def nas_metrics():
    options = {"does": "answers", "until": 99, "only": "", "folder": "", "limit_s": None, "refuses": ""}
    return [nas.MetricSpec("fake", "ms", "minimize", 1, device, options=options, check=refuses,
                           conditions=lambda setting: {"shapes": len(setting.input_shapes), "classes": setting.classes},
                           notice=lambda setting: "a fake device", seeded=False)]
'''
FIRST = {"stage0.repeats": 1, "stage0.channels": 8, "stage0.kernel": 3}
OTHER = FIRST | {"stage0.channels": 16}


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    file = tmp_path / "fake_device.py"
    file.write_text(FAKE)
    return file


@pytest.fixture
def ready(spec: Callable[..., StudySpec], fake: Path, tmp_path: Path) -> Callable[..., Prepared]:
    (tmp_path / "turns").mkdir()

    def made(isolated: bool = True, timeout_s: float | None = None, **options: object) -> Prepared:
        column = {"folder": str(tmp_path / "turns"), **({"timeout_s": timeout_s} if timeout_s else {}), **options}
        return prepare(spec(objectives={"fake": "minimize"}, columns={"fake": column}), [fake], isolated=isolated)

    return made


@pytest.fixture
def evaluated(store: Store) -> Callable[..., Evaluation]:
    def of(ready: Prepared, values: dict[str, Any] = FIRST, tell: Callable[[str], None] = str) -> Evaluation:
        candidate = Proposer(ready.spec, ready.space, ready.columns).look(values)
        assert isinstance(candidate, Candidate)
        return evaluate(candidate, ready.spec, ready.columns, ready.plugins, store, ready.asking, tell)

    return of


@pytest.fixture
def measured(store: Store) -> Callable[[], list[Any]]:
    """The rows of nas_measurements."""
    from sqlalchemy import select

    from nas.store import tables

    def rows() -> list[Any]:
        with store._database.read() as connection:
            return list(connection.execute(select(tables.measurements).order_by(tables.measurements.c.id)).mappings())

    return rows


def test_it_is_asked_in_another_process_that_stays(ready, evaluated, measured, capsys) -> None:
    told: list[str] = []
    first, second = evaluated(ready(), tell=told.append), evaluated(ready(), OTHER)
    assert first.values["fake"] == second.values["fake"] != os.getpid()
    assert told == ["fake", "fake, loading plugins", "fake, computing", "fake, timing", "fake, step 3: 0.25"]
    assert "seen by the author" in capsys.readouterr().err
    row = measured()[0]
    assert (row["low"], row["n"], row["message"]) == (1.0, 2, "quiet")
    assert row["conditions"]["fused"] is True
    assert row["conditions"]["none"] is None


def test_building_a_network_is_a_phase_of_its_own(ready, evaluated) -> None:
    told: list[str] = []
    assert evaluated(ready(does="builds"), tell=told.append).outcome == "ok"
    assert told[-2:] == ["fake, building the network", "fake, computing"]


def test_a_block_whose_building_never_ends_is_a_timeout(ready, evaluated, tmp_path: Path, spec, fake: Path) -> None:
    (tmp_path / "endless.py").write_text(
        "import time, nas\nfrom torch import nn\nimport nas.worker.metric_job as job\njob.BUILDING_LIMIT_S = 0.5\n"
        "def build(io):\n"
        "    if io.norm(1).weight.device.type != 'meta':\n        time.sleep(600)\n"
        "    return nn.Conv2d(io.in_channels, io.out_channels, 1, io.stride)\n"
        "@nas.hookimpl\ndef nas_blocks():\n    return [nas.BlockSpec('endless', 1, build)]\n"
    )
    column = {"folder": str(tmp_path), "does": "builds"}
    prepared = prepare(
        spec(objectives={"fake": "minimize"}, columns={"fake": column}, stages=[{"block": "endless", "channels": 8}]),
        [fake, tmp_path / "endless.py"],
    )
    done = evaluated(prepared, {})
    assert done.outcome == "timeout"
    assert "building the network took longer than 0.5 s" in done.message


def test_a_column_s_conditions_and_notice_come_from_the_worker(ready) -> None:
    (column,) = (column for column in ready().columns if column.name == "fake")
    assert (column.conditions, column.notice) == ({"shapes": 1, "classes": 10}, "a fake device")


def test_for_a_debugger_it_is_asked_in_this_process(ready, evaluated) -> None:
    prepared = ready(isolated=False)
    assert isinstance(prepared.asking, Here)
    assert isinstance(ready().asking, InWorker)
    assert evaluated(prepared).values["fake"] == os.getpid()


@pytest.mark.parametrize(
    ("does", "outcome", "message"),
    [
        ("hangs", "timeout", r"timing took longer than 0\.3 s, and was ended"),
        ("segfaults", "device_error", r"killed by SIGSEGV: Seg.*so it did twice, and without it the device answers"),
        ("leaves", "device_error", r"while timing the worker exited with 3; so it did twice"),
        ("eats memory", "oom", r"MemoryError: DefaultCPUAllocator"),
        ("illegal access", "device_error", r"RuntimeError: CUDA error: an illegal memory access"),
        ("throttles", "throttled", "told so"),
        ("drifts", "contaminated", "told so"),
        ("answers nan", "nan", "the value is nan"),
    ],
)
def test_every_end_is_an_outcome_after_one_retry_and_the_next_candidate_s_value_is_right(
    ready, evaluated, measured, does, outcome, message
) -> None:
    bad = ready(does=does, limit_s=0.3 if does == "hangs" else None)
    arch = Proposer(bad.spec, bad.space, bad.columns).look(FIRST).arch
    bad = ready(does=does, limit_s=0.3 if does == "hangs" else None, only=arch.arch_id)
    done = evaluated(bad)
    assert done.outcome == outcome
    assert done.message == f"fake: {measured()[1]['message']}"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(done.message)
    assert len(measured()) == 2, "both tries are on record"
    assert evaluated(bad, OTHER).outcome == "ok"


@pytest.mark.parametrize("does", ["hangs", "is killed", "drifts"])
def test_what_was_the_machine_s_fault_is_right_the_second_time(ready, evaluated, measured, does) -> None:
    done = evaluated(ready(does=does, until=1, limit_s=0.3 if does == "hangs" else None))
    assert (done.outcome, len(measured())) == ("ok", 2)
    assert measured()[0]["outcome"] != "ok"


@pytest.mark.parametrize("does", ["eats memory", "throttles"])
def test_the_second_try_has_a_fresh_process(ready, evaluated, does) -> None:
    before = evaluated(ready()).values["fake"]
    assert evaluated(ready(does=does, until=1), OTHER).values["fake"] != before


def test_a_metric_s_own_mistake_costs_no_process(ready, evaluated) -> None:
    before = evaluated(ready()).values["fake"]
    assert evaluated(ready(does="answers nan", until=1), OTHER).values["fake"] == before


def test_a_machine_that_moved_is_judged_again_by_the_process_that_knows_what_is_usual(ready, evaluated) -> None:
    before = evaluated(ready()).values["fake"]
    assert evaluated(ready(does="drifts", until=1), OTHER).values["fake"] == before


def test_where_the_device_is_gone_too_it_is_the_worker_that_died(ready, evaluated, monkeypatch) -> None:
    monkeypatch.setattr(InWorker, "is_well", lambda self, options: False)
    assert evaluated(ready(does="leaves")).outcome == "worker_died"


@pytest.mark.parametrize("gpus", [0, 2])
@pytest.mark.parametrize(
    ("device", "worker"),
    [
        ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1"), ("ssh:pi", "ssh:pi"),
        ("ssh:pi/cuda", "ssh:pi/cuda:0"), ("cpu", "auto"), ("", "auto"), ("auto", None),
    ],
)
def test_one_worker_a_device_however_a_column_names_it(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, worker: str | None
) -> None:
    worker = worker or ("cuda:0" if gpus else "auto")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    asked: list[str] = []
    taken = asking.borrowed

    def borrowed_(seat: str) -> Any:
        asked.append(seat)
        return taken("auto")

    monkeypatch.setattr(asking, "borrowed", borrowed_)
    InWorker().start_afresh({"device": device})
    assert asked == [worker]


def test_a_device_is_well_that_answers() -> None:
    assert InWorker().is_well({"device": "cpu"})
    assert not InWorker().is_well({"device": "cuda:4000"})


def test_a_column_may_be_told_how_long_a_candidate_may_take(ready, evaluated) -> None:
    done = evaluated(ready(does="hangs", timeout_s=0.4))
    assert (done.outcome, done.message) == ("timeout", "fake: the whole took longer than 0.4 s, and was ended")
    assert evaluated(ready(does="answers", timeout_s=60), OTHER).outcome == "ok"


def test_how_long_it_may_take_is_no_condition_of_a_value(ready, evaluated, measured) -> None:
    assert evaluated(ready(timeout_s=60)).values == evaluated(ready(timeout_s=90)).values
    assert len(measured()) == 1


@pytest.mark.parametrize("value", [0, -1, "soon", True, float("inf")])
def test_a_timeout_that_is_none_is_refused(spec, value) -> None:
    with pytest.raises(nas.SpecError, match=r"columns\.fake\.timeout_s"):
        spec(objectives={"macs": "minimize"}, columns={"fake": {"timeout_s": value}})


def test_a_refusal_is_told_before_the_study_starts(ready) -> None:
    with pytest.raises(nas.SpecError, match=r"columns\.fake: not today"):
        ready(refuses="not today")


def test_a_check_that_crashes_is_not_the_end_of_this_process_and_no_mistake_of_the_study(ready) -> None:
    with pytest.raises(nas.MeasureError, match=r"columns\.fake: metric 'fake' could not be .*SIGSEGV") as told:
        ready(refuses="crash")
    assert told.value.outcome == "worker_died"
    assert "so it did twice" in str(told.value)
    assert "refuses this setting" not in str(told.value)


def test_a_worker_that_is_killed_once_while_a_setting_is_asked_is_replaced(ready, evaluated, tmp_path: Path) -> None:
    assert evaluated(ready(refuses="killed once", folder=str(tmp_path))).outcome == "ok"
    assert (tmp_path / "killed").exists()


def test_a_plugin_that_is_edited_while_the_study_runs_is_told(ready, evaluated) -> None:
    prepared = ready(does="edits", until=1)
    assert evaluated(prepared).outcome == "ok"
    done = evaluated(prepared, OTHER)
    assert (done.outcome, done.message) == (
        "contaminated", "fake: the source of metric 'fake' was changed while the study ran: run it again"
    )


def test_a_block_that_is_edited_while_the_study_runs_is_told(spec, fake: Path, evaluated, tmp_path: Path) -> None:
    source = "import nas\nfrom torch import nn\n@nas.hookimpl\ndef nas_blocks():\n    return [nas.BlockSpec('own', 1, BUILD)]\n"
    build = "lambda io: nn.Conv2d(io.in_channels, io.out_channels, {0}, io.stride, {0} // 2)"
    (file := tmp_path / "own.py").write_text(source.replace("BUILD", build.format(3)))
    stages = [{"block": "own", "repeats": [1, 2], "channels": [8, 16], "stride": 2}]
    study = spec(stages=stages, objectives={"fake": "minimize"}, columns={"fake": {"folder": str(tmp_path)}})
    first, second = {"stage0.repeats": 1, "stage0.channels": 8}, {"stage0.repeats": 1, "stage0.channels": 16}
    prepared = prepare(study, [fake, file])
    assert evaluated(prepared, first).outcome == "ok"
    file.write_text(source.replace("BUILD", build.format(5)))
    done = evaluated(prepared, second)
    assert (done.outcome, done.message) == (
        "contaminated", "fake: the source of block 'own' was changed while the study ran: run it again"
    )


@pytest.mark.parametrize("columns, device, gpu_there, seats", [
    ({}, None, False, ["auto"]),
    ({}, None, True, []),  # nobody knows yet which of the two it would be
    ({"fake": {"device": "cuda:1"}}, None, True, ["cuda:1"]),
    ({"fake": {"device": "cpu"}}, None, True, ["auto"]),
    ({}, "cuda", True, ["cuda:0"]),
])
def test_workers_start_early_where_it_is_known_which_ones(
    spec, monkeypatch: pytest.MonkeyPatch, columns, device, gpu_there, seats
) -> None:
    started: list[str] = []
    monkeypatch.setattr("nas.search.asking.start", started.append)
    monkeypatch.setattr("nas.latency.gpu.may_be_there", lambda: gpu_there)
    monkeypatch.setattr("nas.latency.gpu.count", lambda: pytest.fail("torch would be loaded first"))
    start_workers(spec(objectives={"fake": "minimize", "macs": "minimize"}, columns=columns), device)
    assert started == seats


def test_ctrl_c_while_it_hangs_ends_the_worker(ready, evaluated) -> None:
    def pressed(doing: str) -> None:
        if "step" in doing:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(ready(), tell=pressed)
    with borrowed("auto") as worker:
        assert worker.pid is None
