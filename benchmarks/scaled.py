"""Sites of any size for questions of cost: the campus hall, repeated.

Racks, CDUs and CRAHs come again hall by hall; chillers, towers and loops keep their number and
grow, as they do where a campus gets one larger plant instead of a hundred small ones.
"""

from __future__ import annotations

import dataclasses

from facility.loading import parse_site
from facility.site import Site
from sim.sites.reference import DESIGNS, Design, campus
from sim.sites.writer import texts

HALL_RACKS = 100


def scaled_design(halls: int) -> Design:
    """The campus design with its hall ``halls`` times over."""
    one = campus()

    def of(number: int, name: str) -> str:
        return f"h{number:03d}{name}"

    numbers = range(1, halls + 1)
    return dataclasses.replace(
        one,
        id=f"campus{halls}",
        name=f"{halls} halls of the campus reference",
        halls=tuple(
            dataclasses.replace(hall, id=of(n, hall.id), name=f"Hall {n}")
            for n in numbers
            for hall in one.halls
        ),
        racks=tuple(
            dataclasses.replace(
                rack,
                id=of(n, rack.id),
                hall=of(n, rack.hall),
                units=tuple(of(n, unit) for unit in rack.units),
            )
            for n in numbers
            for rack in one.racks
        ),
        cdus=tuple(
            dataclasses.replace(cdu, id=of(n, cdu.id), hall=of(n, cdu.hall))
            for n in numbers
            for cdu in one.cdus
        ),
        crahs=tuple(
            dataclasses.replace(crah, id=of(n, crah.id), hall=of(n, crah.hall))
            for n in numbers
            for crah in one.crahs
        ),
        loops=tuple(
            dataclasses.replace(
                loop,
                rated_kw=halls * loop.rated_kw,
                design_flow_ls=halls * loop.design_flow_ls,
            )
            for loop in one.loops
        ),
        chillers=tuple(
            dataclasses.replace(chiller, rated_kw=halls * chiller.rated_kw)
            for chiller in one.chillers
        ),
        towers=tuple(
            dataclasses.replace(
                tower,
                rated_kw=halls * tower.rated_kw,
                rated_fan_kw=halls * tower.rated_fan_kw,
            )
            for tower in one.towers
        ),
        jumping=frozenset(),
    )


def scaled_site(halls: int) -> Site:
    """That design as a site of ``halls`` times 100 racks."""
    return site_of(scaled_design(halls))


def reference_site(name: str) -> Site:
    """A reference site by name, without a folder."""
    return site_of(DESIGNS[name]())


def site_of(design: Design) -> Site:
    """A design as a site."""
    files = dict(texts(design, 15_000))
    return parse_site(files["site.toml"], files["points.csv"])
