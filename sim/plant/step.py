"""One step of the whole plant, in the order of the water, compiled.

Explicit between units, implicit within them: each unit takes its inlets from the others as
they stand and is solved exactly or by backward Euler, so that a step of one second is stable
whatever the flows. What leaves one volume enters the next in the same step, but for the
coolant and the air that CDUs and CRAHs send out, which enter hoses and racks a step later.

Cost is linear in racks, CDUs and CRAHs: all couplings are by index, none by matrix.
"""

from __future__ import annotations

import math

import numpy as np

from sim.plant import (
    air_rack,
    cdu,
    chiller,
    crah,
    direct_to_chip,
    economiser,
    fws_loop,
    hall,
    immersion,
    rear_door,
    tank,
    tower_water,
)
from sim.plant.fluids import AIR_KJ_M3K, WATER_KJ_LK
from sim.plant.hydronics import flow_through_pipe, pipe_outlet_c, run_header
from sim.plant.layout import Array, kernel
from sim.plant.plant import Links, Pipes, Standing, Units


@kernel
def _flow(units: Units, now: Standing, links: Links, dt_s: float) -> None:
    """Water everywhere, from pump speeds and valve positions."""
    for k in range(now.loops.shape[0]):
        loop = now.loops[k]
        total = 0.0
        for i in range(now.cdus.shape[0]):
            if links.cdu_loop[i] == k:
                now.cdus[i].primary_ls = cdu.primary_branch(units.cdus[i], now.cdus[i])
                total += now.cdus[i].primary_ls
        for i in range(now.crahs.shape[0]):
            if links.crah_loop[i] == k:
                now.crahs[i].water_ls = crah.water_branch(units.crahs[i], now.crahs[i])
                total += now.crahs[i].water_ls
        for j in range(now.loops.shape[0]):
            if int(units.loops[j].trim_loop) == k:
                now.loops[j].trim_ls = fws_loop.trim_branch(units.loops[j], now.loops[j])
                total += now.loops[j].trim_ls
        bypass = units.loops[k].bypass_c_ls_kpa * loop.bypass_valve
        run_header(units.loops[k], loop, total, bypass, dt_s)
        drive = math.sqrt(loop.dp_kpa)
        loop.bypass_ls = bypass * drive
        tank.run_pump(units.loops[k], loop, dt_s)
        for i in range(now.cdus.shape[0]):
            if links.cdu_loop[i] == k:
                now.cdus[i].primary_ls *= drive
        for i in range(now.crahs.shape[0]):
            if links.crah_loop[i] == k:
                now.crahs[i].water_ls *= drive
        for j in range(now.loops.shape[0]):
            if int(units.loops[j].trim_loop) == k:
                now.loops[j].trim_ls *= drive
        fws_loop.move_valves(units.loops[k], loop, dt_s)
    total = 0.0
    for i in range(now.chillers.shape[0]):
        now.chillers[i].condenser_ls = units.chillers[i].condenser_c_ls_kpa * now.chillers[i].valve
        total += now.chillers[i].condenser_ls
    for k in range(now.loops.shape[0]):
        now.loops[k].tower_side_ls = economiser.branch(units.loops[k], now.loops[k])
        total += now.loops[k].tower_side_ls
    run_header(units.tower_water[0], now.tower_water[0], total, 0.0, dt_s)
    drive = math.sqrt(now.tower_water[0].dp_kpa)
    for i in range(now.chillers.shape[0]):
        now.chillers[i].condenser_ls *= drive
    for k in range(now.loops.shape[0]):
        now.loops[k].tower_side_ls *= drive


@kernel
def _make_cold(
    units: Units, now: Standing, links: Links, pipes: Pipes, wet_bulb_c: float, dt_s: float
) -> None:
    """Towers, exchangers and chillers: from the returns to what reaches the units."""
    water = now.tower_water[0]
    water.return_c = pipe_outlet_c(
        pipes.tower[0],
        pipes.tower_at[0],
        water.flow_ls * dt_s / units.tower_water[0].parcel_l,
    )
    tower_water.reject(
        units.tower_water[0], water, units.towers, now.towers,
        now.outdoor[0].dry_bulb_c, wet_bulb_c, dt_s,
    )  # fmt: skip
    for i in range(now.chillers.shape[0]):
        chiller.sequence(units.chillers[i], now.chillers[i], dt_s)
    for k in range(now.loops.shape[0]):
        p, s = units.loops[k], now.loops[k]
        parcels = s.flow_ls * dt_s / p.parcel_l
        s.return_c = pipe_outlet_c(pipes.back[k], pipes.back_at[k], parcels)
        trim_c = s.supply_c
        if p.trim_loop >= 0.0:
            trim_c = now.loops[int(p.trim_loop)].delivered_c
        entering = tank.plant_return_c(p, s, pipes.tank[k])
        entering = fws_loop.exchange(p, s, entering, water.supply_c, trim_c)
        entering = fws_loop.cool_by_chillers(
            units.curves, k, entering, water.supply_c, p, s,
            units.chillers, now.chillers, links.chiller_loop, dt_s,
        )  # fmt: skip
        leaving = tank.loop_supply_c(p, s, pipes.tank[k], entering)
        tank.step(p, s, pipes.tank[k], entering, dt_s)
        rate = WATER_KJ_LK * s.flow_ls
        m = p.plant_kj_k
        heat = rate * leaving + s.pump_heat_kw
        s.supply_c = (m * s.supply_c + dt_s * heat) / (m + dt_s * rate)
        s.delivered_c = flow_through_pipe(pipes.supply[k], pipes.supply_at[k], s.supply_c, parcels)


