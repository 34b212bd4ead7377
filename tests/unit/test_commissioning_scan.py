"""Scanning an unknown device: what its registers may hold, and a points list that imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from adapters import codec
from adapters.commissioning.guess import guesses
from adapters.commissioning.scan import Scan
from adapters.driver import FakeDriver, Place, ReadRefused
from adapters.gateway.client import GatewayRefusal
from adapters.gateway.door import Refusal
from adapters.gateway.probe import Probe
from facility.devices import Device
from facility.loading.points_csv import COLUMNS, Row, points_of
from facility.loading.problems import Problem
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.wire import to_wire
from tests.gateway_kit import small_site
from tests.gateway_world import World

SITE = small_site(crah=False)
SHAPE = Point(
    "t", "cdu-1", "cdu-1", "tcs_flow", Role.SENSOR, Table.INPUT, "0", DataType.FLOAT32, "L/s",
    Access.READ,
)  # fmt: skip


def words(values: list[tuple[float, DataType, Order, float]]) -> list[int | None]:
    """Registers that hold values one after the other, as (value, type, word order, scale)."""
    found: list[int | None] = []
    for value, data_type, order, scale in values:
        point = replace(SHAPE, data_type=data_type, word_order=order, scale=scale)
        data = codec.encode(point, value)
        found += [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return found


@pytest.mark.parametrize("order", list(Order))
def test_types_orders_and_scales_are_guessed(order: Order) -> None:
    held = [
        (31.5, DataType.INT16, Order.BIG, 0.1),
        (1317.4, DataType.FLOAT32, order, 1.0),
        (7.153, DataType.FLOAT32, order, 1.0),
        (55.25, DataType.INT16, Order.BIG, 0.01),
        (0.0, DataType.UINT16, Order.BIG, 1.0),
        (1.0, DataType.UINT16, Order.BIG, 1.0),
    ]
    later = [(value * 1.01 if kind is DataType.FLOAT32 else value, kind, o, s)
             for value, kind, o, s in held]  # fmt: skip
    found = list(guesses(Table.INPUT, 0, [words(held), words(later)]))
    shown = [(g.register, g.data_type, g.scale) for g in found]
    assert shown == [
        (0, DataType.INT16, 0.1),
        (1, DataType.FLOAT32, 1.0),
        (3, DataType.FLOAT32, 1.0),
        (5, DataType.INT16, 0.01),
        (7, DataType.UINT16, 1.0),
    ]
    assert [g.word_order for g in found if g.data_type is DataType.FLOAT32] == [order, order]
    assert [g.moved for g in found] == [False, True, True, False, False]


def test_what_means_no_value_becomes_a_sentinel_and_zeros_are_passed_over() -> None:
    (found,) = guesses(Table.HOLDING, 100, [[0, 0xFFFF, 0, None], [0, 0xFFFF, 0, None]])
    assert (found.register, found.value, found.sentinel) == (101, None, "0xFFFF")


class Registers(FakeDriver):
    """A device that has some registers, and refuses a range that touches others."""

    held: Mapping[int, int]

    async def registers(self, table: Table, first: int, count: int) -> bytes:
        self.requests += 1
        try:
            data = [self.held[at] for at in range(first, first + count)]
        except KeyError:
            raise ReadRefused("exception 2, illegal data address") from None
        return b"".join(value.to_bytes(2, "big") for value in data)


def probe_over(held: Mapping[int, int]) -> tuple[Probe, Registers]:
    world = World(SITE)
    world.settle()
    device = Registers(SITE.devices["cdu-1"], SITE.device_points("cdu-1"), world.clock.now_s)
    device.held = held
    device._connected = True
    return Probe(world.gateway.house.core, {"cdu-1": device}), device


async def test_holes_in_a_range_are_found_and_the_rest_is_read() -> None:
    probe, device = probe_over({0: 7, 1: 8, 40: 9})
    told = json.loads(
        await probe.answer(
            "probe_registers", {"device": "cdu-1", "table": "input", "first": 0, "count": 64}
        )
    )
    there = {at: word for at, word in enumerate(told["words"]) if word is not None}
    assert there == {0: 7, 1: 8, 40: 9}
    assert device.received == []


@pytest.mark.parametrize(
    ("op", "arguments", "said"),
    [
        ("probe_registers", {"device": "x"}, "there is no device 'x'"),
        ("probe_registers", {"device": "cdu-1", "table": "node"}, "first and count are whole"),
        ("probe_registers", {"device": "cdu-1", "table": "input", "first": 0, "count": 9000},
         "registers are 0 to 65535"),
        ("probe_registers", {"device": "cdu-1", "table": "tables"}, "table is holding"),
        ("probe_places", {"device": "cdu-1"}, "does not tell what it holds"),
        ("probe_points", {"device": "cdu-1", "tags": ["nobody"]}, "no readable point 'nobody'"),
        ("probe_raw", {"device": "cdu-1", "tag": "nobody"}, "has no point 'nobody'"),
    ],
)  # fmt: skip
async def test_what_cannot_be_probed_is_refused_in_words(
    op: str, arguments: dict[str, Any], said: str
) -> None:
    probe, _ = probe_over({})
    with pytest.raises(Refusal, match=said):
        await probe.answer(op, arguments)


class Field:
    """Answers a scan from registers in memory."""

    def __init__(self, held: Mapping[int, int]) -> None:
        self.held = held

    def call(self, op: str, **arguments: Any) -> Any:
        first, count = arguments["first"], arguments["count"]
        return {"words": [self.held.get(at) for at in range(first, first + count)]}


def test_a_scan_gives_rows_that_import_and_leaves_out_what_is_known() -> None:
    values = [(31.5, DataType.INT16, Order.BIG, 0.1), (14.37, DataType.FLOAT32, Order.LITTLE, 1.0)]
    held = dict(enumerate(word or 0 for word in words(values)))
    held |= {at + 98: word for at, word in held.items()}  # a value across the seam of two chunks
    device: Device = SITE.devices["cdu-1"]
    known = frozenset({(Table.INPUT, "0")})
    scan = Scan(Field(held), device, known, lambda s: None, lambda what, share: None)
    scan.registers([Table.INPUT], 0, 200, 2, 1.0)
    addresses = [row["address"] for row in scan.rows]
    assert addresses == ["1", "98", "99"]
    problems: list[Problem] = []
    rows = [Row("found.csv", row["tag"], {name: row.get(name, "") for name in COLUMNS})
            for row in scan.rows]  # fmt: skip
    found = points_of(rows, problems)
    assert problems == []
    assert found[0].point.word_order is Order.LITTLE
    assert "14.37 as float32" in found[0].point.note


class Tree:
    """Answers a scan from what lies below each place; None refuses."""

    def __init__(self, below: Mapping[str, list[Place] | None]) -> None:
        self.below = below

    def call(self, op: str, **arguments: Any) -> Any:
        places = self.below[arguments["below"]]
        if places is None:
            raise GatewayRefusal(f"404, {arguments['below']} was not found")
        return {"places": [to_wire(place) for place in places]}


def leaf(address: str, name: str, value: float) -> Place:
    return Place(address, name, name, "float64", value, unit="Cel")


def walked(below: Mapping[str, list[Place] | None]) -> Scan:
    device = SITE.devices["cdu-1"]
    scan = Scan(Tree(below), device, frozenset(), lambda s: None, lambda what, share: None)
    scan.places(Table.RESOURCE)
    return scan


def test_a_walk_goes_on_past_what_is_refused_and_tells_two_of_one_name_apart() -> None:
    folder = Place("/a", "Fans", "Fans", opens=True)
    gone = Place("/b", "Gone", "Gone", opens=True)
    below = [leaf("/a#/0", "Speed", 1.5), leaf("/a#/1", "Speed", 2.5), folder]  # a circle
    scan = walked({"": [folder, gone, leaf("/#/T", "T", 21.0)], "/a": below, "/b": None})
    assert [row["tag"] for row in scan.rows] == [
        "cdu-1.T", "cdu-1.Fans/Speed", "cdu-1.Fans/Speed /a#/1",
    ]  # fmt: skip
    assert scan.rows[0]["note"] == "T: 21 now, Cel"
    assert scan.refused == ["404, /b was not found"]


def test_a_device_that_shows_nothing_at_all_is_a_refusal() -> None:
    with pytest.raises(GatewayRefusal, match="404"):
        walked({"": None})
