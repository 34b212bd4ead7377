"""The worst case of a site: its circuits, and the figures between each setpoint and the racks.

All from nameplates and `facility.worst_case.WorstCase`. Excursions follow one balance of heat:
while the answer of a valve or a chiller is away for a time ``t``, the load that has risen warms
what is held in the loop, hence by ``range x (1 - idle) x (t - rise / 2) / hold-up``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from facility.devices import Actuator
from facility.equipment import CDU, CRAH, Chiller, Rack, RackKind
from facility.site import Site
from safety.backup import AirIntake, Backup, Circuit, Coldplate, Curve, Flow, Lever, Path
from safety.guards import AWAY_WINDOW_S

WATER_KJ_LK = 4.17
"""Heat capacity of a litre of water at 25 °C: 997 kg/m³ x 4.18 kJ/kgK (IAPWS-95)."""
COOLANT_KJ_LK = 4.0
"""Of a litre of 25 % propylene glycol at 35 °C (ASHRAE Handbook Fundamentals, chapter 31)."""
AIR_KJ_M3K = 1.18
"""Of a cubic metre of air at 25 °C and 1 bar."""

RATED_WET_BULB_C = 25.6
"""Of a cell's rating (CTI STD-201: 78 °F)."""
APPROACH_PER_K = 0.25
"""Growth of a cell's approach for each kelvin that the wet bulb is below its rating: the slope
of saturated air's enthalpy halves from 26 to 10 °C (YorkCalc of EnergyPlus: 3.9 K at 25.6 °C,
7.8 K at 10 °C)."""


def backup_of(site: Site) -> Backup:
    """The worst case of ``site``."""
    by_meaning = {(a.equipment, a.quantity): a for a in site.actuators.values()}
    circuits: list[Circuit] = []
    unguarded: list[str] = []
    for cdu in site.cdus.values():
        on_it = [r for r in site.racks.values() if cdu.id in r.units and _liquid_kw(r) > 0.0]
        racks = [r for r in on_it if r.kind is RackKind.DIRECT_TO_CHIP]
        unguarded += [
            f"{rack.id}: the worst case knows no {rack.kind.value.replace('_', ' ')}"
            for rack in on_it
            if rack.kind is not RackKind.DIRECT_TO_CHIP
        ]
        if racks:
            circuits.append(_liquid(site, by_meaning, cdu, racks))
    for hall in site.halls:
        crahs = [c for c in site.crahs.values() if c.hall == hall]
        racks = [r for r in site.racks.values() if r.hall == hall and r.kind is RackKind.AIR]
        if crahs and racks:
            circuits.append(_air(site, by_meaning, crahs, racks))
            if len(crahs) == 1:
                unguarded.append(f"{hall}: one CRAH alone; its loss is borne by no setpoint")
    unguarded += [
        f"{loop}: one chiller alone; its loss is borne by no setpoint"
        for loop in site.loops
        if len(_chillers(site, loop)) == 1
    ]
    used = {name for circuit in circuits for name in circuit.setpoints}
    return Backup(
        levers={
            a.id: Lever(a.id, a.cooling, a.minimum, a.maximum, a.fallback)
            for a in site.actuators.values()
            if a.id in used
        },
        circuits=tuple(circuits),
        wet_bulb_c=site.worst_case.design_wet_bulb_c,
        wet_bulb_rise_k=site.worst_case.wet_bulb_rise_k,
        unguarded=tuple(unguarded),
    )


Meanings = dict[tuple[str, str], Actuator]