@kernel
def _cool_liquid(
    units: Units,
    now: Standing,
    links: Links,
    pipes: Pipes,
    load_kw: Array,
    mixed_c: Array,
    dt_s: float,
) -> None:
    """Direct-to-chip racks with their hoses, and CDUs. ``mixed_c`` is scratch, one a CDU."""
    for i in range(now.cdus.shape[0]):
        cdu.hold_pressure(now.cdus[i], dt_s)
        cdu.run_pump(units.cdus[i], now.cdus[i], dt_s)
        mixed_c[i] = 0.0
    for i in range(now.liquid.shape[0]):
        p, s, unit = units.liquid[i], now.liquid[i], now.cdus[links.liquid_cdu[i]]
        s.flow_ls = p.flow_share * unit.flow_ls
        parcels = s.flow_ls * dt_s / p.parcel_l
        s.inlet_c = flow_through_pipe(pipes.hose_in[i], pipes.hose_in_at[i], unit.supply_c, parcels)
        direct_to_chip.step(p, s, load_kw[links.liquid_load[i]], dt_s)
        s.return_c = flow_through_pipe(
            pipes.hose_out[i], pipes.hose_out_at[i], s.leaving_c, parcels
        )
        mixed_c[links.liquid_cdu[i]] += p.flow_share * s.return_c
    _cool_doors(units, now, links, mixed_c, dt_s)
    _cool_tanks(units, now, links, load_kw, mixed_c, dt_s)
    for i in range(now.cdus.shape[0]):
        facility_c = now.loops[links.cdu_loop[i]].delivered_c
        cdu.step(units.cdus[i], now.cdus[i], facility_c, mixed_c[i], dt_s)


@kernel
def _cool_doors(units: Units, now: Standing, links: Links, mixed_c: Array, dt_s: float) -> None:
    """Rear doors, from the air that their racks breathe out as they stand."""
    for i in range(now.air.shape[0]):
        j = links.air_door[i]
        if j >= 0:
            p, s, unit = units.doors[j], now.doors[j], now.cdus[links.door_cdu[j]]
            s.flow_ls = p.flow_share * unit.flow_ls
            rear_door.step(p, s, now.air[i].outlet_c, now.air[i].air_m3s, unit.supply_c, dt_s)
            mixed_c[links.door_cdu[j]] += p.flow_share * s.return_c


@kernel
def _cool_tanks(
    units: Units, now: Standing, links: Links, load_kw: Array, mixed_c: Array, dt_s: float
) -> None:
    """Immersion tanks."""
    for i in range(now.tanks.shape[0]):
        p, s, unit = units.tanks[i], now.tanks[i], now.cdus[links.tank_cdu[i]]
        s.flow_ls = p.flow_share * unit.flow_ls
        immersion.step(p, s, load_kw[links.tank_load[i]], unit.supply_c, dt_s)
        mixed_c[links.tank_cdu[i]] += p.flow_share * s.return_c


@kernel
def _supply_air_c(now: Standing, links: Links, rack: int) -> float:
    """Mixed supply air at a rack: its CRAHs by nearness and by how hard they blow."""
    total = heat = 0.0
    for j in range(links.air_crah.shape[1]):
        k = links.air_crah[rack, j]
        if k >= 0:
            part = links.air_weight[rack, j] * now.crahs[k].air_m3s
            total += part
            heat += part * now.crahs[k].supply_c
    if total <= 1e-9:
        return float(now.halls[links.air_hall[rack]].return_c)
    return heat / total


