"""Journal against recorder: equal books agree, and any single change of either is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.evaluation.agreement import Write, compare_books

WRITES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from(["a.setpoint", "b.setpoint", "a.heartbeat"]),
        st.sampled_from(["00", "01", "ff"]),
    ),
    min_size=1,
    max_size=30,
)


def writes(rows: list[tuple[int, str, str]]) -> list[Write]:
    return [
        Write(float(time), tag, raw, "heartbeat" if tag.endswith("heartbeat") else "setpoint")
        for time, tag, raw in sorted(rows, key=lambda row: row[0])
    ]


@given(WRITES)
def test_equal_books_agree(rows: list[tuple[int, str, str]]) -> None:
    book = writes(rows)
    assert compare_books({"d": book}, {"d": list(book)}, 1e-6).agrees


@given(WRITES, st.data())
def test_a_write_missing_in_either_book_is_found(
    rows: list[tuple[int, str, str]], data: st.DataObject
) -> None:
    book = writes(rows)
    index = data.draw(st.integers(0, len(book) - 1))
    short = book[:index] + book[index + 1 :]
    assert not compare_books({"d": book}, {"d": short}, 1e-6).agrees
    assert not compare_books({"d": short}, {"d": book}, 1e-6).agrees


@given(WRITES, st.data())
def test_other_bytes_are_found(rows: list[tuple[int, str, str]], data: st.DataObject) -> None:
    book = writes(rows)
    index = data.draw(st.integers(0, len(book) - 1))
    changed = [*book]
    changed[index] = book[index]._replace(raw="7f")
    assert not compare_books({"d": book}, {"d": changed}, 1e-6).agrees


@given(WRITES)
def test_writes_of_one_device_do_not_excuse_another(rows: list[tuple[int, str, str]]) -> None:
    book = writes(rows)
    result = compare_books({"d": book}, {"e": book}, 1e-6)
    assert result.differences == 2 * len(book)
