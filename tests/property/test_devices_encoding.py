"""Whatever can be written in a register comes back, as the points list's own words say."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facility.points import Access, DataType, Order, Point, Role, Table
from facility.units import UNITS, Kind
from sim.devices.encoding import Codec

INTEGERS = {
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
}


def points(data_type: DataType) -> st.SearchStrategy[Point]:
    return st.builds(
        Point,
        tag=st.just("t"),
        device=st.just("d"),
        equipment=st.just("e"),
        quantity=st.just("power"),
        role=st.just(Role.SETPOINT),
        table=st.sampled_from((Table.HOLDING, Table.INPUT)),
        address=st.just("0"),
        data_type=st.just(data_type),
        unit=st.sampled_from([u.name for u in UNITS.values() if u.kind is not Kind.STATE]),
        access=st.just(Access.READ_WRITE),
        scale=st.sampled_from((0.001, 0.01, 0.1, 0.5, 1.0, 10.0)),
        offset=st.sampled_from((-40.0, 0.0, 12.5)),
        byte_order=st.sampled_from(Order),
        word_order=st.sampled_from(Order),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])  # says how busy the machine is
@given(data=st.data(), data_type=st.sampled_from(list(INTEGERS)))
def test_every_integer_comes_back_and_means_what_the_point_says(
    data: st.DataObject, data_type: DataType
) -> None:
    point = data.draw(points(data_type))
    raw = data.draw(st.integers(*INTEGERS[data_type]))
    codec = Codec.of(point)
    wire = codec.encode(point.to_canonical(raw))
    assert len(wire) == 2 * data_type.registers
    value = codec.decode(wire)
    assert value is not None
    assert round(point.to_raw(value)) == raw


@given(point=points(DataType.FLOAT32), raw=st.floats(width=32, min_value=-1e6, max_value=1e6))
def test_a_float_keeps_seven_digits(point: Point, raw: float) -> None:
    codec = Codec.of(point)
    value = codec.decode(codec.encode(point.to_canonical(raw)))
    assert value is not None
    step = struct.unpack(">f", struct.pack(">f", max(abs(raw), 1.0)))[0] * 2.0**-22
    assert abs(point.to_raw(value) - raw) <= step + 1e-9 * max(abs(point.offset / point.scale), 1.0)