@kernel
def _cool_air(
    units: Units,
    now: Standing,
    links: Links,
    load_kw: Array,
    scratch: Array,
    dew_point_c: float,
    dt_s: float,
) -> None:
    """Air racks, CRAHs and halls. ``scratch`` is (3, halls): CRAHs' air, servers' air, heat.

    What racks draw comes from the CRAHs, from each other and from the plenum; what is left of
    all air and heat ends in the plenum, so that both balance whatever the recirculation.
    """
    scratch[:] = 0.0
    for i in range(now.crahs.shape[0]):
        s = now.crahs[i]
        crah.run_fans(units.crahs[i], s, dt_s)
        scratch[0, links.crah_hall[i]] += s.air_m3s
        scratch[2, links.crah_hall[i]] += AIR_KJ_M3K * s.air_m3s * s.supply_c
    for i in range(now.air.shape[0]):
        air_rack.run_fans(units.air[i], now.air[i], load_kw[links.air_load[i]], dt_s)
        if links.air_door[i] < 0:
            scratch[1, links.air_hall[i]] += now.air[i].air_m3s
    for i in range(now.liquid.shape[0]):
        scratch[2, links.liquid_hall[i]] += now.liquid[i].air_kw
    for i in range(now.tanks.shape[0]):
        scratch[2, links.tank_hall[i]] += now.tanks[i].air_kw
    for i in range(now.air.shape[0]):
        p, s, h = units.air[i], now.air[i], links.air_hall[i]
        plenum_c = now.halls[h].return_c
        door = links.air_door[i]
        if door >= 0:  # it breathes the room, and what it breathes out has passed its door
            air_rack.step(p, s, load_kw[links.air_load[i]], plenum_c, dt_s)
            scratch[2, h] += AIR_KJ_M3K * s.air_m3s * (s.outlet_c - plenum_c)
            scratch[2, h] -= now.doors[door].heat_kw
            continue
        kept = 1.0 - min(units.halls[h].leak_share + now.halls[h].opened, 1.0)
        share = air_rack.recirculation(p, scratch[1, h], scratch[0, h] * kept)
        around_c = (
            air_rack.OWN * s.outlet_c
            + air_rack.EACH_SIDE * now.air[links.air_left[i]].outlet_c
            + air_rack.EACH_SIDE * now.air[links.air_right[i]].outlet_c
            + air_rack.PLENUM * plenum_c
        )
        s.recirculated = share
        intake_c = (1.0 - share) * _supply_air_c(now, links, i) + share * around_c
        air_rack.step(p, s, load_kw[links.air_load[i]], intake_c, dt_s)
        scratch[2, h] += AIR_KJ_M3K * s.air_m3s * (s.outlet_c - intake_c)
    for h in range(now.halls.shape[0]):
        hall.step(units.halls[h], now.halls[h], scratch[2, h], scratch[0, h], dew_point_c, dt_s)
        now.halls[h].condensate_ls = 0.0
    for i in range(now.crahs.shape[0]):
        s, room = now.crahs[i], now.halls[links.crah_hall[i]]
        s.return_c = room.return_c
        water_c = now.loops[links.crah_loop[i]].delivered_c
        crah.step(units.crahs[i], s, water_c, room.dew_point_c, dt_s)
        room.condensate_ls += s.condensate_ls


@kernel
def _bring_back(units: Units, now: Standing, links: Links, pipes: Pipes, dt_s: float) -> None:
    """Returns of the loops and of the tower water, mixed and through their mains."""
    for k in range(now.loops.shape[0]):
        p, s = units.loops[k], now.loops[k]
        if s.flow_ls <= 1e-6:
            continue
        heat = 0.0
        for i in range(now.cdus.shape[0]):
            if links.cdu_loop[i] == k:
                heat += now.cdus[i].primary_ls * now.cdus[i].primary_return_c
        for i in range(now.crahs.shape[0]):
            if links.crah_loop[i] == k:
                heat += now.crahs[i].water_ls * now.crahs[i].water_return_c
        for j in range(now.loops.shape[0]):
            if int(units.loops[j].trim_loop) == k:
                heat += now.loops[j].trim_ls * now.loops[j].trim_side_c
        s.mixed_return_c = heat / s.flow_ls
        parcels = s.flow_ls * dt_s / p.parcel_l
        flow_through_pipe(pipes.back[k], pipes.back_at[k], s.mixed_return_c, parcels)
    water = now.tower_water[0]
    if water.flow_ls > 1e-6:
        heat = 0.0
        for i in range(now.chillers.shape[0]):
            heat += now.chillers[i].condenser_ls * now.chillers[i].condenser_c
        for k in range(now.loops.shape[0]):
            heat += now.loops[k].tower_side_ls * now.loops[k].tower_side_c
        water.mixed_return_c = heat / water.flow_ls
        flow_through_pipe(
            pipes.tower[0],
            pipes.tower_at[0],
            water.mixed_return_c,
            water.flow_ls * dt_s / units.tower_water[0].parcel_l,
        )


