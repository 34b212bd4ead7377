"""What our quick way reads in an OPC UA answer is what asyncua reads in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from hypothesis import given
from hypothesis import strategies as st

from adapters import opcua_batch

NUMBERS = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-(2**7), 2**7 - 1),
    ua.VariantType.Byte: st.integers(0, 2**8 - 1),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: st.integers(0, 2**64 - 1),
    ua.VariantType.Float: st.floats(width=32),
    ua.VariantType.Double: st.floats(),
}
TIMES = st.none() | st.just(datetime(2026, 11, 21, tzinfo=UTC))
STATUSES = st.none() | st.sampled_from([0, 0x80340000, 0x40000000, 0x00000480])


def variants(
    kinds: Mapping[ua.VariantType, st.SearchStrategy[object]],
) -> st.SearchStrategy[object]:
    return st.one_of(
        st.none(),
        st.just(ua.Variant(None, ua.VariantType.Null)),
        *(st.builds(ua.Variant, value, st.just(kind)) for kind, value in kinds.items()),
    )


def answers(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[ua.DataValue]]:
    value = st.builds(
        lambda variant, status, source, server: ua.DataValue(
            Value=variant,
            StatusCode=None if status is None else ua.StatusCode(ua.UInt32(status)),
            SourceTimestamp=source,
            ServerTimestamp=server,
        ),
        *(values, STATUSES, TIMES, TIMES),
    )
    return st.lists(value, max_size=6)


def told(values: list[ua.DataValue]) -> bytes:
    return struct_to_binary(ua.ReadResponse(Results=values))


def same(ours: list[opcua_batch.Value], theirs: list[ua.DataValue]) -> bool:
    """Bit for bit, so that NaN equals itself."""
    for our, their in zip(ours, theirs, strict=True):
        number = None if their.Value is None else their.Value.Value
        if our.status != (0 if their.StatusCode is None else their.StatusCode.value):
            return False
        if repr(our.number) != repr(number):
            return False
    return True


@given(answers(variants(NUMBERS)))
def test_numbers_and_states_are_read_as_asyncua_reads_them(values: list[ua.DataValue]) -> None:
    data = told(values)
    theirs = struct_from_binary(ua.ReadResponse, Buffer(data)).Results
    assert same(opcua_batch.values_in(Buffer(data)), theirs)


@given(answers(variants(NUMBERS)))
def test_among_other_things_they_are_the_same_and_the_others_are_named(
    values: list[ua.DataValue],
) -> None:
    text = ua.DataValue(ua.Variant("words", ua.VariantType.String))
    *ours, last = opcua_batch.values_in(Buffer(told([*values, text])))
    assert repr(ours) == repr(opcua_batch.values_in(Buffer(told(values))))  # NaN equals itself
    assert (last.number, last.kind) == (None, "String")


def test_an_array_is_no_number() -> None:
    (found,) = opcua_batch.values_in(Buffer(told([ua.DataValue(ua.Variant([1.0, 2.0]))])))
    assert (found.number, found.kind) == (None, "Double")


@given(answers(variants(NUMBERS)), st.integers(1, 40))
def test_an_answer_that_ends_early_is_an_error_and_no_value(
    values: list[ua.DataValue], missing: int
) -> None:
    # Without the list of diagnostics, which is empty: four bytes.
    body = told(values)[: -4 - missing]
    with pytest.raises((struct.error, IndexError, UaError)):
        opcua_batch.values_in(Buffer(body))


def test_a_refusal_of_the_whole_is_an_error() -> None:
    response = ua.ReadResponse()
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(0x80100000))
    with pytest.raises(UaStatusCodeError, match="BadTooManyOperations"):
        opcua_batch.values_in(Buffer(struct_to_binary(response)))


def test_a_request_travels_as_asyncua_would_send_it() -> None:
    nodes = [ua.NodeId.from_string(name) for name in ("ns=2;s=a.b", "ns=1;i=7", "i=2258")]
    theirs = ua.ReadRequest()
    theirs.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
    theirs.Parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value) for node in nodes
    ]
    ours = opcua_batch._ReadRequest(Parameters=opcua_batch.encoded(nodes))
    ours.RequestHeader = theirs.RequestHeader
    assert struct_to_binary(ours) == struct_to_binary(theirs)
