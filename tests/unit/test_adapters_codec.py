"""What travels on the wire, against values worked out by hand or taken from the standards."""

from __future__ import annotations

import math
import struct

import pytest

from adapters import codec
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.telemetry import Quality


def point(
    data_type: DataType = DataType.INT16,
    table: Table = Table.HOLDING,
    address: str = "0",
    tag: str = "cdu-1.tcs_supply_temperature",
    **fields: object,
) -> Point:
    base = {"unit": "degC", "access": Access.READ_WRITE, "role": Role.SENSOR, **fields}
    return Point(
        tag=tag,
        device="cdu-1",
        equipment="cdu-1",
        quantity=tag.split(".")[1],
        table=table,
        address=address,
        data_type=data_type,
        **base,  # type: ignore[arg-type]  # the keywords of a Point
    )


@pytest.mark.parametrize(
    ("byte_order", "word_order", "wire"),
    [
        (Order.BIG, Order.BIG, "41424344"),  # ABCD
        (Order.BIG, Order.LITTLE, "43444142"),  # CDAB: word-swapped, as on Vertiv CDUs
        (Order.LITTLE, Order.BIG, "42414443"),  # BADC
        (Order.LITTLE, Order.LITTLE, "44434241"),  # DCBA
    ],
)
def test_orders_of_a_float_are_the_four_that_vendors_use(
    byte_order: Order, word_order: Order, wire: str
) -> None:
    value = struct.unpack(">f", b"ABCD")[0]
    swapped = point(DataType.FLOAT32, byte_order=byte_order, word_order=word_order)
    assert codec.encode(swapped, value).hex() == wire
    assert codec.decode(swapped, bytes.fromhex(wire)) == value


def test_scale_offset_and_unit_are_applied_in_that_order() -> None:
    # 77 °F = 25 °C; the register counts tenths of °F above -40 °F: (77 + 40) * 10 = 1170.
    fahrenheit = point(unit="degF", scale=0.1, offset=-40.0)
    assert codec.encode(fahrenheit, 25.0) == (1170).to_bytes(2, "big")
    assert codec.decode(fahrenheit, (1170).to_bytes(2, "big")) == pytest.approx(25.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_encoded(value: float) -> None:
    with pytest.raises(codec.EncodingError, match="finite"):
        codec.encode(point(DataType.FLOAT32), value)


@pytest.mark.parametrize("value", [17.99, 40.01])
def test_a_setpoint_outside_its_range_is_never_encoded(value: float) -> None:
    with pytest.raises(codec.EncodingError, match="outside 18 to 40"):
        codec.encode(point(DataType.FLOAT32, minimum=18.0, maximum=40.0), value)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        (DataType.INT16, 32768.0),
        (DataType.INT16, -32769.0),
        (DataType.UINT16, -1.0),
        (DataType.UINT16, 65536.0),
        (DataType.UINT32, 2.0**32),
        (DataType.BOOL, 2.0),
        (DataType.FLOAT32, 1e39),
    ],
)
def test_a_value_beyond_its_type_is_refused_rather_than_wrapped(
    data_type: DataType, value: float
) -> None:
    with pytest.raises(codec.EncodingError, match="beyond"):
        codec.encode(point(data_type), value)


def test_a_value_that_would_read_as_no_value_is_refused() -> None:
    with pytest.raises(codec.EncodingError, match="no value"):
        codec.encode(point(sentinels=(-1,)), -1.0)


@pytest.mark.parametrize(
    ("data_type", "sentinel", "wire"),
    [
        (DataType.UINT16, 0xFFFF, "ffff"),
        (DataType.INT16, -32768, "8000"),
        (DataType.INT16, 0x8000, "8000"),  # the same register, written as unsigned
        (DataType.FLOAT32, 0xFFFF, "ffffffff"),  # every register says so
        (DataType.UINT32, 0xFFFFFFFF, "ffffffff"),
    ],
)
def test_sentinels_are_absent_and_have_no_value(
    data_type: DataType, sentinel: int, wire: str
) -> None:
    data = bytes.fromhex(wire)
    only = point(data_type, sentinels=(sentinel,))
    reading = codec.RegisterBlock(0, len(data) // 2, [only]).readings(data, 5.0)[only.tag]
    assert reading.value is None
    assert reading.quality is Quality.ABSENT


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_floats_that_are_no_numbers_are_bad_and_never_zero(raw: float) -> None:
    only = point(DataType.FLOAT32)
    data = struct.pack(">f", raw)
    reading = codec.RegisterBlock(0, 2, [only]).readings(data, 5.0)[only.tag]
    assert (reading.value, reading.quality) == (None, Quality.BAD)


def test_a_reading_out_of_range_is_bad_and_says_what_it_was() -> None:
    only = point(minimum=-30.0, maximum=110.0, scale=0.1)
    data = struct.pack(">h", 9999)
    reading = codec.RegisterBlock(0, 1, [only]).readings(data, 5.0)[only.tag]
    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert "999.9" in reading.note
    assert "110" in reading.note


def test_a_state_register_holds_zero_or_one() -> None:
    leak = point(DataType.BOOL, unit="state")
    block = codec.RegisterBlock(0, 1, [leak])
    assert block.readings(b"\x00\x01", 5.0)[leak.tag].value == 1.0
    assert block.readings(b"\x00\x05", 5.0)[leak.tag].quality is Quality.BAD


def test_a_block_of_another_length_than_asked_for_is_refused() -> None:
    with pytest.raises(codec.EncodingError, match="asked for 4 bytes, got 2"):
        codec.RegisterBlock(0, 2, [point(DataType.FLOAT32)]).readings(b"\x00\x00", 5.0)


def test_bits_count_from_the_lowest_of_the_first_byte() -> None:
    # Application Protocol V1.1b3, 6.1: 0xCD = 1100 1101, coil 20 is its lowest bit.
    coils = [
        point(DataType.BOOL, Table.COIL, str(n), tag=f"c.n{n}", unit="state") for n in range(20, 31)
    ]
    found = codec.bit_readings(20, coils, bytes.fromhex("cd06"), 5.0)
    states = [found[f"c.n{n}"].value for n in range(20, 31)]
    assert states == [1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1]


def test_opc_ua_scalars_are_little_endian() -> None:
    # OPC 10000-6, 5.2.2.3: -6.5 as Float is 00 00 D0 C0.
    node = point(DataType.FLOAT32, Table.NODE, "ns=2;s=x")
    assert codec.encode(node, -6.5).hex() == "0000d0c0"
    assert codec.scalar(point(DataType.BOOL, Table.NODE, "ns=2;s=x"), b"\x01") is True