@kernel
def _account(units: Units, now: Standing, dt_s: float) -> None:
    """Energy, violations and peaks of a step, on the truth."""
    a = now.accounts[0]
    hours = dt_s / 3600.0
    it = throttled = over = recommended = 0.0
    for i in range(now.liquid.shape[0]):
        p, s = units.liquid[i], now.liquid[i]
        it += s.it_power
        throttled += s.throttled_kw
        over += max(0.0, s.case_c - p.limit_c)
        recommended += max(0.0, s.case_c - p.recommended_c)
        a.peak_excess_k = max(a.peak_excess_k, s.case_c - p.limit_c)
    for i in range(now.air.shape[0]):
        p, s = units.air[i], now.air[i]
        it += s.it_power
        throttled += s.throttled_kw
        over += max(0.0, s.inlet_c - p.limit_c)
        recommended += max(0.0, s.inlet_c - p.recommended_c)
        a.peak_excess_k = max(a.peak_excess_k, s.inlet_c - p.limit_c)
    for i in range(now.tanks.shape[0]):
        p, s = units.tanks[i], now.tanks[i]
        it += s.it_power
        throttled += s.throttled_kw
        over += max(0.0, s.bath_c - p.limit_c)
        recommended += max(0.0, s.bath_c - p.recommended_c)
        a.peak_excess_k = max(a.peak_excess_k, s.bath_c - p.limit_c)
    basin = now.tower_water[0]
    chillers = fans = cdus = water = 0.0
    pumps, towers, rejected = basin.pump_power, basin.heater_kw, basin.loss_kw
    heat = it + basin.pump_heat_kw + basin.heater_kw
    for i in range(now.chillers.shape[0]):
        chillers += now.chillers[i].power
    for i in range(now.towers.shape[0]):
        towers += now.towers[i].fan_power
        rejected += now.towers[i].heat_kw
        water += now.towers[i].evaporation_ls
    for k in range(now.loops.shape[0]):
        pumps += now.loops[k].pump_power + now.loops[k].tank_pump_kw
        heat += now.loops[k].pump_heat_kw + now.loops[k].tank_heat_kw
        rejected += now.loops[k].tank_loss_kw
    for i in range(now.crahs.shape[0]):
        fans += now.crahs[i].fan_power
        heat += now.crahs[i].latent_kw
    for i in range(now.tanks.shape[0]):
        cdus += now.tanks[i].pump_power
        heat += now.tanks[i].pump_power
    for i in range(now.cdus.shape[0]):
        cdus += now.cdus[i].pump_power
        heat += now.cdus[i].pump_heat_kw
    heat += chillers + fans
    cooling = chillers + towers + pumps + fans + cdus
    a.seconds += dt_s
    a.it_kwh += it * hours
    a.chillers_kwh += chillers * hours
    a.towers_kwh += towers * hours
    a.pumps_kwh += pumps * hours
    a.fans_kwh += fans * hours
    a.cdus_kwh += cdus * hours
    a.heat_kwh += heat * hours
    a.rejected_kwh += rejected * hours
    a.throttled_kwh += throttled * hours
    a.violation_k_min += over * dt_s / 60.0
    a.over_recommended_k_min += recommended * dt_s / 60.0
    a.peak_facility_kw = max(a.peak_facility_kw, it + cooling)
    a.peak_cooling_kw = max(a.peak_cooling_kw, cooling)
    a.water_m3 += water * dt_s * 1e-3
    a.make_up_m3 += basin.make_up_ls * dt_s * 1e-3


@kernel
def advance(
    units: Units,
    now: Standing,
    links: Links,
    pipes: Pipes,
    load_kw: Array,
    weather: Array,
    dt_s: float,
) -> None:
    """Carry the plant through as many steps as ``load_kw`` has rows.

    Parameters
    ----------
    load_kw
        (steps, racks in the order of the site): power that each rack's work takes at its
        reference temperature.
    weather
        (steps, 3): dry bulb, wet bulb, dew point outdoors, °C.
    dt_s
        Length of a step, s.
    """
    mixed_c = np.zeros(now.cdus.shape[0])
    scratch = np.zeros((3, now.halls.shape[0]))
    outdoor = now.outdoor[0]
    for n in range(load_kw.shape[0]):
        outdoor.dry_bulb_c = weather[n, 0]
        outdoor.wet_bulb_c = weather[n, 1]
        outdoor.dew_point_c = weather[n, 2]
        _flow(units, now, links, dt_s)
        _make_cold(units, now, links, pipes, weather[n, 1], dt_s)
        _cool_liquid(units, now, links, pipes, load_kw[n], mixed_c, dt_s)
        _cool_air(units, now, links, load_kw[n], scratch, weather[n, 2], dt_s)
        _bring_back(units, now, links, pipes, dt_s)
        _account(units, now, dt_s)
