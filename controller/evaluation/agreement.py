"""Whether the gateway's journal and the devices' recorder tell of the same writes.

The two are written by different processes that share no code. Device by device, in order, each
write in the one has to be in the other: same tag, same bytes, same moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from facility.clock import iso
from facility.points import Role
from facility.site import Site
from safety.journal import Record

MOST_DIFFERENCES = 20
"""So many are told of; all are counted."""


class Write(NamedTuple):
    """One write: from the journal, or as a device received it.

    A tuple, since a day of a large site has millions of heartbeats.
    """

    time_s: float
    tag: str
    raw: str
    """The value's bytes in hex."""
    kind: str
    sure: bool = True
    """Whether it has to have arrived: not where the gateway itself could not tell."""


@dataclass(frozen=True)
class Journal:
    """What the journal says of a run."""

    writes: Mapping[str, tuple[Write, ...]]
    """By device, in order, those that may have left the gateway."""
    sent: Mapping[str, int]
    """Writes that left and did not fail, by kind."""
    failed: int
    refused: Mapping[str, int]
    """Commands that the envelope refused, by the check that bound."""
    limited: Mapping[str, int]
    """Commands that it allowed a safer value only, by the check that bound."""
    examples: tuple[Mapping[str, Any], ...]
    """The first verdict of each outcome, check and actuator, with its detail and how many."""
    others: tuple[Record, ...]
    """All records but writes, heartbeats and verdicts."""


@dataclass(frozen=True)
class Agreement:
    """The comparison; equal books have no differences."""

    compared: int
    differences: int
    first: tuple[str, ...]
    """The first of them in words."""

    @property
    def agrees(self) -> bool:
        """Whether every write is in both books."""
        return self.differences == 0


def read_journal(site: Site, records: Iterable[Record]) -> Journal:
    """Sort the records of a journal."""
    beats = {p.device: p.tag for p in site.points.values() if p.role is Role.HEARTBEAT}
    writes: dict[str, list[Write]] = defaultdict(list)
    failed: Counter[str] = Counter()
    verdicts = _Verdicts()
    others: list[Record] = []
    last_s = float("-inf")
    for record in records:
        data = record.data
        if record.kind == "write":
            last_s = record.time_s
            write = Write(record.time_s, data["tag"], data["raw"], data["kind"])
            writes[data["device"]].append(write)
        elif record.kind == "heartbeats":
            last_s = record.time_s
            for device, raw in data.items():
                tag = beats.get(device, f"{device}: no heartbeat point")
                writes[device].append(Write(record.time_s, tag, raw, "heartbeat"))
        elif record.kind == "write_failed":
            failed[data["kind"]] += 1
            _mark_failed(writes[data["device"]], data)
        elif record.kind == "verdict":
            verdicts.add(record)
        else:
            others.append(record)
    sent = Counter(write.kind for found in writes.values() for write in found)
    sent.subtract(failed)
    return Journal(
        # A gateway that is killed between journal and wire leaves its last moment untold.
        writes={device: _unsure_from(last_s, found) for device, found in writes.items()},
        sent={kind: count for kind, count in sorted(sent.items()) if count > 0},
        failed=failed.total(),
        refused=verdicts.by_check("refuse"),
        limited=verdicts.by_check("limit"),
        examples=verdicts.examples(),
        others=tuple(others),
    )


class _Verdicts:
    """Counts the verdicts on commands that were not simply allowed."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def add(self, record: Record) -> None:
        """Take a verdict's record."""
        verdict = record.data["verdict"]
        if verdict["outcome"] == "allow":
            return
        actuator = record.data["command"]["actuator"]
        key = (verdict["outcome"], verdict["check"], actuator)
        self._counts[key] += 1
        self._first.setdefault(
            key,
            {
                "outcome": verdict["outcome"],
                "check": verdict["check"],
                "actuator": actuator,
                "asked": record.data["command"]["value"],
                "allowed": verdict["value"],
                "detail": verdict["detail"],
                "time_s": record.time_s,
            },
        )

    def by_check(self, outcome: str) -> dict[str, int]:
        """How many commands had this outcome, by check."""
        found: Counter[str] = Counter()
        for (kind, check, _), count in self._counts.items():
            if kind == outcome:
                found[check] += count
        return dict(sorted(found.items()))

    def examples(self) -> tuple[Mapping[str, Any], ...]:
        """The first of each, the most frequent first."""
        order = sorted(self._counts, key=lambda key: (-self._counts[key], key))
        return tuple({**self._first[key], "count": self._counts[key]} for key in order)


def _unsure_from(time_s: float, writes: list[Write]) -> tuple[Write, ...]:
    index = len(writes)
    while index and writes[index - 1].time_s >= time_s:
        index -= 1
        writes[index] = writes[index]._replace(sure=False)
    return tuple(writes)


def _mark_failed(writes: list[Write], data: Mapping[str, Any]) -> None:
    """Take back the latest such write, or leave open whether it arrived."""
    for index in range(len(writes) - 1, -1, -1):
        write = writes[index]
        if (write.tag, write.raw, write.kind) == (data["tag"], data["raw"], data["kind"]):
            if data["left"]:
                writes[index] = write._replace(sure=False)
            else:
                del writes[index]
            return


def compare_books(
    journal: Mapping[str, Iterable[Write]],
    recorder: Mapping[str, Iterable[Write]],
    tolerance_s: float,
) -> Agreement:
    """Compare both books device by device; times may differ by ``tolerance_s``.

    Heartbeats are compared by themselves: of one moment's writes the journal names them last.
    """
    compared = 0
    differences: list[tuple[float, str]] = []
    for device, beats in product(sorted(set(journal) | set(recorder)), (False, True)):
        ours, theirs = (
            [write for write in book.get(device, ()) if (write.kind == "heartbeat") == beats]
            for book in (journal, recorder)
        )
        compared += max(len(ours), len(theirs))
        differences += (
            (write.time_s, f"{iso(write.time_s)} {device} {write.tag} bytes {write.raw}: {what}")
            for write, what in _differences(ours, theirs, tolerance_s)
        )
    differences.sort()
    first = tuple(text for _, text in differences[:MOST_DIFFERENCES])
    return Agreement(compared, len(differences), first)


def _differences(
    ours: list[Write], theirs: list[Write], tolerance_s: float
) -> list[tuple[Write, str]]:
    found = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        mine, other = ours[i], theirs[j]
        late_s = other.time_s - mine.time_s
        if (mine.tag, mine.raw) == (other.tag, other.raw) and abs(late_s) <= tolerance_s:
            i, j = i + 1, j + 1
        elif not mine.sure:
            i += 1
        elif late_s < -tolerance_s:
            found.append((other, UNTOLD))
            j += 1
        elif late_s > tolerance_s:
            found.append((mine, LOST))
            i += 1
        else:
            found.append((other, f"received where the journal has {mine.tag} bytes {mine.raw}"))
            i, j = i + 1, j + 1
    found += [(mine, LOST) for mine in ours[i:] if mine.sure]
    found += [(other, UNTOLD) for other in theirs[j:]]
    return found


UNTOLD = "received by the device, not in the journal"
LOST = "in the journal, never received by the device"
