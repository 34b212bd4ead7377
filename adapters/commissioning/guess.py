"""What unknown registers may hold: type, order and scaling, guessed from what they say.

A guess is a start for a person with the manual: it says why, and never more than the numbers do.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.driver import Place
from facility.points import DataType, Order, Table
from facility.quantities import UNNAMED

ABSENT = {0xFFFF: "0xFFFF", 0x7FFF: "0x7FFF", 0x8000: "0x8000"}
"""Raw values that many makers use for «no value»."""
LEAST_FLOAT, MOST_FLOAT = 1e-3, 1e6
"""A 32-bit float of a plant that is not 0 lies between."""
LIKELY_SCALES = ((0.1, 50, 1100), (0.01, 1101, 11_000))
"""(scale, least and largest raw): temperatures in tenths and hundredths, 5 to 110 degrees."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What lies at a register, perhaps."""

    table: Table
    register: int
    data_type: DataType
    word_order: Order
    scale: float
    value: float | None
    """With that type and scale; None where it looks like no value."""
    moved: bool
    """Whether it changed while it was watched."""
    sentinel: str
    note: str


def guesses(table: Table, first: int, samples: Sequence[Sequence[int | None]]) -> Iterator[Guess]:
    """Guess what a run of registers holds.

    Parameters
    ----------
    samples
        The same registers read several times; None where the device has none. Registers that hold
        0 in all are passed over: many devices answer 0 for what they have not got.
    """
    last = samples[-1]
    bits = table in (Table.COIL, Table.DISCRETE)
    for at, width in _split(samples, pairs=not bits):
        words = [sample[at] for sample in samples]
        word = last[at]
        if word is None or (width == 1 and not any(words)):
            continue
        moved = len(set(words)) > 1
        if bits:
            yield Guess(table, first + at, DataType.BOOL, Order.BIG, 1.0, float(word), moved, "",
                        f"reads {word}: a state")  # fmt: skip
        elif width == 1:
            yield _one_word(table, first + at, word, words)
        else:
            order = _float_order(samples, at) or Order.BIG
            value = _float(last, at, order)
            moved = len({_float(sample, at, order) for sample in samples}) > 1
            told = f"reads {value:.5g} as float32 with word_order {order.value}"
            yield Guess(table, first + at, DataType.FLOAT32, order, 1.0, value, moved, "", told)


def _split(samples: Sequence[Sequence[int | None]], *, pairs: bool) -> Iterator[tuple[int, int]]:
    """(position, words) of the values, so that as many words as possible make sense.

    Where a float begins cannot be told from its own two words: its high word reads as a float of
    much the same size with the word on its other side. What remains decides.
    """
    length = len(samples[-1])
    best = [0.0] * (length + 1)
    width = [1] * length
    for at in reversed(range(length)):
        best[at] = _sense_of_one(samples, at) + best[at + 1]
        if pairs and at + 2 <= length and (order := _float_order(samples, at)) is not None:
            value = _float(samples[-1], at, order) or 0.0
            sense = (1.6 if value > 0.0 else 1.0) + best[at + 2]
            if sense > best[at]:
                best[at], width[at] = sense, 2
    at = 0
    while at < length:
        yield at, width[at]
        at += width[at]


def _sense_of_one(samples: Sequence[Sequence[int | None]], at: int) -> float:
    """How much sense a register makes by itself, where half a float's 1.6 is 0.8."""
    word = samples[-1][at]
    words = [sample[at] or 0 for sample in samples]
    if word is None or not any(words):
        return 0.5
    if max(words) - min(words) > 0.2 * max(words):
        return 0.1  # half of something larger jumps about like this
    if word in ABSENT or word == 1:
        return 0.8
    signed = word - 0x10000 if word >= 0x8000 else word
    return 1.0 if any(low <= abs(signed) <= high for _, low, high in LIKELY_SCALES) else 0.2


