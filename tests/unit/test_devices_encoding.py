"""What a value looks like on the wire, checked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.points import Access, DataType, Order, Point, Role, Table
from sim.devices.encoding import Codec

POINT = Point(
    tag="t",
    device="d",
    equipment="e",
    quantity="tcs_supply_temperature",
    role=Role.SENSOR,
    table=Table.HOLDING,
    address="0",
    data_type=DataType.FLOAT32,
    unit="degC",
    access=Access.READ_WRITE,
)


@pytest.mark.parametrize(
    ("byte_order", "word_order", "wire"),
    [  # 123456.0 is 47 F1 20 00 in IEEE 754 binary32
        (Order.BIG, Order.BIG, "47f12000"),
        (Order.BIG, Order.LITTLE, "200047f1"),
        (Order.LITTLE, Order.BIG, "f1470020"),
        (Order.LITTLE, Order.LITTLE, "0020f147"),
    ],
)
def test_the_four_orders_of_two_registers(byte_order: Order, word_order: Order, wire: str) -> None:
    codec = Codec.of(replace(POINT, byte_order=byte_order, word_order=word_order))
    assert codec.encode(123456.0).hex() == wire
    assert codec.decode(bytes.fromhex(wire)) == 123456.0


def test_four_registers_reverse_as_a_whole() -> None:
    # 1.0 is 3F F0 00 00 00 00 00 00 in binary64
    codec = Codec.of(replace(POINT, data_type=DataType.FLOAT64, word_order=Order.LITTLE))
    assert codec.encode(1.0).hex() == "0000000000003ff0"


@pytest.mark.parametrize(
    ("data_type", "unit", "scale", "offset", "value", "wire"),
    [
        (DataType.INT16, "degC", 0.1, 0.0, -12.34, "ff85"),  # -123
        (DataType.INT16, "degF", 0.1, 0.0, 20.0, "02a8"),  # 68.0 F
        (DataType.UINT16, "kelvin", 0.01, 0.0, 20.0, "7283"),  # 293.15 K
        (DataType.INT16, "degC", 0.5, -40.0, 20.0, "0078"),  # (20 + 40) / 0.5
        (DataType.UINT32, "W", 1.0, 0.0, 100.0, "000186a0"),  # 100 kW
        (DataType.INT32, "degC", 0.001, 0.0, -0.001, "ffffffff"),
        (DataType.BOOL, "state", 1.0, 0.0, 1.0, "0001"),
    ],
)
def test_scale_offset_and_unit(
    data_type: DataType, unit: str, scale: float, offset: float, value: float, wire: str
) -> None:
    point = replace(POINT, data_type=data_type, unit=unit, scale=scale, offset=offset)
    codec = Codec.of(point)
    assert codec.encode(value).hex() == wire
    assert codec.decode(bytes.fromhex(wire)) == pytest.approx(value, abs=0.05)


def test_integers_saturate_instead_of_wrapping() -> None:
    codec = Codec.of(replace(POINT, data_type=DataType.INT16, scale=0.1))
    assert codec.encode(1e6).hex() == "7fff"
    assert codec.encode(-1e6).hex() == "8000"


@pytest.mark.parametrize(
    ("data_type", "sentinels", "wire"),
    [
        (DataType.UINT16, (65535, 65534), "ffff"),
        (DataType.INT16, (-32768,), "8000"),
        (DataType.INT16, (), "8000"),
        (DataType.UINT16, (), "ffff"),
        (DataType.FLOAT32, (), "7fc00000"),
    ],
)
def test_an_absent_value_is_a_sentinel_and_never_zero(
    data_type: DataType, sentinels: tuple[int, ...], wire: str
) -> None:
    codec = Codec.of(replace(POINT, data_type=data_type, sentinels=sentinels))
    assert codec.encode(None).hex() == wire


@pytest.mark.parametrize("wire", ["7fc00000", "7f800000", "ff800000"])
def test_nan_and_infinities_are_no_values(wire: str) -> None:
    assert Codec.of(POINT).decode(bytes.fromhex(wire)) is None


def test_nodes_are_little_endian_scalars_whatever_the_orders_say() -> None:
    node = replace(POINT, table=Table.NODE, word_order=Order.LITTLE, byte_order=Order.LITTLE)
    assert Codec.of(replace(node, data_type=DataType.FLOAT64)).encode(1.0).hex() == (
        "000000000000f03f"
    )
    assert Codec.of(replace(node, data_type=DataType.BOOL, unit="state")).encode(1.0) == b"\x01"
