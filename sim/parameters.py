"""What only the simulator knows of a site: ``plant.toml``, derived from the nameplates.

A real plant is not its nameplate: every unit is drawn a few percent off, with a seed. The
file lists each parameter once, with its meaning, as one value for each unit; it is meant to
be edited (foul a CDU, weaken a fan) and read back.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facility.site import Site
from sim.plant import (
    air_rack,
    cdu,
    chiller,
    chiller_curves,
    crah,
    direct_to_chip,
    fws_loop,
    hall,
    immersion,
    rear_door,
    tower,
    tower_water,
)
from sim.plant.layout import Array, Table
from sim.plant.plant import PARAMETER_LAYOUTS, Units, unit_ids


class PlantError(ValueError):
    """``plant.toml`` cannot be used; the message says what is wrong and how to mend it."""


@dataclass(frozen=True)
class PlantParameters:
    """Parameters of every unit of a site, and the seed that they were drawn with."""

    site: str
    seed: int
    ids: dict[str, tuple[str, ...]]
    """Ids of the units of each table, in the order of its rows."""
    units: Units

    @classmethod
    def for_site(cls, site: Site, seed: int) -> PlantParameters:
        """Derive all parameters from the nameplates of ``site``, with seeded variation.

        Raises
        ------
        PlantError
            The site has no plant that could be simulated, or design figures that no real
            exchanger could meet.
        """
        _check(site)
        rng = np.random.default_rng([seed, 1])
        dp = tower_water.DESIGN_DP_KPA
        try:
            loops = fws_loop.parameters(site, rng, dp)
            chillers = chiller.parameters(site, rng, dp)
            design_ls = loops["tower_water_ls"].sum() + chillers["condenser_design_ls"].sum()
            units = Units(
                loops=loops,
                chillers=chillers,
                towers=tower.parameters(site, rng),
                tower_water=tower_water.parameters(site, float(design_ls)),
                cdus=cdu.parameters(site, rng),
                liquid=direct_to_chip.parameters(site, rng),
                air=air_rack.parameters(site, rng),
                crahs=crah.parameters(site, rng),
                doors=rear_door.parameters(site, rng),
                tanks=immersion.parameters(site, rng),
                halls=hall.parameters(site),
                curves=chiller_curves.curves([chiller_curves.DEFAULT] * len(chillers)),
            )
        except ValueError as error:
            raise PlantError(f"site {site.id}: {error}") from None
        _share_flow(site, units)
        return cls(site.id, seed, unit_ids(site), units)

    def save(self, path: Path) -> None:
        """Write ``plant.toml``."""
        own: dict[str, Array] = {}
        named = []
        for row in self.units.curves:
            name = chiller_curves.name_of(row)
            if name is None:
                name = next((n for n, o in own.items() if np.array_equal(o, row)), None)
            if name is None:
                name = f"own{len(own) + 1}"
                own[name] = row
            named.append(name)
        lines = [
            "# What only the simulator knows of this site: nobody else may read it.",
            "# One value for each unit, in the order of `ids`.",
            f'site = "{self.site}"',
            f"seed = {self.seed}",
            "# Curve sets of the chillers: names of `sim.plant.chiller_curves.SETS`, or of tables",
            "# [chiller_curve_sets.NAME] below with the fields of its `CurveSet`.",
            f"chiller_curves = [{', '.join(json.dumps(name) for name in named)}]",
        ]
        for kind, layout in PARAMETER_LAYOUTS.items():
            names = ", ".join(f'"{name}"' for name in self.ids[kind])
            lines += ["", f"[{kind}]", f"ids = [{names}]"]
            table: Table = getattr(self.units, kind)
            if len(table) == 0:
                continue
            for column, meaning in layout.meaning.items():
                lines.append(f"{column} = {_numbers(table[column])}  # {meaning}")
        for name, row in own.items():
            lines += ["", f"[chiller_curve_sets.{name}]"]
            for field, values in asdict(chiller_curves.CurveSet.from_numbers(row)).items():
                lines.append(f"{field} = {_numbers(values)}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, site: Site) -> PlantParameters:
        """Read ``plant.toml`` of ``site``; floats come back to the last bit.

        Raises
        ------
        PlantError
            The file is absent, is not TOML, or does not fit the site.
        """
        mend = f"write it anew with `isotherm site new`, or mend {path.name} by hand"
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PlantError(f"{path} is absent: a simulated site needs one; {mend}") from None
        except tomllib.TOMLDecodeError as error:
            raise PlantError(f"{path}: {error}; {mend}") from None
        ids = unit_ids(site)
        tables = {}
        for kind, layout in PARAMETER_LAYOUTS.items():
            part = data.get(kind, {})
            if tuple(part.get("ids", ())) != ids[kind]:
                raise PlantError(f"{path}: [{kind}] ids are not those of the site; {mend}")
            table = layout.table(len(ids[kind]))
            for column in layout.meaning if len(table) else ():
                table[column] = _column(path, kind, column, part.get(column), len(table))
            tables[kind] = table
        curves = _curves(path, data, len(ids["chillers"]))
        seed = data.get("seed")
        if not isinstance(seed, int):
            raise PlantError(f"{path}: seed is not a whole number; {mend}")
        return cls(site.id, seed, ids, Units(**tables, curves=curves))


def _curves(path: Path, data: dict[str, Any], count: int) -> Array:
    """Curves of the chillers, by name, from the catalogue or from the file's own tables."""
    names = data.get("chiller_curves")
    if not isinstance(names, list) or len(names) != count:
        raise PlantError(f"{path}: chiller_curves must be a list of {count} names, one a chiller")
    own = {}
    fields = tuple(chiller_curves.CurveSet.__dataclass_fields__)
    for name, part in data.get("chiller_curve_sets", {}).items():
        if not isinstance(part, dict) or set(part) != set(fields):
            listed = ", ".join(fields)
            raise PlantError(f"{path}: [chiller_curve_sets.{name}] must have just {listed}")
        own[name] = chiller_curves.CurveSet(
            **{field: tuple(_column(path, "", field, part[field], None)) for field in fields}
        )
    try:
        return chiller_curves.curves([str(name) for name in names], own)
    except chiller_curves.CurveError as error:
        raise PlantError(f"{path}: {error}") from None


