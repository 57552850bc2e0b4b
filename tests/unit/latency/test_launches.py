"""Eager time against the device's own time: whether a network waits for its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nas
from nas.latency.launches import CALLS, WARM_UP_CALLS, launch_bound, launched_s
from nas.latency.timing import HostTimer

if TYPE_CHECKING:
    from conftest import FakeClock


@pytest.mark.parametrize(
    ("eager_s", "device_s", "bound"), [(3e-3, 1e-3, True), (1.25, 1.0, True), (1.2, 1.0, False), (0.9, 1.0, False)]
)
def test_a_network_is_launch_bound_where_the_device_idles_for_a_fifth_of_the_time(
    eager_s: float, device_s: float, bound: bool
) -> None:
    assert launch_bound(eager_s, device_s) is bound


def test_the_launched_pass_is_warmed_up_and_its_median_taken(clock: FakeClock) -> None:
    durations = [0.09] * WARM_UP_CALLS + [0.01] * (CALLS // 2 + 1) + [0.05] * (CALLS // 2)
    call = nas.DeviceCall(clock.call(1.0), launched=clock.call(durations))
    assert launched_s(call, HostTimer(clock.ns)) == pytest.approx(0.01)
    assert clock.now_ns == pytest.approx(sum(durations) * 1e9), "each of them once"


def test_passes_of_seconds_are_launched_a_few_times_only(clock: FakeClock) -> None:
    call = nas.DeviceCall(clock.call(1.0), launched=clock.call([30.0, 20.0]))
    assert launched_s(call, HostTimer(clock.ns)) == pytest.approx(30.0)
    assert clock.now_ns == pytest.approx(30e9), "the deadline of the timing is not used up"
    call = nas.DeviceCall(clock.call(1.0), launched=clock.call([0.9, 0.5, 0.5, 0.6, 0.6]))
    assert launched_s(call, HostTimer(clock.ns)) == pytest.approx(0.6)


def test_where_there_is_no_launched_pass_nothing_is_timed(clock: FakeClock) -> None:
    for call in (clock.call(1.0), nas.DeviceCall(clock.call(1.0))):
        assert launched_s(call, HostTimer(clock.ns)) is None
    assert clock.now_ns == 0
