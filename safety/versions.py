"""Versions of the limits: what changed between two, and whether anything became wider.

A site file is edited by people, and a limit that a typing error moved looks like any other. So the
limits in force are kept, and new ones are compared with them, number by number: what became
tighter counts at once, what became wider waits for a second person. Whatever is not surely
tighter is wider: a sensor that was exchanged, an address that changed, a new actuator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import gt, lt
from typing import Any

from facility.wire import to_wire
from safety.guards import Limits

LOWER_IS_TIGHTER = frozenset(
    {
        "away_window_s",
        "blind_hold_s",
        "clock_slack_s",
        "command_max_age_s",
        "correction_deadline_s",
        "max_age_s",
        "rate_away_per_min",
        "rate_towards_per_min",
        "reversals_per_hour",
        "settle_s",
        "starts_in_12_h",
        "tolerance",
        "towards_window_s",
        "upper",
        "writes_per_hour",
    }
)
HIGHER_IS_TIGHTER = frozenset(
    {
        "dead_band",
        "dwell_s",
        "lower",
        "margin_k",
        "min_off_s",
        "min_on_s",
        "needed_kw",
        "start_to_start_s",
    }
)
MORE_IS_TIGHTER = frozenset({"always", "before_start", "before_stop", "bounds", "interlocks"})
"""Lists of conditions that all count: one more narrows, one less widens."""
NOT_LIMITS = frozenset({"site", "unguarded", "version"})
OF_AN_ACTUATOR = frozenset({"drift_k", "maximum", "minimum"})
"""Figures of the worst case that follow from an actuator's range and rate: compared there."""
NAMES = ("name", "check", "tag", "unit")
"""What an entry of a list is known by, in this order."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions of the limits."""

    where: str
    """The path to it: ``actuators/cdu1.tcs_flow_setpoint/dwell_s``."""
    before: str
    after: str
    """In JSON's words; «nothing» where it is not there."""
    widens: bool

    def __str__(self) -> str:
        way = "wider" if self.widens else "tighter"
        return f"{self.where}: {self.before} -> {self.after} ({way})"


def tree(limits: Limits) -> dict[str, Any]:
    """The limits as plain JSON values, to be kept and compared."""
    found: dict[str, Any] = to_wire(limits)
    return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every difference between two `tree` s of limits, in the order of the later one."""
    return tuple(_compare_objects("", before, after))


def _compare(where: str, name: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compare_objects(where, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(where, name, before, after)
    else:
        yield Change(where, _words(before), _words(after), _widens(name, before, after))


def _compare_objects(
    where: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for name in (*after, *(gone for gone in before if gone not in after)):
        if not where and name in NOT_LIMITS:
            continue
        if where.startswith("backup/") and name in OF_AN_ACTUATOR:
            continue
        path = f"{where}/{name}" if where else name
        if where == "actuators" and (name in before) != (name in after):
            # One more that may be written is more than was approved; one less is less.
            widens = name in after
            yield Change(path, _told(before, name), _told(after, name), widens)
            continue
        key = name
        if name == "threshold":
            # Whether the interlock asks for a reading above or below it is told beside its list.
            key = "upper" if after.get("above") else "lower"
        yield from _compare(path, key, before.get(name), after.get(name))


def _compare_lists(
    where: str, name: str, before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Change]:
    old, new = _named(before), _named(after)
    for key in (*new, *(gone for gone in old if gone not in new)):
        path = f"{where}/{key}"
        if key in old and key in new:
            yield from _compare(path, name, old[key], new[key])
        else:
            widens = key in old or name not in MORE_IS_TIGHTER
            yield Change(path, _told(old, key), _told(new, key), widens)


def _named(items: Sequence[Any]) -> dict[str, Any]:
    """The entries of a list by what they are known by; the second of a name is ``name#2``."""
    seen: Counter[str] = Counter()
    found = {}
    for item in items:
        names = (item.get(key) for key in NAMES) if isinstance(item, Mapping) else (item,)
        name = next((str(each) for each in names if each is not None), "entry")
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name}#{seen[name]}"] = (
            {**item, "watches": [_directed(each, item) for each in item["watches"]]}
            if isinstance(item, Mapping) and "watches" in item
            else item
        )
    return found


def _directed(watch: Mapping[str, Any], interlock: Mapping[str, Any]) -> Mapping[str, Any]:
    """A watch that tells which side of its threshold is active, as its interlock says."""
    return {**watch, "above": interlock["above"]}


def _widens(name: str, before: Any, after: Any) -> bool:
    if name in {"backup", "dew", "hand_back"}:
        return after is None
    if name in LOWER_IS_TIGHTER:
        return not _is_tighter(before, after, lt)
    if name in HIGHER_IS_TIGHTER:
        return not _is_tighter(before, after, gt)
    return True


def _is_tighter(before: Any, after: Any, went: Callable[[Any, Any], bool]) -> bool:
    """Whether a number went the tighter way; a limit where there was none is tighter."""
    return after is not None and (before is None or went(after, before))


def _told(items: Mapping[str, Any], key: str) -> str:
    return "there" if key in items else "nothing"


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (Mapping, list)):
        return "something else"
    return str(value)
