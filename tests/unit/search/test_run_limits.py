"""How far a run goes: to exactly so many trials, to the end of its time, to a front that moves no more; and what it begins
with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest

import nas
from nas.errors import SpecError
from nas.search.prepare import Prepared
from nas.search.progress import Progress
from nas.spec import SAMPLERS

CONSTANT = {"objectives": {"slow": "maximize"}}
"""Every network is worth the same: only the first trial is a gain."""


@pytest.fixture
def run(plugin, storage) -> Callable[..., optuna.Study]:
    here = {"storage": storage, "plugins": [plugin], "isolated": False}
    return lambda study, trials=None, **others: nas.run(study, trials=trials, **here, **others)


@pytest.fixture
def heard(run) -> Callable[..., list[str]]:
    """The notices of a run; `watch` sees all that an observer is told."""

    def notices(study: Any, trials: int | None = None, watch: Callable[[Progress], None] | None = None,
                **others: Any) -> list[str]:
        found: list[str] = []

        def observe(told: Progress) -> None:
            found.extend(told.notices)
            if watch:
                watch(told)

        run(study, trials, observer=observe, **others)
        return found

    return notices


@pytest.fixture
def report(storage) -> Callable[..., Any]:
    return lambda: nas.read_report("tiny", storage=storage, sampler=True)


@pytest.fixture
def seconds(monkeypatch) -> list[float]:
    """The time by which a run ends; a test moves it."""
    now = [0.0]
    monkeypatch.setattr("nas.search.ending.time.monotonic", lambda: now[0])
    return now


# --- trials


@pytest.mark.usefixtures("calls")  # whose count begins with each test
@pytest.mark.parametrize("times, each", [
    (2, ["throttled", "ok"]),  # a trial asks a metric twice
    (4, ["throttled", "throttled", "ok"]),  # a retry of a retry
])
def test_what_does_not_count_is_tried_again_until_there_are_exactly_so_many(spec, run, report, times, each):
    study = spec(objectives={"slow": "maximize"}, columns={"slow": {"raises": "measure:throttled", "times": times}})
    run(study, 3)
    frame = report()
    assert list(frame["outcome"]) == each * 3
    assert list(frame["sampler"]) == (["random"] + ["retry"] * (len(each) - 1)) * 3
    assert frame["arch_id"].nunique() == 3
    assert run(study, 3).trials[-1].number == len(frame) - 1  # nothing was left to do
    run(study, 4)
    assert list(report()["outcome"]) == each * 4


# --- timeout


def test_after_the_timeout_no_trial_is_begun_and_the_next_run_goes_on(spec, heard, report, seconds):
    def watch(told: Progress) -> None:
        if told.doing == "trial 2: width":
            seconds[0] = 61.0

    study = spec(study={"timeout": 60, "trials": 5})
    assert heard(study, watch=watch) == [
        "timeout: the 1:00 of this run are over, with 3 of 5 trials finished; another run goes on from here"]
    assert list(report()["outcome"]) == ["ok"] * 3  # the one that ran then has ended
    assert heard(study) == []
    assert len(report()) == 5


def test_a_trial_that_is_proposed_when_the_time_is_over_is_not_begun(spec, heard, report, seconds):
    def watch(told: Progress) -> None:
        if told.doing == "trial 2: proposing a network":
            seconds[0] = 61.0

    (notice,) = heard(spec(study={"timeout": 60}), 5, watch=watch)
    assert "with 2 of 5 trials finished" in notice
    assert len(report()) == 2


def test_a_timeout_that_is_given_takes_the_place_of_the_files(spec, heard, report):
    assert heard(spec(study={"timeout": 1e-9}), 2, timeout=600) == []
    assert len(report()) == 2
    (notice,) = heard(spec(), 3, timeout=1e-9)
    assert notice.startswith("timeout: the 0:00 of this run are over, with 2 of 3 trials finished")


def test_an_observer_hears_how_much_time_is_left(spec, heard, seconds):
    left: list[float | None] = []
    heard(spec(study={"timeout": 60}), 1, watch=lambda told: left.append(told.seconds_left))
    assert set(left) == {60.0}
    left.clear()
    heard(spec(), 2, watch=lambda told: left.append(told.seconds_left))
    assert set(left) == {None}


# --- patience


def test_a_study_is_done_when_the_front_has_not_grown_and_a_resumed_run_knows_it(spec, heard, report):
    study = spec(**CONSTANT, study={"patience": 3})
    done = ("patience: the front is taken for final: it has not grown for 3 trials, since trial 0; a higher patience goes "
            "on from here")
    assert heard(study, 9) == [done]
    assert len(report()) == 4
    assert heard(study, 9) == [done]
    assert len(report()) == 4
    assert heard(study, 9, patience=5) == [done.replace("for 3", "for 5")]
    assert len(report()) == 6


def test_stopped_and_resumed_a_study_ends_at_the_same_trial(spec, run, report):
    study = spec(**CONSTANT, study={"patience": 4})
    for trials in (1, 2, 4, 9):
        run(study, trials)
    assert len(report()) == 5


# --- enqueue


def test_enqueued_networks_are_the_first_trials_and_are_enqueued_once(spec, make, run, heard, report):
    texts = [text_of(make(), **{"stage0.channels": channels}) for channels in (16, 12, 8)]
    study = spec(study={"enqueue": texts})
    assert heard(study, 2) == []
    assert heard(study, 5) == []
    frame = report()
    assert list(frame["arch"])[:3] == texts
    assert list(frame["sampler"]) == ["enqueue"] * 3 + ["random"] * 2
    assert frame["arch_id"].is_unique


def test_what_is_enqueued_later_comes_next_and_what_is_tried_already_is_told(spec, make, run, heard, report):
    run(spec(), 3)
    tried = list(report()["arch"])
    new = next(text for channels in (8, 12, 16) for kernel in (3, 5)
               if (text := text_of(make(), **{"stage0.channels": channels, "stage0.kernel": kernel})) not in tried)
    (notice,) = heard(spec(study={"enqueue": [tried[1], new]}), 4)
    assert notice.endswith("is left out: it is trial 1 already")
    assert list(report()["arch"])[3] == new


@pytest.mark.usefixtures("calls")
def test_an_enqueued_network_that_the_machine_failed_is_tried_again(spec, make, run, report):
    slow = {"raises": "measure:throttled", "times": 2}
    study = spec(study={"enqueue": [text_of(make())]}, objectives={"slow": "maximize"}, columns={"slow": slow})
    run(study, 1)
    frame = report()
    assert list(frame["sampler"]) == ["enqueue", "retry"]
    assert list(frame["outcome"]) == ["throttled", "ok"]


@pytest.mark.parametrize("sampler", [sampler for sampler in SAMPLERS if sampler != "random"])
def test_every_sampler_goes_on_from_enqueued_networks(spec, make, run, report, sampler):
    texts = [text_of(make(), **{"stage0.channels": channels}) for channels in (16, 12)]
    study = run(spec(study={"sampler": sampler, "enqueue": texts}), 4)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert list(report()["arch"])[:2] == texts


def test_a_name_that_is_none_is_an_error_and_nothing_is_written(spec, plugin, tmp_path):
    with pytest.raises(SpecError, match=r"tiny.toml: study.enqueue\[0\]: unknown network 'resnet51' \(did you mean 'resnet5"):
        nas.run(spec(study={"enqueue": ["resnet51"]}), storage=f"sqlite:///{tmp_path}/new.db", plugins=[plugin])
    assert not (tmp_path / "new.db").exists()


def text_of(ready: Prepared, **values: Any) -> str:
    return ready.space.decode({"stage0.repeats": 1, "stage0.channels": 8, "stage0.kernel": 3, **values}).text