def row_of(guess: Guess, device: str) -> Mapping[str, str]:
    """The guess as a row of a points list that imports: a point that nobody has named yet."""
    sign = f"{guess.table.value}{guess.register}"
    seen = "it moves" if guess.moved else "it stood still"
    return {
        "tag": f"{device}.{sign}",
        "device": device,
        "equipment": device,
        "quantity": UNNAMED,
        "role": "sensor",
        "table": guess.table.value,
        "address": str(guess.register),
        "data_type": guess.data_type.value,
        "unit": "count",
        "access": "r",
        "scale": "" if guess.scale == 1.0 else f"{guess.scale:g}",
        "word_order": "" if guess.word_order is Order.BIG else guess.word_order.value,
        "sentinels": guess.sentinel,
        "note": f"{guess.note}; {seen}",
    }


def _one_word(table: Table, register: int, word: int, words: Sequence[int | None]) -> Guess:
    moved = len(set(words)) > 1
    if word in ABSENT and not moved:
        return Guess(
            table, register, DataType.INT16, Order.BIG, 1.0, None, moved, ABSENT[word],
            f"reads {ABSENT[word]}, which many makers use for «no value»",
        )  # fmt: skip
    signed = word - 0x10000 if word >= 0x8000 else word
    if word == 1 and not moved:
        return Guess(table, register, DataType.UINT16, Order.BIG, 1.0, 1.0, moved, "",
                     "reads 1: a state or a small count")  # fmt: skip
    for scale, least, most in LIKELY_SCALES:
        if least <= abs(signed) <= most:
            value = signed * scale
            return Guess(
                table, register, DataType.INT16, Order.BIG, scale, value, moved, "",
                f"reads {word}; with scale {scale:g} it would be {value:g}, as a temperature or a "
                "share might",
            )  # fmt: skip
    return Guess(table, register, DataType.INT16 if signed < 0 else DataType.UINT16, Order.BIG,
                 1.0, float(signed), moved, "", f"reads {signed}")  # fmt: skip


def _float_order(samples: Sequence[Sequence[int | None]], at: int) -> Order | None:
    """The word order in which two registers read as a plausible float in every sample."""
    fitting = [order for order in Order if _is_float(samples, at, order)]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    # Both do: the exponent's word is the one that stands, the mantissa's the one that moves.
    moved = [len({sample[at + i] for sample in samples}) > 1 for i in (0, 1)]
    if moved[0] != moved[1]:
        return Order.BIG if moved[1] else Order.LITTLE
    # Little of a plant is below 0.
    return max(fitting, key=lambda order: (_float(samples[-1], at, order) or 0.0) > 0.0)


def _is_float(samples: Sequence[Sequence[int | None]], at: int, order: Order) -> bool:
    if at + 1 >= len(samples[-1]):
        return False
    for sample in samples:
        value = _float(sample, at, order)
        if value is None or not LEAST_FLOAT <= abs(value) <= MOST_FLOAT:
            return False
        high = sample[at] if order is Order.BIG else sample[at + 1]
        if high is not None and (high & 0x7FFF) >> 7 in (0, 255):
            return False
    # Two small integers side by side read as a denormal or tiny float, never as this one; but
    # a word with an empty mantissa is as likely an integer of its own.
    low_words = {sample[at + 1] if order is Order.BIG else sample[at] for sample in samples}
    return low_words != {0} or _is_round(samples[-1], at, order)


def _is_round(sample: Sequence[int | None], at: int, order: Order) -> bool:
    value = _float(sample, at, order)
    return value is not None and value == round(value, 1)


def _float(sample: Sequence[int | None], at: int, order: Order) -> float | None:
    if at + 1 >= len(sample):
        return None
    words = sample[at], sample[at + 1]
    if words[0] is None or words[1] is None:
        return None
    high, low = words if order is Order.BIG else words[::-1]
    value = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return float(value) if math.isfinite(value) else None


def row_of_place(place: Place, device: str, table: Table) -> Mapping[str, str]:
    """What a device tells of itself as a row of a points list that imports."""
    value = "no value now" if place.value is None else f"{place.value:.5g} now"
    unit = f", {place.unit}" if place.unit else ""
    writable = ", writable" if place.writable else ""
    return {
        "tag": f"{device}.{place.path}",
        "device": device,
        "equipment": device,
        "quantity": UNNAMED,
        "role": "sensor",
        "table": table.value,
        "address": place.address,
        "data_type": place.data_type,
        "unit": "count",
        "access": "r",
        "note": f"{place.name}: {value}{unit}{writable}",
    }
