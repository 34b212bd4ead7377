"""The live check's verdicts: mistakes in a points list are found by what the values would be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import codec
from adapters.commissioning.plausibility import Finding, judge, stuck
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.telemetry import Quality, Reading

FLOW = Point(
    tag="cdu.flow",
    device="cdu",
    equipment="cdu",
    quantity="tcs_flow",
    role=Role.SENSOR,
    table=Table.INPUT,
    address="2",
    data_type=DataType.FLOAT32,
    unit="L/min",
    access=Access.READ,
)
SUPPLY = replace(
    FLOW, quantity="tcs_supply_temperature", unit="degC", data_type=DataType.INT16, scale=0.1
)
ORDERS = [(byte, word) for byte in Order for word in Order]


def seen(configured: Point, on_the_device: Point, value: float) -> tuple[Reading, bytes]:
    """What the gateway reads with one row of the points list where the device means another."""
    data = codec.encode(on_the_device, value)
    found = codec.RegisterBlock(2, configured.data_type.registers, [configured])
    return found.readings(data, 0.0)[configured.tag], data


@given(
    value=st.floats(0.05, 900.0),
    kind=st.sampled_from([DataType.FLOAT32, DataType.FLOAT64]),
    orders=st.tuples(st.sampled_from(ORDERS), st.sampled_from(ORDERS)),
)
def test_a_value_in_another_order_is_found_with_the_value_that_it_would_have(
    value: float,
    kind: DataType,
    orders: tuple[tuple[Order, Order], tuple[Order, Order]],
) -> None:
    (byte, word), (true_byte, true_word) = orders
    configured = replace(FLOW, byte_order=byte, word_order=word, data_type=kind)
    true = replace(FLOW, byte_order=true_byte, word_order=true_word, data_type=kind)
    reading, raw = seen(configured, true, value)
    verdict = judge(configured, reading, raw, [value, value])
    if orders[0] == orders[1]:
        assert verdict.finding is Finding.PLAUSIBLE
    elif verdict.finding is not Finding.PLAUSIBLE:
        # By chance a swapped value can look like a flow; else the suspicion is the right one.
        assert verdict.finding in (Finding.WORD_ORDER, Finding.SCALE)
        if verdict.finding is Finding.WORD_ORDER and byte is true_byte:
            assert verdict.would_be == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "value", "finding", "would_be"),
    [
        ({"scale": 1.0}, 31.5, Finding.SCALE, 31.5),
        ({"scale": 0.01}, 31.5, Finding.SCALE, 31.5),
        ({"unit": "degF"}, 31.5, Finding.SCALE, 31.5),
        ({"scale": 10.0}, 31.5, Finding.SCALE, 31.5),
        ({}, 31.5, Finding.PLAUSIBLE, None),
        ({}, 90.0, Finding.SCALE, 32.2222),
    ],
)
def test_a_wrong_scale_or_unit_is_suspected_with_the_value_it_would_have(
    change: dict[str, float | str], value: float, finding: Finding, would_be: float | None
) -> None:
    configured = replace(SUPPLY, **change)  # type: ignore[arg-type] # fields by name
    reading, raw = seen(configured, SUPPLY, value)
    verdict = judge(configured, reading, raw, [31.0, 32.0, 33.0])
    assert verdict.finding is finding
    assert verdict.would_be == (None if would_be is None else pytest.approx(would_be, abs=1e-3))


def test_silence_refusal_and_a_sentinel_are_three_different_things() -> None:
    assert judge(SUPPLY, None, None).finding is Finding.NOT_ANSWERING
    refused = Reading(None, Quality.BAD, 0.0, "the device refuses to read it: exception 2")
    assert judge(SUPPLY, refused, None).finding is Finding.REFUSED
    absent = Reading(None, Quality.ABSENT, 0.0, "the device says that there is no value")
    assert judge(SUPPLY, absent, b"\xff\xff").finding is Finding.NO_VALUE


def test_a_sensor_is_stuck_only_where_others_moved_and_it_is_no_state() -> None:
    assert stuck(SUPPLY, [21.5] * 4, others_moved=True) is not None
    assert stuck(SUPPLY, [21.5] * 4, others_moved=False) is None
    assert stuck(SUPPLY, [21.5] * 2, others_moved=True) is None
    assert stuck(SUPPLY, [21.5, 21.5, 21.6], others_moved=True) is None
    assert stuck(replace(SUPPLY, quantity="leak"), [1.0] * 4, others_moved=True) is None
    assert stuck(FLOW, [0.0] * 4, others_moved=True) is None