def _liquid(site: Site, of: Meanings, cdu: CDU, racks: list[Rack]) -> Circuit:
    w = site.worst_case
    heat_kw = sum(_liquid_kw(rack) for rack in racks)
    range_k = heat_kw / (COOLANT_KJ_LK * cdu.design_tcs_flow_ls)
    flow = of.get((cdu.id, "tcs_flow_setpoint"))
    supply = of.get((cdu.id, "tcs_supply_temperature_setpoint"))
    paths = []
    if supply is not None:
        lift = _excursion(site, range_k, w.answer_s, w.tcs_holdup_s)
        paths.append(Path(supply.id, lift, _drift(supply, flow)))
    facility_kw = sum(
        _liquid_kw(rack) for rack in site.racks.values() if _on_loop(site, rack, cdu.loop)
    )
    paths += _upstream(site, of, cdu.loop, facility_kw, w.cdu_approach_k)
    flows = () if flow is None else (Flow(flow.id, 1.0 / cdu.design_tcs_flow_ls, flow.maximum),)
    return Circuit(
        name=cdu.id,
        curves=_distinct(_coldplate(site, cdu, rack) for rack in racks),
        paths=tuple(paths),
        flows=flows,
        given=0.0 if flows else 1.0,
        loses_one=False,
        weather=_weather(site, cdu.loop, w.cdu_approach_k),
    )


def _air(site: Site, of: Meanings, crahs: list[CRAH], racks: list[Rack]) -> Circuit:
    w = site.worst_case
    hall = crahs[0].hall
    heat_kw = sum(r.rated_kw * r.to_air_share for r in site.racks.values() if r.hall == hall)
    range_k = heat_kw / (AIR_KJ_M3K * sum(c.design_air_m3s for c in crahs))
    answer = _excursion(site, range_k, w.answer_s, w.air_holdup_s)
    paths: list[Path] = []
    flows = []
    given = 0.0
    rests: list[float] = []
    for crah in crahs:
        fan = of.get((crah.id, "fan_speed_setpoint"))
        supply = of.get((crah.id, "supply_air_temperature_setpoint"))
        if supply is not None:
            paths.append(Path(supply.id, answer, _drift(supply, fan)))
        if fan is not None:
            flows.append(Flow(fan.id, crah.design_air_m3s / 100.0, fan.maximum))
        else:
            given += crah.design_air_m3s
    for loop in dict.fromkeys(crah.loop for crah in crahs if crah.loop in site.loops):
        paths += _upstream(site, of, loop, heat_kw, w.coil_approach_k)
        if len(_chillers(site, loop)) > 1:
            rests.append(w.rest_c + _restart_k(site, loop, heat_kw) + w.coil_approach_k)
    servers = sum(r.rated_kw for r in racks) / (AIR_KJ_M3K * w.air_rise_k) * w.server_air_share
    return Circuit(
        name=hall,
        curves=_distinct(
            AirIntake(r.limit_c, servers, w.air_rise_k, w.recirculation, w.recirculation_gain)
            for r in racks
        ),
        paths=tuple(paths),
        flows=tuple(flows),
        given=given,
        loses_one=len(flows) > 1,
        rest_c=max(rests, default=None),
    )


def _upstream(
    site: Site, of: Meanings, loop_id: str, heat_kw: float, approach_k: float
) -> Iterator[Path]:
    """Paths from the plant's setpoints to the units on a facility loop."""
    w, loop = site.worst_case, site.loops.get(loop_id)
    if loop is None:  # nobody says what comes from there, and nothing there is set
        return
    range_k = heat_kw / (WATER_KJ_LK * loop.design_flow_ls)
    answer = _excursion(site, range_k, w.answer_s, w.fws_holdup_s)
    own = of.get((loop_id, "fws_supply_temperature_setpoint"))
    if own is not None:
        yield Path(own.id, answer + approach_k)
    chillers = _chillers(site, loop_id)
    for chiller in chillers:
        chilled = of.get((chiller.id, "chw_supply_temperature_setpoint"))
        if chilled is not None:
            lost = _restart_k(site, loop_id, heat_kw) if len(chillers) > 1 else 0.0
            yield Path(chilled.id, max(lost, answer) + approach_k)
    tower = of.get(("tower_water", "cw_supply_temperature_setpoint"))
    if tower is not None and not chillers:
        basin = _excursion(site, w.tower_range_k, w.answer_s, w.tower_holdup_s)
        yield Path(tower.id, basin + w.exchanger_approach_k + approach_k)


