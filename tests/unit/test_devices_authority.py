"""A device is taken over by enable and heartbeat, and goes home by itself."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from facility.devices import Release
from sim.authority import DeviceAuthority
from tests.devices_plant import WATCHDOG_S, device, site_of

SETPOINT = "cdu1.tcs_supply_temperature_setpoint"
FLOW = "cdu1.tcs_flow_setpoint"
LOCAL = np.array([20.0, 10.0])


def authority(release: Release = Release.RAMP) -> DeviceAuthority:
    return DeviceAuthority(site_of(device("cdu1", 502, release=release)))


def arm(devices: DeviceAuthority, now_s: float, setpoint_c: float, flow_ls: float = 10.0) -> None:
    assert devices.write(SETPOINT, setpoint_c, now_s)
    assert devices.write(FLOW, flow_ls, now_s)
    assert devices.write("cdu1.heartbeat", now_s % 1000.0 + 1.0, now_s)
    assert devices.write("cdu1.remote_enable", 1.0, now_s)


def test_a_setpoint_written_in_local_control_is_kept_but_not_used() -> None:
    devices = authority()
    assert devices.write(SETPOINT, 30.0, 0.0)
    assert devices.in_force(LOCAL, 0.0, 1.0).tolist() == [20.0, 10.0]
    assert devices.read(SETPOINT, 0.0) == 30.0
    assert devices.read("cdu1.remote_active", 0.0) == 0.0


def test_an_armed_device_follows_the_preloaded_value_and_says_so() -> None:
    devices = authority()
    arm(devices, 0.0, 24.5)
    assert devices.in_force(LOCAL, 0.0, 1.0).tolist() == [24.5, 10.0]
    assert devices.read("cdu1.remote_active", 0.0) == 1.0
    assert devices.read("cdu1.tcs_supply_temperature_setpoint_in_force", 0.0) == 24.5
    assert devices.remote(0.0) == {"cdu1": True}


def test_a_read_back_shows_a_new_remote_setpoint_in_the_same_instant() -> None:
    devices = authority()
    arm(devices, 0.0, 24.5)
    devices.in_force(LOCAL, 0.0, 1.0)
    assert devices.write(SETPOINT, 25.0, 0.5)
    assert devices.read("cdu1.tcs_supply_temperature_setpoint_in_force", 0.5) == 25.0


@pytest.mark.parametrize("release", list(Release))
def test_without_a_changing_heartbeat_the_device_is_local_at_the_watchdog_time(
    release: Release,
) -> None:
    devices = authority(release)
    arm(devices, 100.0, 24.0)
    assert devices.read("cdu1.remote_active", 100.0 + WATCHDOG_S - 0.001) == 1.0
    assert devices.write("cdu1.heartbeat", 101.0, 103.0)  # the same number is no beat
    assert devices.read("cdu1.remote_active", 100.0 + WATCHDOG_S) == 0.0
    assert devices.read("cdu1.remote_enable", 100.0 + WATCHDOG_S) == 0.0


def test_a_beat_after_the_lapse_does_not_bring_the_remote_back() -> None:
    devices = authority()
    arm(devices, 0.0, 24.0)
    assert devices.write("cdu1.heartbeat", 77.0, 60.0)
    assert devices.read("cdu1.remote_active", 60.0) == 0.0


def test_an_enable_waits_for_a_beat_as_long_as_the_watchdog_and_no_longer() -> None:
    devices = authority()
    assert devices.write("cdu1.remote_enable", 1.0, 10.0)
    assert devices.read("cdu1.remote_active", 10.0) == 0.0
    assert devices.read("cdu1.remote_enable", 13.9) == 1.0
    assert devices.write("cdu1.heartbeat", 5.0, 13.9)
    assert devices.read("cdu1.remote_active", 13.9) == 1.0
    late = authority()
    assert late.write("cdu1.remote_enable", 1.0, 10.0)
    assert late.write("cdu1.heartbeat", 5.0, 14.0)
    assert late.read("cdu1.remote_active", 14.0) == 0.0


def test_a_jumping_device_is_at_its_own_setpoint_in_the_step_of_the_lapse() -> None:
    devices = authority(Release.JUMP)
    arm(devices, 0.0, 30.0)
    assert devices.in_force(LOCAL, 3.0, 1.0)[0] == 30.0
    assert devices.in_force(LOCAL, 4.0, 1.0)[0] == 20.0


def test_a_ramping_device_returns_at_the_rate_of_its_direction() -> None:
    # Towards cooling 2 K/min (30 down to 20 takes 5 min), away from it 0.1 L/s a minute:
    # more flow cools more, so that 12 L/s down to 10 takes 20 min.
    devices = authority()
    arm(devices, 0.0, 30.0, 12.0)
    before = devices.in_force(LOCAL, 0.0, 1.0)
    path = [before] + [devices.in_force(LOCAL, float(t), 1.0) for t in range(4, 4 + 1300)]
    supply, flow = np.array(path).T
    assert np.diff(supply).min() == pytest.approx(-2.0 / 60.0)
    assert np.diff(flow).min() == pytest.approx(-0.1 / 60.0)
    assert supply[299] > 20.0
    assert supply[301] == 20.0
    assert flow[1199] > 10.0
    assert flow[1201] == 10.0


def test_a_release_in_words_starts_the_same_way_home() -> None:
    devices = authority()
    arm(devices, 0.0, 30.0)
    devices.in_force(LOCAL, 0.0, 1.0)
    assert devices.write("cdu1.remote_enable", 0.0, 1.0)
    assert devices.in_force(LOCAL, 1.0, 1.0)[0] == pytest.approx(30.0 - 2.0 / 60.0)


def test_who_takes_over_on_the_way_home_starts_at_the_preloaded_value() -> None:
    devices = authority()
    arm(devices, 0.0, 30.0)
    devices.in_force(LOCAL, 0.0, 1.0)
    on_the_way = devices.in_force(LOCAL, 10.0, 6.0)[0]
    assert 20.0 < on_the_way < 30.0
    arm(devices, 11.0, float(on_the_way))
    assert devices.in_force(LOCAL, 11.0, 1.0)[0] == on_the_way


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (SETPOINT, 17.9),
        (SETPOINT, 40.1),
        (SETPOINT, float("nan")),
        (SETPOINT, float("inf")),
        ("cdu1.remote_enable", 2.0),
        ("cdu1.remote_active", 1.0),
        ("cdu1.tcs_supply_temperature", 20.0),
        ("cdu1.tcs_supply_temperature_setpoint_in_force", 20.0),
        ("nothing", 1.0),
    ],
)
def test_a_rejected_write_changes_nothing(tag: str, value: float) -> None:
    devices = authority()
    before = pickle.dumps(devices)
    assert not devices.write(tag, value, 0.0)
    assert pickle.dumps(devices) == before


def test_the_ends_of_a_range_survive_a_float32() -> None:
    devices = authority()
    assert devices.write(FLOW, float(np.float32(20.0) * np.float32(1.0 + 1e-7)), 0.0)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_copy_goes_its_own_way_and_the_same_way(clone) -> None:  # type: ignore[no-untyped-def]
    devices = authority()
    arm(devices, 0.0, 30.0)
    devices.in_force(LOCAL, 0.0, 1.0)
    twin: DeviceAuthority = clone(devices)
    assert twin.write(SETPOINT, 25.0, 1.0)
    assert twin.in_force(LOCAL, 1.0, 1.0)[0] == 25.0
    assert devices.in_force(LOCAL, 1.0, 1.0)[0] == 30.0
    ours = [devices.in_force(LOCAL, float(t), 1.0)[0] for t in range(2, 400)]
    again: DeviceAuthority = clone(authority())
    arm(again, 0.0, 30.0)
    theirs = [again.in_force(LOCAL, float(t), 1.0)[0] for t in (0, *range(1, 400))][2:]
    assert ours == theirs
