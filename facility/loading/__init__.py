"""From ``site.toml`` and ``points.csv`` to a `Site`, or to all that is wrong with them."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

from facility.loading import points_csv, topology
from facility.loading.actuators import build_actuators
from facility.loading.crosscheck import check_control, check_points, check_topology
from facility.loading.points_csv import read_points
from facility.loading.problems import Problem, SiteError
from facility.loading.topology import read_topology
from facility.site import Site

PORT_LINE = re.compile(r"(?m)^\s*port\s*=.*$")

__all__ = ["Problem", "SiteError", "load_site", "parse_site"]


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
    try:
        data = tomllib.loads(site_toml)
    except tomllib.TOMLDecodeError as error:
        raise SiteError(
            [Problem(topology.FILE, "", "", f"it is not TOML: {error}", "Mend that line.")]
        ) from None
    found = read_topology(data, problems)
    numbered = read_points(points, problems)
    check_topology(found, problems)
    check_points(numbered, found, problems)
    actuators = build_actuators(numbered, found, problems)
    by_tag = {item.point.tag: item.point for item in numbered}
    if numbered:
        check_control(by_tag, actuators, found, problems)
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
        worst_case=found.worst_case,
        source={
            # Where a device listens is no property of the site: a run on other ports is the same.
            topology.FILE: hashlib.sha256(PORT_LINE.sub("", site_toml).encode()).hexdigest(),
            points_csv.FILE: hashlib.sha256(points.encode()).hexdigest(),
        },
    )
