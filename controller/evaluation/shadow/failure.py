"""What happens if it fails: counted over the run, and taken from the site's devices."""

from __future__ import annotations

from typing import Any

from controller.evaluation.shadow.study import ShadowStudy
from facility.devices import HandBackClass, Release
from facility.site import Site

MOST_NAMED = 5


def failure(study: ShadowStudy) -> dict[str, Any]:
    """JSON values: hand-back by class of device, who jumps, and what letting go would have done."""
    would = study.would_be
    return {
        "fallbacks": study.fallbacks,
        "steps": study.ticks,
        "releases": would.releases,
        "classes": [found for each in HandBackClass if (found := _class(study.site, each))],
        "jumps": [d.id for d in study.site.devices.values() if d.release is Release.JUMP],
        "moments": would.moments,
        "unsafe_moments": would.unsafe_moments,
        "unsafe": [
            {"actuator": name, "moments": count, "why": would.unsafe_words[name]}
            for name, count in would.unsafe.most_common(MOST_NAMED)
        ],
    }


def _class(site: Site, kind: HandBackClass) -> dict[str, Any] | None:
    devices = [device for device in site.devices.values() if device.hand_back is kind]
    if not devices:
        return None
    return {
        "class": kind.value,
        "devices": len(devices),
        "longest_s": max(device.heartbeat_s + device.watchdog_s for device in devices),
        "at_most_s": kind.hand_back_s,
    }


def failure_words(found: dict[str, Any]) -> str:
    """The answer of the first page."""
    classes = [
        f"{each['longest_s']:g} s for {each['devices']} {each['class']} devices "
        f"(at most {each['at_most_s']:g} s)"
        for each in found["classes"]
    ]
    said = [f"Without a heartbeat, local control is back in {_and(classes)}."]
    jumps = found["jumps"]
    said.append(
        f"Of these {_some(jumps)} {'jump' if len(jumps) > 1 else 'jumps'} to the value of its own "
        "control; how far is bounded at every write."
        if jumps
        else "All of them ramp there."
    )
    if found["unsafe_moments"]:
        said.append(
            f"At {found['unsafe_moments']:,} of {found['moments']:,} moments their own values "
            "would not have kept every limit through the worst credible step, with Isotherm or "
            "without it (below)."
        )
    else:
        said.append(
            f"At each of {found['moments']:,} moments their own values would have kept every limit "
            "through the worst credible step."
        )
    said.append(
        f"{found['fallbacks']:,} of {found['steps']:,} steps fell back to the rule; "
        f"{found['releases']:,} times the envelope would have given a device back."
    )
    return " ".join(said)


def is_good(found: dict[str, Any]) -> bool:
    """Whether devices come back in time and to values that keep the limits."""
    in_time = all(each["longest_s"] <= each["at_most_s"] for each in found["classes"])
    return in_time and not found["unsafe_moments"]


def _and(parts: list[str]) -> str:
    return " and ".join(parts) if parts else "no time, for there are none"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
