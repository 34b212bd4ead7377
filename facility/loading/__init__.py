"""From ``site.toml`` and ``points.csv`` to a `Site`, or to all that is wrong with them."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facility.loading import points_csv, topology
from facility.loading.actuators import build_actuators
from facility.loading.crosscheck import check_control, check_points, check_topology
from facility.loading.points_csv import NumberedPoint, read_points, write_points
from facility.loading.problems import Problem, SiteError
from facility.loading.storage import check_charge, check_tanks
from facility.loading.topology import read_topology
from facility.site import Site

PORT_LINE = re.compile(r"(?m)^\s*port\s*=.*$")
PEOPLE_TABLES = re.compile(r"(?ms)\n*^\[(?:people|go_no_go)\].*?(?=^\[|\Z)")

__all__ = ["Problem", "SiteError", "build_site", "load_site", "parse_site"]


def load_site(directory: str | Path) -> Site:
    """Read and check the site in ``directory``.

    Raises
    ------
    SiteError
        The site cannot be used; it holds every problem found, each with file, row,
        field, what is wrong and the mend.
    """
    folder = Path(directory)
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name in (topology.FILE, points_csv.FILE):
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            problems.append(
                Problem(
                    str(folder / name),
                    "",
                    "",
                    f"it cannot be read: {reason}",
                    "A site is a folder with site.toml and points.csv, both in UTF-8.",
                )
            )
    if problems:
        raise SiteError(problems)
    return parse_site(texts[topology.FILE], texts[points_csv.FILE])


def parse_site(site_toml: str, points: str) -> Site:
    """Build a site from the texts of its two files; raises `SiteError` as `load_site` does."""
    problems: list[Problem] = []
    data = _toml(site_toml)
    return _site(data, read_points(points, problems), problems, _source(site_toml, points))


def build_site(site_toml: str, numbered: Sequence[NumberedPoint], problems: list[Problem]) -> Site:
    """A site from ``site.toml`` and a points list that was read elsewhere.

    Raises
    ------
    SiteError
        With ``problems``, those of reading the list, and all others.
    """
    points = write_points([item.point for item in numbered])
    return _site(_toml(site_toml), numbered, problems, _source(site_toml, points))


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteError(
            [Problem(topology.FILE, "", "", f"it is not TOML: {error}", "Mend that line.")]
        ) from None


def _source(site_toml: str, points: str) -> dict[str, str]:
    return {
        topology.FILE: hashlib.sha256(_of_the_plant(site_toml).encode()).hexdigest(),
        points_csv.FILE: hashlib.sha256(points.encode()).hexdigest(),
    }


def _site(
    data: dict[str, Any],
    numbered: Sequence[NumberedPoint],
    problems: list[Problem],
    source: dict[str, str],
) -> Site:
    found = read_topology(data, problems)
    check_topology(found, problems)
    check_tanks(found.storage_tanks, found.loops, found.chillers, problems)
    check_points(numbered, found, problems)
    actuators = build_actuators(numbered, found, problems)
    by_tag = {item.point.tag: item.point for item in numbered}
    if numbered:
        check_control(by_tag, actuators, found, problems)
        check_charge(by_tag, actuators, found.storage_tanks, problems)
    if problems:
        raise SiteError(problems)
    return Site(
        id=found.id,
        name=found.name,
        latitude=found.latitude,
        longitude=found.longitude,
        elevation_m=found.elevation_m,
        halls=found.halls,
        racks=found.racks,
        loops=found.loops,
        cdus=found.cdus,
        crahs=found.crahs,
        chillers=found.chillers,
        towers=found.towers,
        devices=found.devices,
        points=by_tag,
        actuators=actuators,
        tariff=found.tariff,
        gateway=found.gateway,
        feeds=found.feeds,
        worst_case=found.worst_case,
        storage_tanks=found.storage_tanks,
        people=found.people,
        go_no_go=found.go_no_go,
        source=source,
    )


def _of_the_plant(site_toml: str) -> str:
    """``site.toml`` without what is no property of the plant, which models and runs outlast.

    That is where a device listens, the rules for people, and what is asked of a shadow run: as if
    ``[people]`` and ``[go_no_go]`` had never been written, with the empty lines around them.
    """

    def gap(found: re.Match[str]) -> str:
        return "\n" if found.end() == len(site_toml) else "\n\n" if found.start() else ""

    return PORT_LINE.sub("", PEOPLE_TABLES.sub(gap, site_toml))
