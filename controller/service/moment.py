"""The moment in some forty figures: what stands in the head of every page, and on the stream.

Pure: from a snapshot and the records to plain JSON values, in canonical units. Absence is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from controller.frame import LiveFrame, RunView, frame_of
from controller.service.context import Context
from controller.storage.ports import Kind, Record
from facility.clock import iso
from facility.commands import Mode
from facility.site import Site
from facility.telemetry import Snapshot

NEAR_K = 2.0
"""Less room than this below a limit is worth a look."""
OLD_S = 20.0
"""Four snapshots missed: what is on the screen is old, and is said to be."""
MODE_TEXTS = {
    Mode.OFF: "Isotherm only reads",
    Mode.SHADOW: "Isotherm proposes and writes nothing",
    Mode.ADVISORY: "Isotherm writes what a person approves",
    Mode.AUTOMATIC: "Isotherm decides within the limits",
}


def moment_of(here: Context) -> dict[str, Any]:
    """What is so now, as the event ``status`` tells it."""
    now_s, live = here.clock.now_s(), here.live
    snapshot = live.snapshot
    frame = None if snapshot is None else frame_of(here.site, snapshot, RunView(live.started_at_s))
    alarms, pending = here.alarms.open(), here.desk.inbox.pending()
    asked = here.records.find(Kind.REQUEST, states=("pending",))
    age_s = None if snapshot is None else max(0.0, now_s - snapshot.time_s)
    last = live.last_tick or {}
    old, least, counts = age_s is None or age_s > OLD_S, _least(frame), alarm_counts(alarms)
    return {
        "word": word_of(_silence(live.gateway_error, age_s), least, counts),
        "time_s": round(now_s, 1),
        "time": iso(now_s),
        "age_s": None if age_s is None else round(age_s, 1),
        "old": old,
        "gateway_error": live.gateway_error,
        "mode": mode_of(snapshot.modes if snapshot else {}),
        "numbers": {} if frame is None or snapshot is None else numbers(here.site, snapshot, frame),
        "least": least,
        "saving_kw": last.get("saving_kw"),
        "plan_age_s": live.plan_age_s(),
        "alarms": counts,
        "pending": len(pending),
        "waiting": len(pending) + len(asked),
        "overrides": len(here.desk.overrides(now_s)),
        "marks": _marks(here, alarms, pending),
    }


def word_of(
    silence: str, least: Mapping[str, Any] | None, alarms: Mapping[str, Any]
) -> dict[str, str]:
    """Whether all is well, for who has just woken up: in a word, and what to look at.

    ``silence`` says why there is no word from the field, or nothing. ``state``: ``act``
    (something is wrong now), ``look`` (somebody should), or ``well``.
    """
    if silence:
        return _word("act", "No word from the field", f"what is shown is old: {silence}", "")
    if least is None:
        return _word("look", "No rack's temperature is known", "see the readings below", "")
    rack, room_k = f"rack {least['rack']}", least["room_k"]
    if room_k < 0.0:
        return _word("act", f"{rack} is {-room_k:.1f} K above its limit", "see it", _trends(least))
    if alarms["unseen"]:
        count = alarms["unseen"]
        many = f"{count} alarm{'s' if count != 1 else ''}"
        state = "act" if alarms["high"] else "look"
        return _word(state, f"{many} nobody has seen", "see what to do", "/alarms")
    if room_k < NEAR_K:
        return _word("look", f"{rack} has {room_k:.1f} K of room", "see it", _trends(least))
    seen = f"; {alarms['open']} alarms are in somebody's hands" if alarms["open"] else ""
    return _word("well", "All is well", f"every rack is within its limit{seen}", "")


def _silence(gateway_error: str, age_s: float | None) -> str:
    if gateway_error:
        return gateway_error
    if age_s is None:
        return "the controller has just started"
    return "the last snapshot was long ago" if age_s > OLD_S else ""


def _word(state: str, head: str, text: str, page: str) -> dict[str, str]:
    return {"state": state, "head": head[:1].upper() + head[1:], "text": text, "page": page}


def _trends(least: Mapping[str, Any]) -> str:
    return f"/trends?equipment={least['rack']}"


def mode_of(modes: Mapping[str, Mode]) -> dict[str, Any]:
    """The mode that most actuators are in, and how many are in each."""
    counts = Counter(modes.values())
    if not counts:
        return {"word": "unknown", "text": "no word from the field yet", "mixed": "", "counts": {}}
    mode, _ = counts.most_common(1)[0]
    told = [f"{counts[m]} {m.value}" for m in Mode if counts[m]]
    return {
        "word": mode.value,
        "text": MODE_TEXTS[mode],
        "mixed": ", ".join(told) if len(told) > 1 else "",
        "counts": {m.value: counts[m] for m in Mode if counts[m]},
    }


def numbers_of(site: Site, snapshot: Snapshot | None) -> dict[str, float | None]:
    """The figures of a snapshot; nothing where there is none."""
    if snapshot is None:
        return {}
    return numbers(site, snapshot, frame_of(site, snapshot, RunView(snapshot.time_s)))


def numbers(site: Site, snapshot: Snapshot, frame: LiveFrame) -> dict[str, float | None]:
    """Sums and spans over the machines of a kind, by name."""

    def values(equipment: Iterable[str], quantity: str) -> list[float] | None:
        tags = [tag for name in equipment if (tag := site.tag(name, quantity))]
        found = [snapshot.good(tag) for tag in tags]
        known = [value for value in found if value is not None]
        return known if known and len(known) == len(found) else None

    def total(equipment: Iterable[str], quantity: str) -> float | None:
        found = values(equipment, quantity)
        return None if found is None else sum(found)

    def mean(equipment: Iterable[str], quantity: str) -> float | None:
        found = values(equipment, quantity)
        return None if found is None else sum(found) / len(found)

    liquid = [rack.id for rack in site.racks.values() if rack.design_flow_ls is not None]
    air = [rack.id for rack in site.racks.values() if rack.design_flow_ls is None]
    found: dict[str, float | None] = {
        "it_kw": frame.it_kw,
        "cooling_kw": frame.cooling_kw,
        "pue": frame.pue,
        "wet_bulb": frame.wet_bulb_c,
        "dew_point": frame.dew_point_c,
        "dry_bulb": snapshot.good(site.tag("outdoor", "dry_bulb_temperature") or ""),
        **{f"{name}.kw": value for name, value in frame.power_kw.items()},
        "towers.speed": mean(site.towers, "fan_speed"),
        "chillers.running": total(site.chillers, "running"),
        "racks.liquid": total(liquid, "it_power"),
        "racks.air": total(air, "it_power"),
    }
    for loop in site.loops:
        units = {
            "cdus": ([c.id for c in site.cdus.values() if c.loop == loop], "tcs_supply"),
            "crahs": ([c.id for c in site.crahs.values() if c.loop == loop], "supply_air"),
        }
        chillers = [c.id for c in site.chillers.values() if c.loop == loop]
        found[f"{loop}.chillers.load"] = total(chillers, "cooling_load")
        for kind, (names, supply) in units.items():
            if not names:
                continue
            temperatures = values(names, f"{supply}_temperature") or []
            found[f"{loop}.{kind}.coldest"] = min(temperatures, default=None)
            found[f"{loop}.{kind}.warmest"] = max(temperatures, default=None)
            found[f"{loop}.{kind}.flow"] = total(names, "tcs_flow")
            found[f"{loop}.{kind}.speed"] = mean(names, "fan_speed")
            found[f"{loop}.{kind}.load"] = total(names, "cooling_load")
    return {name: None if v is None else round(v, 4) for name, v in found.items()}


def alarm_counts(alarms: Iterable[Record]) -> dict[str, Any]:
    """How many alarms of each priority are on the list, and the one to look at first."""
    alarms = list(alarms)
    shown = [record for record in alarms if record.state != "shelved"]
    order = {"high": 0, "medium": 1, "low": 2}
    first = sorted(
        shown,
        key=lambda r: (r.state != "active", order.get(r.body["priority"], 3), -r.time_s),
    )
    counts = Counter(str(record.body["priority"]) for record in shown)
    top = first[0] if first else None
    return {
        "open": len(shown),
        "unseen": sum(record.state in ("active", "returned") for record in shown),
        "shelved": len(alarms) - len(shown),
        **{name: counts[name] for name in order},
        "top": None
        if top is None
        else {
            "id": top.id,
            "priority": top.body["priority"],
            "state": top.state,
            "text": top.body["text"],
            "since_s": top.body.get("since_s", top.time_s),
        },
    }


def _least(frame: LiveFrame | None) -> dict[str, Any] | None:
    """The rack with the least room under its limit."""
    known = [] if frame is None else [(r.room_k, r) for r in frame.racks if r.room_k is not None]
    if not known:
        return None
    room_k, rack = min(known, key=lambda pair: pair[0])
    return {"rack": rack.rack, "room_k": round(room_k, 2), "temperature_c": rack.temperature_c}


def _marks(
    here: Context, alarms: Iterable[Record], pending: Iterable[Record]
) -> dict[str, str | int]:
    """What changes whenever a list does, so that a page knows when to read it again."""
    last = here.records.find(Kind.AUDIT, limit=1)
    audit = last[0].sequence if last else 0
    newest = here.records.find(Kind.PROPOSAL, limit=1)
    return {
        "audit": audit,
        "alarms": ",".join(f"{r.id}.{r.version}" for r in alarms),
        "proposals": ",".join(f"{r.id}.{r.state}" for r in (*newest, *pending)) + f".{audit}",
        "ticks": here.live.ticks,
    }
