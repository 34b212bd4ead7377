"""What belongs to what: whose alarms concern an actuator, in the order in which they are named."""

from __future__ import annotations

from dataclasses import replace

from facility.equipment import Chiller, Rack
from safety.scope import concerns, racks_served
from tests.safety_kit import site

CHILLER = Chiller("ch_1", "cool", 400.0, 6.0)
ROOM = site(chillers={"ch_1": CHILLER})


def rack(name: str, hall: str) -> Rack:
    return replace(ROOM.racks["r1"], id=name, hall=hall)


def test_a_units_own_alarms_come_first_then_its_halls_its_racks_and_the_site() -> None:
    served = racks_served(ROOM, "cdu_1")
    assert concerns(ROOM, "cdu_1", "plc_7", served) == (
        *("cdu_1", "plc_7", "hall"),
        *(each.id for each in served),
        "site",
    )


def test_the_alarms_of_a_chillers_loop_are_its_own() -> None:
    assert concerns(ROOM, "ch_1", "plc_7", []) == ("ch_1", "plc_7", "cool", "site")
    assert concerns(ROOM, "cool", "plc_7", []) == ("cool", "plc_7", "site")


def test_what_is_its_own_device_and_a_hall_of_many_racks_are_named_once() -> None:
    racks = [rack("a", "north"), rack("b", "south"), rack("c", "north")]
    assert concerns(ROOM, "cdu_1", "cdu_1", racks) == (
        *("cdu_1", "north", "south", "a", "b", "c", "site"),
    )
