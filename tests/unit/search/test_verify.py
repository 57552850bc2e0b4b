"""The last phase: what is measured again, in which processes, and what of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.search import verify
from nas.spec import StudySpec
from nas.store import Store
from nas.store.rows import Verification

PLUGIN = '''
"""Times that grow from process to process, and fail where the column says so."""
import os
from pathlib import Path
import nas

def slow(context):
    log = Path(context.options["log"])
    before = log.read_text().splitlines() if log.exists() else []
    seed = context.options["max_seconds"]
    with log.open("a") as out:
        out.write(f"{os.getpid()} {context.arch.arch_id} {seed}\\n")
    if context.options["fails"] and context.arch.arch_id in "".join(before):
        raise nas.MeasureError("too hot", "throttled")
    if context.options["breaks"] and context.arch.arch_id in "".join(before):
        raise nas.MeasureError("an overflow", "nan")
    if context.options["dies"] and len(before) == 2:
        os._exit(9)
    if context.options["moves"] and len(before) == 4:
        raise nas.MeasureError("moved", "contaminated")
    processes = list(dict.fromkeys([line.split()[0] for line in before] + [str(os.getpid())]))
    if context.options["troubled"] and context.arch.stages[0].channels == 8 and processes[1:] == [str(os.getpid())]:
        raise nas.MeasureError("moved", "contaminated")
    value = context.arch.stages[0].channels * (1 + processes.index(str(os.getpid())) / 10)
    return nas.Estimate(value, environment={"cpu": "this one"})

def channels(context):
    return context.arch.stages[0].channels

@nas.hookimpl
def nas_metrics():
    options = {"log": "", "max_seconds": 8.0, "fails": False, "moves": False, "dies": False, "breaks": False,
               "troubled": False}
    return [
        nas.MetricSpec("slow_ms", "ms", "minimize", 1, slow, options=options, seeded=False, noisy=True),
        nas.MetricSpec("channels", "channels", "maximize", 1, channels, cost="cheap", options={}, seeded=False),
    ]
'''


PROCESSES = 2


@pytest.fixture(autouse=True)
def few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes seconds to start."""
    assert verify.PROCESSES - verify.MOST_MISSING >= 3, "of fewer, nothing is known of the next one"
    monkeypatch.setattr(verify, "PROCESSES", PROCESSES)


@pytest.fixture
def study(spec: Callable[..., StudySpec], tmp_path: Path) -> Callable[..., StudySpec]:
    """Four networks, all of them on the front."""
    (tmp_path / "times.py").write_text(PLUGIN)

    def made(**options: Any) -> StudySpec:
        slow = {"log": str(tmp_path / "log"), **options}
        return spec(
            objectives={"channels": "maximize", "slow_ms": "minimize"},
            columns={"slow_ms": slow},
            stage={"channels": [8, 16, 24, 32], "repeats": 1, "kernel": 3},
        )

    return made


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[list[str]]]:
    """What was asked: process, arch_id, max_seconds."""
    return lambda: [line.split() for line in (tmp_path / "log").read_text().splitlines()]


@pytest.fixture
def run(tmp_path: Path, storage: str) -> Callable[..., Any]:
    return lambda study, trials, **others: nas.run(
        study, trials=trials, storage=storage, plugins=[tmp_path / "times.py"], **others
    )


@pytest.fixture
def verified(storage: str) -> Callable[[], Mapping[int, Verification]]:
    def read() -> Mapping[int, Verification]:
        with Store.open(storage, read_only=True) as store:
            return {found.trial: found for found in store.verifications(store.study("tiny"))}

    return read


def test_the_front_is_measured_again_side_by_side_in_fresh_processes_and_in_random_order(
    study, run, log, verified
) -> None:
    run(study(), 4)
    asked = log()
    searched, again = asked[:4], asked[4:]
    assert len({pid for pid, *_ in searched}) == 1
    pids = list(dict.fromkeys(pid for pid, *_ in again))
    assert len(pids) == PROCESSES
    assert searched[0][0] not in pids
    orders = [[arch for pid, arch, _ in again if pid == one] for one in pids]
    assert [set(order) for order in orders] == [{arch for _, arch, _ in searched}] * PROCESSES
    assert len({tuple(order) for order in orders}) > 1
    for found in verified().values():
        ratios = [value / found.processes[0] * 1.1 for value in found.processes]
        assert ratios == pytest.approx([1.1, 1.2])
        assert found.value == pytest.approx(sum(found.processes) / 2)
        assert 0 < found.low < min(found.processes) < max(found.processes) < found.high


