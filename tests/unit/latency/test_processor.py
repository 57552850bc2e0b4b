"""What Linux's files say of the CPU, over files written for the test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.latency import processor
from nas.latency.processor import CpuTime, foreign_cpus


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two physical cores with two threads each, all of them ours, without a limit."""
    monkeypatch.setattr(processor, "CPU", tmp_path / "cpu")
    monkeypatch.setattr(processor, "PROC", tmp_path / "proc")
    monkeypatch.setattr(processor, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(processor, "available_cpus", lambda: frozenset(range(4)))
    for cpu in range(4):
        write(tmp_path / f"cpu/cpu{cpu}/topology/physical_package_id", "0")
        write(tmp_path / f"cpu/cpu{cpu}/topology/core_id", str(cpu % 2))
        write(tmp_path / f"cpu/cpu{cpu}/cpufreq/scaling_governor", "performance")
    return tmp_path


def test_siblings_of_one_core_count_once(machine: Path) -> None:
    assert processor.physical_cores() == 2


def test_equal_core_numbers_of_two_packages_are_two_cores(machine: Path) -> None:
    write(machine / "cpu/cpu2/topology/physical_package_id", "1")
    write(machine / "cpu/cpu3/topology/physical_package_id", "1")
    assert processor.physical_cores() == 4


def test_only_the_cores_of_this_process_count(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "available_cpus", lambda: frozenset({0, 2}))
    assert processor.physical_cores() == 1


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("800000 100000", 2)]
)
def test_a_containers_limit_holds(machine: Path, limit: str, cores: int) -> None:
    write(machine / "cgroup/cpu.max", limit)
    assert processor.physical_cores() == cores


def test_the_limit_of_an_older_kernel_holds(machine: Path) -> None:
    write(machine / "cgroup/cpu/cpu.cfs_quota_us", "-1")
    write(machine / "cgroup/cpu/cpu.cfs_period_us", "100000")
    assert processor.quota_cpus() is None
    write(machine / "cgroup/cpu/cpu.cfs_quota_us", "150000")
    assert processor.quota_cpus() == 1.5


def test_a_system_that_says_nothing_has_as_many_cores_as_cpus(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPU", machine / "nothing")
    assert processor.physical_cores() == 4
    assert processor.governor() is None


def test_governors_that_differ_are_all_named(machine: Path) -> None:
    assert processor.governor() == "performance"
    write(machine / "cpu/cpu3/cpufreq/scaling_governor", "powersave")
    assert processor.governor() == "performance,powersave"


def test_foreign_cpus_are_what_the_machine_was_busy_with_beside_this_process() -> None:
    begin, end = CpuTime(10.0, 100.0, 5.0), CpuTime(12.0, 103.5, 7.0)
    assert foreign_cpus(begin, end) == 0.75


def test_foreign_cpus_are_never_negative_and_unknown_where_nothing_can_be_read() -> None:
    assert foreign_cpus(CpuTime(0.0, 0.0, 0.0), CpuTime(1.0, 0.9, 1.0)) == 0.0
    assert foreign_cpus(CpuTime(0.0, None, 0.0), CpuTime(1.0, None, 1.0)) is None
    assert foreign_cpus(CpuTime(0.0, 0.0, 0.0), CpuTime(0.01, 0.01, 0.0)) is None


def test_busy_time_is_all_but_idle_of_the_cpus_of_this_process(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "available_cpus", lambda: frozenset({1}))
    lines = ["cpu  9 9 9 9 9 9 9 9 0 0", "cpu0 9 9 9 9 9 9 9 9 0 0", "cpu1 100 20 30 5000 600 4 5 41 0 0", "intr 7"]
    write(machine / "proc/stat", "\n".join(lines))
    assert CpuTime.now().machine_s == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))
    (machine / "proc/stat").unlink()
    assert CpuTime.now().machine_s is None


def test_this_machine_has_a_name_and_cores() -> None:
    assert processor.model()
    assert 1 <= processor.physical_cores() <= len(processor.available_cpus())
