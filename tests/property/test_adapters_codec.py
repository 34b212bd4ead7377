"""Every value of every type, order and scale that a points list can name comes back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import codec
from adapters.modbus import blocks
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.telemetry import Quality

TYPES = st.sampled_from([t for t in DataType if t is not DataType.BOOL])
ORDERS = st.sampled_from(list(Order))
UNITS = st.sampled_from(["degC", "degF", "kW", "W", "gpm", "L/min", "psi", "fraction"])
VALUES = st.floats(min_value=0.0, max_value=30.0)


def point_of(
    data_type: DataType, byte_order: Order, word_order: Order, scale: float, unit: str, address: int
) -> Point:
    return Point(
        tag=f"x.p{address}",
        device="x",
        equipment="x",
        quantity="power",
        role=Role.SENSOR,
        table=Table.HOLDING,
        address=str(address),
        data_type=data_type,
        unit=unit,
        access=Access.READ_WRITE,
        scale=scale,
        byte_order=byte_order,
        word_order=word_order,
    )


@given(TYPES, ORDERS, ORDERS, st.sampled_from([0.001, 0.01, 0.1, 1.0]), UNITS, VALUES)
def test_what_was_encoded_is_decoded_to_within_its_resolution(
    data_type: DataType, byte_order: Order, word_order: Order, scale: float, unit: str, value: float
) -> None:
    point = point_of(data_type, byte_order, word_order, scale, unit, 7)
    try:
        data = codec.encode(point, value)
    except codec.EncodingError:
        return  # beyond the type: refused, which another test is about
    assert len(data) == 2 * data_type.registers
    step = abs(point.to_canonical(1.0) - point.to_canonical(0.0))
    tolerance = step / 2 if data_type.name.endswith(("INT16", "INT32")) else 1e-6 * 1e4
    assert codec.decode(point, data) == pytest.approx(value, abs=tolerance * 1.0001)


@given(
    st.lists(st.tuples(TYPES, ORDERS, ORDERS, st.integers(0, 9), VALUES), min_size=1, max_size=40),
    st.integers(0, 40),
    st.integers(4, 125),
)
def test_blocks_bring_every_point_once_and_the_same_value_as_alone(
    rows: list[tuple[DataType, Order, Order, int, float]], max_gap: int, max_block: int
) -> None:
    points, values, memory, address = [], {}, bytearray(), 0
    for data_type, byte_order, word_order, gap, value in rows:
        address += gap
        point = point_of(data_type, byte_order, word_order, 0.01, "kW", address)
        try:
            data = codec.encode(point, value)
        except codec.EncodingError:
            continue
        memory.extend(b"\xee" * (2 * address - len(memory)) + data)
        points.append(point)
        values[point.tag] = codec.decode(point, data)
        address += data_type.registers
    seen: dict[str, float | None] = {}
    for block in blocks(points, max_gap, max_block):
        first, count = (int.from_bytes(block.request[i : i + 2], "big") for i in (1, 3))
        assert count <= max_block
        found = block.decode(bytes(memory[2 * first : 2 * (first + count)]), 0.0)
        assert not set(found) & set(seen)
        assert all(r.quality is Quality.GOOD for r in found.values())
        seen |= {tag: reading.value for tag, reading in found.items()}
    assert seen == values


@given(TYPES, ORDERS, ORDERS, st.binary(min_size=8, max_size=8))
def test_whatever_a_device_answers_a_reading_is_finite_or_none(
    data_type: DataType, byte_order: Order, word_order: Order, noise: bytes
) -> None:
    point = point_of(data_type, byte_order, word_order, 1.0, "degC", 0)
    data = noise[: 2 * data_type.registers]
    reading = codec.RegisterBlock(0, data_type.registers, [point]).readings(data, 0.0)[point.tag]
    if reading.quality is Quality.GOOD:
        assert reading.value is not None
        assert math.isfinite(reading.value)
        assert reading.value == codec.decode(point, data)
    else:
        assert reading.value is None


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 15), min_size=1), ORDERS, st.booleans())
def test_the_bits_of_a_status_word_are_states_read_with_the_word_in_one_request(
    word: int, bits: set[int], byte_order: Order, whole: bool
) -> None:
    base = point_of(DataType.UINT16, byte_order, Order.BIG, 1.0, "state", 3)
    points = [
        replace(base, tag=f"x.bit{b}", data_type=DataType.BOOL, bit=b, access=Access.READ)
        for b in bits
    ]
    points += [replace(base, tag="x.word", unit="count")] if whole else []
    points.append(point_of(DataType.INT16, Order.BIG, Order.BIG, 1.0, "kW", 4))
    (block,) = blocks(points)
    found = block.decode(word.to_bytes(2, byte_order.value) + b"\x00\x07", 0.0)
    assert {t: r.value for t, r in found.items() if "bit" in t} == {
        f"x.bit{b}": float(word & 1 << b > 0) for b in bits
    }
    assert found["x.p4"].value == 7.0
    assert not whole or found["x.word"].value == word


@given(st.sampled_from(list(DataType)), st.sampled_from(["node", "object", "resource"]), VALUES)
def test_what_lies_in_no_register_comes_back_as_its_type_holds_it(
    data_type: DataType, table: str, value: float
) -> None:
    base = point_of(data_type, Order.BIG, Order.LITTLE, 1.0, "state", 0)
    point = replace(base, table=Table(table), address="ns=2;s=x", unit="count")
    number = float(value > 15.0) if data_type is DataType.BOOL else float(round(value))
    data = codec.encode(point, number)
    assert codec.decode(point, data) == number == float(codec.scalar(point, data))
    assert type(codec.scalar(point, data)) is (
        bool if data_type is DataType.BOOL else float if "float" in data_type.value else int
    )


@given(TYPES, ORDERS, ORDERS, st.integers(0, 0xFFFF))
def test_a_sentinel_is_no_value_in_every_type_and_order(
    data_type: DataType, byte_order: Order, word_order: Order, sentinel: int
) -> None:
    point = replace(
        point_of(data_type, byte_order, word_order, 1.0, "kW", 0), sentinels=(sentinel,)
    )
    # Every register of the value holds it, as devices fill what is absent; in its byte order.
    data = sentinel.to_bytes(2, byte_order.value) * data_type.registers
    found = codec.RegisterBlock(0, data_type.registers, [point]).readings(data, 0.0)[point.tag]
    assert (found.value, found.quality) == (None, Quality.ABSENT)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 5))
def test_coils_are_packed_lowest_first(states: list[bool], first: int) -> None:
    points = [
        replace(
            point_of(DataType.BOOL, Order.BIG, Order.BIG, 1.0, "state", first + i),
            table=Table.COIL,
        )
        for i in range(len(states))
    ]
    (block,) = blocks(points)
    packed = sum(1 << i for i, state in enumerate(states) if state)
    data = packed.to_bytes(block.size, "little")  # Application Protocol V1.1b3, 6.1
    found = block.decode(data, 0.0)
    assert [found[f"x.p{first + i}"].value for i in range(len(states))] == [*map(float, states)]
