"""``[[storage_tanks]]`` of ``site.toml``: chilled-water tanks, and what their control needs."""

from __future__ import annotations

from collections.abc import Mapping

from facility.devices import Actuator
from facility.equipment import Chiller, CoolingLoop, StorageTank
from facility.loading.points_csv import FILE as POINTS
from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.points import Point
from facility.quantities import CHARGE, CHARGE_LEVEL

TOPOLOGY = "site.toml"


def read_tank(reader: TableReader) -> StorageTank:
    """One table; what is wrong goes to the reader's problems."""
    normal = StorageTank("", "", 0.0, 0.0, 0.0)
    return StorageTank(
        id=reader.text("id"),
        loop=reader.text("loop"),
        volume_m3=reader.number("volume_m3", minimum=1, maximum=100_000),
        rated_flow_ls=reader.number("rated_flow_ls", minimum=0.1, maximum=10_000),
        reserve_pct=reader.number("reserve_pct", minimum=0, maximum=95),
        loss_pct_per_day=reader.number(
            "loss_pct_per_day", normal.loss_pct_per_day, minimum=0, maximum=50
        ),
    )


def check_tanks(
    tanks: Mapping[str, StorageTank],
    loops: Mapping[str, CoolingLoop],
    chillers: Mapping[str, Chiller],
    problems: list[Problem],
) -> None:
    """A tank hangs on a loop of the site that something can make cold, one tank a loop."""
    taken: dict[str, str] = {}
    for tank in tanks.values():
        reader = TableReader(TOPOLOGY, f"[[storage_tanks]] ({tank.id})", {}, problems)
        reader.known("loop", tank.loop, loops, "loop")
        if tank.loop in loops and all(each.loop != tank.loop for each in chillers.values()):
            reader.problem(
                "loop",
                f"no chiller is on {tank.loop!r}, so nothing could charge it",
                "Name the chillers' loop.",
            )
        if tank.loop in taken:
            reader.problem(
                "loop",
                f"{taken[tank.loop]} is on {tank.loop!r} already",
                "Enter tanks that work side by side as one: volumes and flows add up.",
            )
        taken.setdefault(tank.loop, tank.id)
        if tank.id in loops or tank.id in chillers:
            reader.problem("id", f"{tank.id!r} is a loop or a chiller too", "Give it its own id.")


def check_charge(
    points: Mapping[str, Point],
    actuators: Mapping[str, Actuator],
    tanks: Mapping[str, StorageTank],
    problems: list[Problem],
) -> None:
    """What a charge setpoint cannot do without: a tank, its level, and a range about 0."""
    meanings = {(point.equipment, point.quantity) for point in points.values()}
    for actuator in actuators.values():
        if actuator.quantity != CHARGE:
            continue

        def problem(field: str, what: str, mend: str, row: str = actuator.id) -> None:
            problems.append(Problem(POINTS, row, field, what, mend))

        if actuator.equipment not in tanks:
            problem(
                "equipment",
                f"{actuator.equipment!r} is no storage tank",
                f"Add it to [[storage_tanks]], or mend the equipment of {actuator.id}.",
            )
        elif (actuator.equipment, CHARGE_LEVEL) not in meanings:
            problem(
                "quantity",
                f"{actuator.equipment} has a {CHARGE} but no {CHARGE_LEVEL}",
                "Add a row for it: without its level a tank is not discharged.",
            )
        if not actuator.minimum <= 0.0 <= actuator.maximum:
            problem(
                "minimum",
                f"{actuator.minimum:g} to {actuator.maximum:g} % does not hold 0",
                "0 is standing still, and what is asked where nothing is known.",
            )
