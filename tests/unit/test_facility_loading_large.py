"""Reading a large site costs what its size says: nothing is gone through once for each cell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from facility.loading import Problem, parse_site
from facility.loading.crosscheck import check_control
from facility.loading.table import TableReader
from facility.loading.topology import read_topology
from facility.points import Point
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts


@pytest.fixture(scope="module")
def campus() -> tuple[str, str]:
    made = texts(DESIGNS["campus"](), 15000)
    return made["site.toml"], made["points.csv"]


class Untravelled(dict[str, object]):
    """Whoever asks for one name must not go through all: a list asks for each of its cells."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("gone through")


def test_a_name_that_is_known_is_found_without_going_through_all() -> None:
    found: list[Problem] = []
    reader = TableReader("points.csv", "row 2", {}, found)
    assert reader.known("equipment", "cdu1", Untravelled(cdu1=None), "equipment") == "cdu1"
    assert not found


def test_the_points_are_gone_through_once_however_many_devices_there_are(
    campus: tuple[str, str],
) -> None:
    site = parse_site(*campus)
    times = 0

    class Counted(dict[str, Point]):
        def values(self) -> Any:
            nonlocal times
            times += 1
            return super().values()

    found: list[Problem] = []
    topology = read_topology(tomllib.loads(campus[0]), found)
    check_control(Counted(site.points), site.actuators, topology, found)
    assert not found
    assert len({actuator.device for actuator in site.actuators.values()}) > times


def test_a_devices_points_and_actuators_are_those_that_name_it(campus: tuple[str, str]) -> None:
    site = parse_site(*campus)
    for device in site.devices:
        points = site.device_points(device)
        assert points == tuple(p for p in site.points.values() if p.device == device)
        actuators = site.device_actuators(device)
        assert actuators == tuple(a for a in site.actuators.values() if a.device == device)
    assert not site.device_points("nowhere")
    assert not site.device_actuators("nowhere")