def test_a_verification_knows_its_environment_which_is_the_search_s(study, run, verified, storage) -> None:
    run(study(), 2)
    with Store.open(storage, read_only=True) as store:
        row = store.study("tiny")
        [(fingerprint, environment)] = store.environment_rows(row).items()
    assert environment == {"cpu": "this one"}
    assert [found.environment for found in verified().values()] == [fingerprint] * 2


def test_less_time_is_spent_on_it_where_the_metric_has_a_cap_of_it(
    study, run, log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LEAST_SECONDS", 0.5)
    run(study(), 4)
    caps = [float(cap) for *_, cap in log()]
    assert caps[:4] == [8.0] * 4
    # So long, or twenty passes: of 32 ms, which is what the largest of the four took.
    assert sorted(caps[4:]) == [0.5] * 6 + [0.64] * 2


def test_without_it_the_search_is_all_there_is(study, run, log, verified) -> None:
    run(study(), 4, verify=False)
    assert (len(log()), verified()) == (4, {})


def test_it_is_done_once_for_a_front_and_again_for_another_one(study, run, log, verified) -> None:
    run(study(), 3)
    assert len(log()) == 3 + 3 * PROCESSES
    run(study(), 3)
    assert len(log()) == 3 + 3 * PROCESSES, "the same front"
    run(study(), 4)
    assert len(log()) == 4 + 7 * PROCESSES
    assert sorted(verified()) == [0, 1, 2, 3]


def test_what_fails_twice_by_its_own_fault_is_kept_with_its_outcome_and_costs_no_further_process(
    study, run, log, verified
) -> None:
    run(study(breaks=True), 2)
    assert len(log()) == 2 + 2 * 2
    assert {(found.outcome, found.message, found.value) for found in verified().values()} == {
        ("nan", "an overflow", None)
    }


def test_what_the_machine_fails_is_tried_twice_in_each_process_and_kept_with_its_outcome(
    study, run, log, verified
) -> None:
    run(study(fails=True), 2)
    assert len(log()) == 2 + 2 * 2 * PROCESSES
    assert {(found.outcome, found.message, found.value) for found in verified().values()} == {
        ("throttled", "too hot", None)
    }


def test_one_process_that_the_machine_spoilt_leaves_what_the_others_found(study, run, log, verified) -> None:
    run(study(troubled=True), 4)
    found = sorted((found.outcome, len(found.processes)) for found in verified().values())
    assert found == [("ok", PROCESSES - 1), *[("ok", PROCESSES)] * 3]
    told = [found.message for found in verified().values()]
    assert sorted(told) == ["", "", "", "1 of 2 processes left out: contaminated: moved"]
    assert len(log()) == 4 + 4 * PROCESSES + 1, "in that process it was tried twice"


def test_what_the_machine_failed_is_verified_again_by_the_next_run(study, run, log, verified) -> None:
    run(study(fails=True), 2)
    asked = len(log())
    run(study(fails=True), 2)
    assert len(log()) == asked + 2 * 2 * PROCESSES


def test_a_worker_that_died_blames_no_network_that_lives_in_the_next_one(study, run, log, verified) -> None:
    run(study(dies=True), 2)
    assert [(found.outcome, len(found.processes)) for found in verified().values()] == [("ok", PROCESSES)] * 2
    assert len(log()) == 2 + 2 * PROCESSES + 1


def test_a_contaminated_measurement_is_taken_once_more_when_the_others_of_its_process_are_done(
    study, run, log, verified
) -> None:
    run(study(moves=True), 4)
    processes = [[arch for pid, arch, _ in log()[4:] if pid == process] for process in {pid for pid, *_ in log()[4:]}]
    assert sorted(map(len, processes)) == [4] * (PROCESSES - 1) + [5]
    [five] = [asked for asked in processes if len(asked) == 5]
    assert five[0] == five[4], "the first one that was asked is asked again in the end"
    assert [(found.outcome, len(found.processes)) for found in verified().values()] == [("ok", PROCESSES)] * 4


def test_ctrl_c_keeps_what_was_verified_before(study, run, verified) -> None:
    run(study(), 3)
    before = verified()

    def pressed(told: Any) -> None:
        if told.doing.startswith("verifying") and "process 2" in told.doing:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study(), 4, observer=pressed)
    assert verified() == before


def test_a_study_without_noisy_columns_ends_with_its_last_trial(spec, plugin, storage) -> None:
    told: list[str] = []
    nas.run(spec(), trials=2, storage=storage, plugins=[plugin], isolated=False,
            observer=lambda progress: told.append(progress.doing))
    assert not [doing for doing in told if doing.startswith("verifying")]


def test_in_one_process_there_is_no_fresh_one_to_verify_in(study, run, log, verified) -> None:
    run(study(), 2, isolated=False)
    assert (len(log()), verified()) == (2, {})