def _weather(site: Site, loop_id: str, approach_k: float) -> tuple[float, float] | None:
    """Slope and lift of what the towers alone make of a loop with their largest cell lost.

    A cell's approach goes with the heat that it carries.
    """
    w = site.worst_case
    if not site.towers or _chillers(site, loop_id):
        return None
    cells = sorted(tower.rated_kw for tower in site.towers.values())
    left_kw = sum(cells[:-1]) if len(cells) > 1 else cells[0]
    rated_kw = sum(rack.rated_kw for rack in site.racks.values())
    share = max(rated_kw / left_kw, 1.0)
    tower_k = w.tower_approach_k * share + APPROACH_PER_K * RATED_WET_BULB_C
    return 1.0 - APPROACH_PER_K, tower_k + w.exchanger_approach_k + approach_k


def _excursion(site: Site, range_k: float, answer_s: float, holdup_s: float) -> float:
    w = site.worst_case
    away_s = max(answer_s - 0.5 * w.rise_s, 0.0)
    return range_k * (1.0 - w.idle_share) * away_s / holdup_s


def _restart_k(site: Site, loop_id: str, heat_kw: float) -> float:
    """Excursion of chilled water while another chiller starts and takes the load on."""
    w, loop = site.worst_case, site.loops[loop_id]
    machines = _chillers(site, loop_id)
    # Sequencers hold a stage for longer than a machine is locked out, so of three one is free.
    locked_s = max(m.min_off_s for m in machines) if len(machines) < 3 else 0.0
    largest_kw = max(m.rated_kw for m in machines)
    loading_s = 60.0 * min(heat_kw / largest_kw, 1.0) / w.loading_per_min
    range_k = heat_kw / (WATER_KJ_LK * loop.design_flow_ls)
    return _excursion(site, range_k, w.restart_s + locked_s + 0.5 * loading_s, w.fws_holdup_s)


def _coldplate(site: Site, cdu: CDU, rack: Rack) -> Coldplate:
    """A rack's rise from its nameplate: the coolant's part by its flow, half of the rest film."""
    w = site.worst_case
    stated_k = w.case_rise_k
    if stated_k is None:
        stated_k = max(rack.recommended_c - cdu.tcs_supply_max_c, 0.0)
    rated_kw = sum(_liquid_kw(other) for other in site.racks.values() if cdu.id in other.units)
    flow_ls = rack.design_flow_ls or cdu.design_tcs_flow_ls * _liquid_kw(rack) / rated_kw
    coolant_k = _liquid_kw(rack) / (COOLANT_KJ_LK * flow_ls)
    plate_k = max(stated_k - coolant_k, 0.5 * coolant_k)
    factor = 1.0 + w.case_tolerance
    return Coldplate(
        rack.limit_c,
        # Rounded up, so that racks of one kind are one curve.
        math.ceil(20.0 * factor * coolant_k) / 20.0,
        math.ceil(10.0 * factor * plate_k) / 20.0,
        math.ceil(10.0 * factor * plate_k) / 20.0,
    )


def _drift(supply: Actuator, flow: Actuator | None) -> float | None:
    """How far a hand-back takes a supply while its flow returns to the plant's own."""
    if flow is not None and flow.device != supply.device:
        return None
    return supply.rate_away_per_min * AWAY_WINDOW_S / 60.0


def _liquid_kw(rack: Rack) -> float:
    return rack.rated_kw * (1.0 - rack.to_air_share) if rack.kind is not RackKind.AIR else 0.0


def _on_loop(site: Site, rack: Rack, loop: str) -> bool:
    return any(unit in site.cdus and site.cdus[unit].loop == loop for unit in rack.units)


def _chillers(site: Site, loop: str) -> list[Chiller]:
    return [chiller for chiller in site.chillers.values() if chiller.loop == loop]


def _distinct(curves: Iterable[Curve]) -> tuple[Curve, ...]:
    return tuple(dict.fromkeys(curves))
