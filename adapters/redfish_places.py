"""What a Redfish resource holds: its numbers and states, and the resources that it leads to.

Source: DSP0266, 9.5 and 9.6 (links and references), DSP8010 for the members' names. All pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.driver import Place
from adapters.redfish_json import STATES
from facility.points import DataType

ROOT = "/redfish/v1/"
_NOT_OF_THE_PLANT = frozenset({
    "AccountService", "Actions", "Assembly", "Cables", "Certificates", "CertificateService",
    "CompositionService", "EventService", "Fabrics", "JobService", "JsonSchemas", "KeyService",
    "LicenseService", "Links", "Location", "LogServices", "Memory", "NetworkAdapters",
    "PCIeDevices", "PCIeSlots", "Processors", "Registries", "RelatedItem", "SecureBoot",
    "SessionService", "Storage", "Systems", "TaskService", "Tasks", "TelemetryService",
    "UpdateService", "VirtualMedia",
})  # fmt: skip
"""Services and references that lead to no sensor of cooling, or in circles."""
_LIMITS = ("Allowable", "Threshold", "Range", "Accuracy", "Precision", "MemberId", "SensorNumber")
_UNITS = {"Celsius": "Cel", "KPa": "kPa", "kPa": "kPa", "Watts": "W", "Percent": "%",
          "LitersPerMinute": "L/min", "Volts": "V", "Amps": "A", "RPM": "{rev}/min"}  # fmt: skip


def places_in(path: str, resource: Any) -> tuple[Place, ...]:
    """The values of a resource and the resources below it.

    Parameters
    ----------
    path
        Where the resource lies.
    resource
        Its body.
    """
    found = (*_values(path, resource, ()), *_links(resource))
    return tuple({place.address: place for place in found}.values())


def _values(path: str, held: Any, pointer: tuple[str, ...]) -> Iterator[Place]:
    if isinstance(held, Mapping):
        for name, value in held.items():
            skipped = "@" in name or name in _NOT_OF_THE_PLANT or name.startswith(_LIMITS)
            if not skipped and not any(word in name for word in _LIMITS):
                yield from _values(path, value, (*pointer, name))
                yield from _value(path, held, name, value, pointer)
    elif isinstance(held, list):
        for index, value in enumerate(held):
            yield from _values(path, value, (*pointer, str(index)))


def _value(
    path: str, holder: Mapping[str, Any], name: str, value: Any, pointer: tuple[str, ...]
) -> Iterator[Place]:
    word = isinstance(value, str) and value in STATES
    empty = value is None and name in ("Reading", "SetPoint")
    if not (word or empty or isinstance(value, int | float)):
        return
    parts = (*pointer, name)
    address = f"{path}#/" + "/".join(p.replace("~", "~0").replace("/", "~1") for p in parts)
    state = word or isinstance(value, bool)
    number = STATES[value] if isinstance(value, str) else value
    now = None if number is None else float(number)
    title = ".".join((*pointer, name))
    if isinstance(own := holder.get("Name"), str) and pointer:
        title = f"{own}.{name}"
    unit = str(holder.get("ReadingUnits", "")) if name == "Reading" else ""
    ending = next((u for end, u in _UNITS.items() if any(p.endswith(end) for p in parts)), "")
    yield Place(
        address, title, title, (DataType.BOOL if state else DataType.FLOAT64).value, now,
        writable=name == "SetPoint", unit=unit or ending,
    )  # fmt: skip


def _links(held: Any) -> Iterator[Place]:
    """Resources that a resource refers to by nothing but their place."""
    if isinstance(held, list):
        for one in held:
            yield from _links(one)
    elif isinstance(held, Mapping):
        for name, value in held.items():
            if name in _NOT_OF_THE_PLANT or "@" in name:
                continue
            if isinstance(value, Mapping) and set(value) == {"@odata.id"}:
                yield from _link(name, value)
            elif name == "Members" and isinstance(value, list):
                for one in value:
                    if isinstance(one, Mapping):
                        yield from _link("", one)
            else:
                yield from _links(value)


def _link(name: str, reference: Mapping[str, Any]) -> Iterator[Place]:
    target = reference.get("@odata.id")
    if isinstance(target, str) and target.startswith(ROOT) and "#" not in target:
        last = name or target.rstrip("/").rpartition("/")[2]
        yield Place(target, last, last, opens=True)