def _numbers(values: Any) -> str:
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"


def _column(path: Path, kind: str, name: str, values: Any, count: int | None) -> Any:
    where = f"{path}: [{kind}] {name}" if kind else f"{path}: {name}"
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise PlantError(f"{where} must be a list of {count} numbers, one for each unit")
    if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in values):
        raise PlantError(f"{where} holds something that is not a finite number")
    return np.array(values, dtype=np.float64)


def _share_flow(site: Site, units: Units) -> None:
    """Turn the coolant of racks, doors and tanks into shares of their CDU's."""
    ids = unit_ids(site)
    tables = [(ids[kind], getattr(units, kind)) for kind in ("liquid", "doors", "tanks")]
    for unit in site.cdus:
        mine = [
            (table, [i for i, name in enumerate(names) if site.racks[name].units[0] == unit])
            for names, table in tables
        ]
        total = sum(table["flow_share"][rows].sum() for table, rows in mine)
        for table, rows in mine:
            if rows:
                table["flow_share"][rows] /= total


def _check(site: Site) -> None:
    """What a site must have to be simulated."""
    if not site.towers:
        raise PlantError(f"site {site.id} has no towers: the simulator rejects heat by towers only")
    for loop in fws_loop.order(site):
        if loop.trim and site.loops.get(loop.trim, loop).trim:
            raise PlantError(f"loop {loop.id} is trimmed by a loop that is itself trimmed")
        if loop.trim and loop.trim not in site.loops:
            raise PlantError(f"loop {loop.id} is trimmed by {loop.trim!r}, which is no loop")
