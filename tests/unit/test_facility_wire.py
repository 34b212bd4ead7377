"""The wire form: what is sent comes back equal, what does not fit is refused by name."""

import json
import math

import pytest

from facility.commands import Decision as Decided
from facility.commands import Mode, Move, Origin, Outcome, Receipt, Verdict, WriteResult
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.wire import WireError, dumps, from_wire, to_wire

SNAPSHOT = Snapshot(
    time_s=1.5,
    readings={
        "a": Reading(20.25, Quality.GOOD, 1.0),
        "b": Reading(None, Quality.ABSENT, 1.0, "sentinel 0xFFFF"),
    },
    devices={"cdu1": DeviceStatus("cdu1", True, Authority.REMOTE, True, 1.0, 0.4)},
    modes={"cdu1.tcs_flow_setpoint": Mode.ADVISORY},
)
RECEIPT = Receipt(
    command="C1",
    actuator="cdu1.tcs_flow_setpoint",
    verdict=Verdict(Outcome.LIMIT, 19.0, "rate", "slower", {"previous": 18.0}),
    result=WriteResult.WRITTEN,
    written=19.0,
    read_back=19.01,
    time_s=2.0,
)
DECISION = Decided(
    "D1", "P1", "ab", Origin.PERSON, "ann", "warm day", (Move("x", 1.0, 2.0),), 1.0, 9.0
)


@pytest.mark.parametrize("value", [SNAPSHOT, RECEIPT, DECISION], ids=lambda v: type(v).__name__)
def test_what_is_sent_comes_back_equal(value: object) -> None:
    assert from_wire(type(value), json.loads(dumps(value))) == value


def test_equal_values_give_equal_text() -> None:
    assert dumps({"b": 1, "a": 2.0}) == dumps({"a": 2.0, "b": 1}) == '{"a":2.0,"b":1}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_both_ways(value: float) -> None:
    with pytest.raises(WireError, match="not a finite number"):
        to_wire(Reading(value, Quality.GOOD, 0.0))
    with pytest.raises(WireError, match=r"Move\.proposed"):
        from_wire(Move, {"actuator": "x", "now": 1.0, "proposed": value})


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"actuator": "x", "now": 1.0}, "Move"),
        ({"actuator": "x", "now": 1.0, "proposed": "2"}, "Move.proposed"),
        ({"actuator": "x", "now": 1.0, "proposed": True}, "Move.proposed"),
        ({"actuator": 3, "now": 1.0, "proposed": 2.0}, "Move.actuator"),
        ({"actuator": "x", "now": 1.0, "proposed": 2.0, "unit": "K"}, "unknown field 'unit'"),
        ([], "expected an object"),
    ],
)
def test_a_message_that_does_not_fit_names_the_field(data: object, where: str) -> None:
    with pytest.raises(WireError, match=where):
        from_wire(Move, data)


def test_an_unknown_mode_is_refused() -> None:
    data = to_wire(SNAPSHOT)
    data["modes"]["cdu1.tcs_flow_setpoint"] = "manual"
    with pytest.raises(WireError, match="'manual' is not a valid Mode"):
        from_wire(Snapshot, data)


def test_only_a_good_reading_may_be_acted_on() -> None:
    stale = Reading(30.0, Quality.STALE, 0.0)
    snapshot = Snapshot(9.0, {"a": Reading(20.0, Quality.GOOD, 8.0), "b": stale})
    assert snapshot.good("a") == 20.0
    assert snapshot.good("b") is None
    assert snapshot.reading("c").quality is Quality.ABSENT
    assert snapshot.worst_good(["a", "b", "c"]) == 20.0
    assert snapshot.worst_good(["b"]) is None
    assert stale.age_s(9.0) == 9.0
