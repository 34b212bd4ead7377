"""What the devices' recorder says: matching at the edges, and who held a device when."""

from __future__ import annotations

import random

import pytest

from controller.evaluation.agreement import Write, compare_books
from controller.evaluation.recorded import held_share, recorded
from facility.loading import load_site
from facility.points import Role
from facility.site import Site
from sim.authority import DeviceAuthority
from sim.sites import write as write_site


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site") / "frontier"
    write_site("frontier", folder, 20_000)
    return load_site(folder)


def test_a_write_that_may_have_been_lost_is_no_difference_either_way() -> None:
    sure = Write(1.0, "a.setpoint", "00", "setpoint")
    unsure = Write(2.0, "a.setpoint", "01", "setpoint", sure=False)
    arrived = unsure._replace(sure=True)
    assert compare_books({"d": [sure, unsure]}, {"d": [sure]}, 1e-6).agrees
    assert compare_books({"d": [sure, unsure]}, {"d": [sure, arrived]}, 1e-6).agrees


def test_time_that_runs_on_may_differ_by_its_tolerance_only() -> None:
    sent = Write(10.0, "a.setpoint", "00", "setpoint")
    for late_s, agrees in ((0.4, True), (0.6, False)):
        arrived = sent._replace(time_s=10.0 + late_s)
        assert compare_books({"d": [sent]}, {"d": [arrived]}, 0.5).agrees is agrees


def test_remote_spans_are_those_of_the_devices_own_registers(frontier: Site) -> None:
    """The same writes, given to the simulated devices' registers and to the reader of records."""
    choose = random.Random(7)
    tags = {
        role: next(p.tag for p in frontier.device_points("cdu01") if p.role is role)
        for role in (Role.HEARTBEAT, Role.ENABLE)
    }
    authority = DeviceAuthority(frontier)
    lines, remote_s, count = [], 0, 0
    for second in range(2_000):
        now_s = float(second)
        roll = choose.random()
        if roll < 0.3:
            count += choose.random() < 0.8  # now and then a heart that is stuck
            written = (tags[Role.HEARTBEAT], float(count), "heartbeat")
        elif roll < 0.34:
            written = (tags[Role.ENABLE], 1.0, "enable")
        elif roll < 0.35:
            written = (tags[Role.ENABLE], 0.0, "release")
        else:
            written = ("", 0.0, "")
        if written[0]:
            tag, value, kind = written
            assert authority.write(tag, value, now_s)
            lines.append(
                {"time_s": now_s, "device": "cdu01", "tag": tag, "raw": "00", "value": value}
                | {"kind": kind, "accepted": True}
            )
        remote_s += authority.remote(now_s)["cdu01"]
    record = recorded(frontier, lines, 2_000.0)
    spans = record.remote["cdu01"]
    assert 200 < remote_s < 1_900
    assert sum(stop - start for start, stop in spans) == remote_s
    share = held_share(frontier, record, 0.0, 2_000.0)
    members = len(frontier.device_actuators("cdu01"))
    assert share == remote_s * members / (2_000.0 * len(frontier.actuators))
