"""Numbers, times and names as people read them. Absence is a dash, never 0."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from facility.commands import Receipt

ABSENT = "–"
MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
"""Before a number; a hyphen elsewhere stays one."""
SIGNS = {"degC": "°C", "1": ""}
"""Units as people write them, where that differs from the points list."""
DIGITS = {"°C": 1, "K": 1, "kW": 0, "L/s": 1, "kPa": 0, "%": 0}

SHORT = {
    "tcs_supply_temperature": "TCS supply",
    "tcs_return_temperature": "TCS return",
    "tcs_flow": "TCS flow",
    "chw_supply_temperature": "chilled water supply",
    "chw_return_temperature": "chilled water return",
    "fws_supply_temperature": "FWS supply",
    "fws_return_temperature": "FWS return",
    "cw_supply_temperature": "tower water supply",
    "cw_return_temperature": "tower water return",
    "supply_air_temperature": "supply air",
    "return_air_temperature": "return air",
    "it_power": "IT power",
}
ACRONYMS = {"tcs": "TCS", "fws": "FWS", "chw": "CHW", "cw": "tower water", "it": "IT"}


def unit(name: str) -> str:
    """A unit as people write it."""
    return SIGNS.get(name, name)


def difference_unit(name: str) -> str:
    """The unit of a difference: degrees become kelvins."""
    return "K" if name in ("degC", "°C") else unit(name)


def number(value: float | None, digits: int = 1) -> str:
    """``1,234.5``, or a dash."""
    return ABSENT if value is None else f"{value:,.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """``+0.4`` or ``−2.0``, or a dash."""
    return ABSENT if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def digits_of(unit_name: str) -> int:
    """How many digits after the point a value of this unit deserves."""
    return DIGITS.get(unit(unit_name), 1)


def moment(time_s: float | None) -> str:
    """Plant time: ``15 Jul 03:12:05``."""
    return (
        ABSENT if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%d %b %H:%M:%S")
    )


def date(time_s: float | None) -> str:
    """With the year: ``2024-07-15 03:12``."""
    return (
        ABSENT if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")
    )


def duration(seconds: float | None) -> str:
    """``3 h 05 min``, ``12 min`` or ``40 s``."""
    if seconds is None:
        return ABSENT
    if seconds < 60.0:
        return f"{max(seconds, 0.0):.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def quantity(name: str) -> str:
    """``tcs_supply_temperature_setpoint`` as ``TCS supply``."""
    bare = name.removesuffix("_in_force").removesuffix("_setpoint")
    if bare in SHORT:
        return SHORT[bare]
    return " ".join(ACRONYMS.get(word, word) for word in bare.split("_"))


def actuator(tag: str) -> str:
    """``cdu1.tcs_flow_setpoint`` as ``cdu1 TCS flow``."""
    equipment, _, name = tag.partition(".")
    if not name:
        return tag
    said, of = quantity(name), equipment.replace("_", " ")
    return said if said.startswith(of) else f"{equipment} {said}"


def sentence(text: str) -> str:
    """A line that names tags, with the tags in words and units as people write them."""
    for name, short in SHORT.items():
        text = text.replace(f"{name.replace('_', ' ')} setpoint", short)
    words = []
    text = MINUS.sub("−", text).replace("per degC", "per K")
    for word in text.replace(" degC", " °C").split(" "):
        bare = word.rstrip(".,;:")
        is_tag = "." in bare and "_" in bare
        words.append(actuator(bare) + word[len(bare) :] if is_tag else word)
    return " ".join(words)


def receipts(found: Sequence[Receipt], waiting: int = 0) -> str:
    """What became of commands, counted, and how many more wait for these."""
    if not found:
        return "the gateway has not answered yet; it is carried out when it does"
    written = sum(r.written is not None for r in found)
    limited = sum(r.verdict.outcome.value == "limit" for r in found)
    refused = [r for r in found if r.result.value == "refused"]
    failed = sum(r.result.value == "failed" for r in found)
    parts = [f"{written} of {len(found)} devices took a new value"]
    if limited:
        parts.append(f"{limited} move in steps, as their limits ask")
    if waiting:
        parts.append(f"{waiting} follow once these are in force, as the worst case asks")
    if failed:
        parts.append(f"{failed} did not confirm it in time")
    parts += [f"{actuator(r.actuator)} was refused: {r.verdict.detail}" for r in refused[:3]]
    return "; ".join(parts)
