"""Guideline 36 / RP-1711 control of a plant for liquid- and air-cooled halls, well tuned.

Source: ASHRAE Guideline 36-2021 sections 5.1.14 (trim and respond) and 5.20 (chilled-water
plants), as in RP-1711, and as carried out by Modelica Buildings
``Controls.OBC.ASHRAE.G36.Plants.Chillers``.

- *Plant reset of each facility loop*: one trim-and-respond variable on the requests of its
  CDU, CRAH and trim valves. From 0 to 50 % it raises the differential pressure from 34.5 kPa to
  design, from 50 to 100 % it lowers the supply temperature from its highest to its lowest.
- *Tower water*: the same form, on requests of the tower exchangers' valves: 0 to 50 % raises
  the pressure, 50 to 100 % lowers the tower water. With chillers on, the tower water follows the
  target lift, ``LIFT = clip(A PLR + B)``, ``A = 1.1 (max - min)``, ``B = max - A``; where the
  wet bulb lets the economiser carry the load alone, it goes as low as that takes. Guideline 36
  would run the fans out whenever both work: that costs more than it spares here.
  Guideline 36 runs the pumps of each stage at a speed that gives its condensers design flow.
  Here flow follows the load, as Taylor has it («Optimizing design & control of chilled water
  plants, part 5», ASHRAE Journal, June 2012: ``CWFR = C PLR + D``), which takes less.
- *CDUs* hold supply temperature and flow. Flow stays at design: CDUs are delivered holding
  a constant differential pressure over their racks, which on a fixed secondary circuit is
  constant flow, and no sequence of Guideline 36 resets it. The supply temperature stays as
  commissioned while the towers reach it, and floats with the wet bulb when they do not, so
  that chillers trim only what the IT could not bear.
- *CRAHs*: fans hold the hottest inlet of the racks that they are nearest to; one
  trim-and-respond of the hall lowers the supply air on requests (an inlet is warm, or the
  fans run hard) and raises it otherwise.

Requests as in section 5.16.8: one from a valve over 95 % until it is under 92 %; two where the
unit misses its setpoint by 1 K, three by 2 K. Nothing is ignored: IT is critical. The guideline
has 85 % as the lower end: between those, an equal-percentage valve halves its conductance, so
that the pressure would have to double each time before a request ends, and swing for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.bms.sequencing import Sequencer
from sim.bms.setpoints import AIR, CHW, CW, FAN, FWS, TCS, TCS_FLOW, Commissioned
from sim.bms.trim_respond import TrimAndRespond
from sim.plant.layout import Array, Index
from sim.plant.plant import Links, Standing, Units


@dataclass(frozen=True)
class Tuning:
    """Parameters, by the section they come from."""

    min_dp_kpa: float = 34.5
    """5.20.6: at least 5 psi."""
    reset_step_s: float = 300.0
    """5.20.5: every 5 min trim 2 %, respond 3 %, at most 7 %. In 2 min pressures and the
    chilled water of the design day hunt by twice as much."""
    reset_trim: float = -0.02
    reset_respond: float = 0.03
    reset_max_respond: float = 0.07
    reset_first: float = 0.75
    valve_high: float = 0.95
    valve_low: float = 0.92
    """85 % in the guideline; see above."""
    miss_one_k: float = 1.0
    miss_two_k: float = 2.0
    fws_span_k: float = 8.0
    """Coldest facility water under the CDUs' setpoint: twice a CDU's approach at design."""
    fws_nearest_k: float = 5.0
    """Warmest facility water under it: a CDU's approach at design and a kelvin for its fouling.
    Warmer water would have to be pumped in more than design flow."""
    tcs_wet_bulb_k: float = 13.0
    """The CDUs' supply over wet bulb below which towers work too hard. Their rating makes 10 K
    (4 K cells, 2 K exchanger, 4 K CDU), at full fans; 12 to 14 K takes the least power of
    cooling and leakage together on `frontier`, at 50 to 90 % load and 14 to 22 °C wet bulb."""
    tcs_headroom_k: float = 4.0
    """The CDUs' supply stays so far under its maximum."""
    wet_bulb_lag_s: float = 3600.0
    tower_span_k: float = 6.0
    tower_nearest_k: float = 2.0
    """Warmest tower water under the coldest loop that uses it: the exchangers' approach."""
    tower_least_approach_k: float = 3.5
    """Tower water is not asked for colder than this over wet bulb, just under the cells'
    rated approach: the fans would run out for nothing."""
    economiser_approach_k: float = 4.0
    """Over wet bulb, tower water that the fans make without running out."""
    lift_min_k: float = 8.0
    """The chillers' own (their nameplate); 5.20.12 resets between it and design lift."""
    lift_max_k: float = 25.0
    condenser_range_k: float = 5.5
    condenser_flow_gain: float = 1.0
    condenser_flow_offset: float = 0.0
    """Condenser water over design flow: gain x part load + offset, and never less than 5 psi
    over the condensers passes (0.62 of design). Other gains that leave it there take the same
    power; flow at design took 580 kWh more on `campus-summer`."""
    air_step_s: float = 120.0
    """5.16.2.2: every 2 min, trim 0.2 °F, respond 0.3 °F, at most 1.0 °F."""
    air_trim_k: float = 0.11
    air_respond_k: float = -0.17
    air_max_respond_k: float = -0.56
    air_high_c: float = 25.0
    inlet_below_k: float = 1.5
    """Fans hold the hottest inlet so far under the recommended temperature (27 °C)."""
    inlet_request_k: float = 0.5
    """An inlet so far under the recommended temperature asks for colder air."""
    fan_request_pct: float = 65.0
    """Fans over this ask for colder air: their power goes with the cube."""
    fan_gain_pct_k: float = 4.0
    fan_reset_s: float = 400.0


class Guideline36:
    """Local control ``guideline36``."""

    name = "guideline36"

    def __init__(
        self, units: Units, links: Links, commissioned: Commissioned, tuning: Tuning | None = None
    ) -> None:
        self.tuning = tuning or Tuning()
        self._units, self._links, self._set = units, links, commissioned
        self.sequencer = Sequencer(units, links, reserve_share=commissioned.reserve_share)
        t = self.tuning
        self._resets = [self._reset() for _ in range(len(units.loops))]
        self._tower = self._reset()
        self._asking = np.zeros(len(units.loops) * 2 + len(units.cdus) + len(units.crahs), bool)
        part = commissioned.part
        self._wet_bulb_c: float | None = None
        self._fan_pct = commissioned.value[part[FAN]].copy()
        first = commissioned.value[part[AIR]]
        self._air = TrimAndRespond(
            value=float(first.min()) if first.size else 20.0,
            low=float(commissioned.low[part[AIR]].max(initial=15.0)),
            high=min(t.air_high_c, float(commissioned.high[part[AIR]].min(initial=27.0))),
            trim=t.air_trim_k,
            respond=t.air_respond_k,
            max_respond=t.air_max_respond_k,
            step_s=t.air_step_s,
        )
        zones = links.air_crah[:, 0] if len(units.air) else np.zeros(0, np.int64)
        self._zones = [np.flatnonzero(zones == i) for i in range(len(units.crahs))]

    def _reset(self) -> TrimAndRespond:
        t = self.tuning
        return TrimAndRespond(
            value=t.reset_first,
            low=0.0,
            high=1.0,
            trim=t.reset_trim,
            respond=t.reset_respond,
            max_respond=t.reset_max_respond,
            step_s=t.reset_step_s,
        )

    def update(self, now: Standing, dt_s: float) -> Array:
        wanted = self._set.value.copy()
        part = self._set.part
        self._follow_wet_bulb(float(now.outdoor["wet_bulb_c"][0]), dt_s)
        self._run_crahs(now, wanted, dt_s)
        wanted[part[TCS]] = self._tcs(wanted[part[TCS]])
        wanted[part[TCS_FLOW]] = self._units.cdus["design_ls"]
        self._run_loops(now, wanted, dt_s)
        np.clip(wanted, self._set.low, self._set.high, out=wanted)
        self.sequencer.update(now, dt_s)
        wanted[part[CW]] = self._run_tower_water(now, wanted, dt_s)
        return np.clip(wanted, self._set.low, self._set.high)

    def _follow_wet_bulb(self, wet_bulb_c: float, dt_s: float) -> None:
        if self._wet_bulb_c is None:
            self._wet_bulb_c = wet_bulb_c
        lag = self.tuning.wet_bulb_lag_s
        self._wet_bulb_c += (wet_bulb_c - self._wet_bulb_c) * dt_s / (lag + dt_s)

    def _tcs(self, commissioned_c: Array) -> Array:
        """CDU supply: as commissioned, or what the towers can make, under its maximum."""
        t, high = self.tuning, self._set.high[self._set.part[TCS]]
        reachable = (self._wet_bulb_c or 0.0) + t.tcs_wet_bulb_k
        most = np.maximum(commissioned_c, high - t.tcs_headroom_k)
        return np.minimum(np.maximum(commissioned_c, reachable), most)

    def _requests(self, memory: Index, valves: Array, miss_k: Array) -> int:
        """Requests of a group of units, whose memory lies in these places (5.16.8)."""
        t = self.tuning
        asking = (self._asking[memory] | (valves > t.valve_high)) & (valves > t.valve_low)
        self._asking[memory] = asking
        missed = np.where(miss_k > t.miss_two_k, 3, np.where(miss_k > t.miss_one_k, 2, 0))
        # A unit that misses its setpoint with its valve half shut needs time, not colder water.
        return int(np.maximum(asking, missed * (valves > 0.5 * t.valve_high)).sum())

    def _run_loops(self, now: Standing, wanted: Array, dt_s: float) -> None:
        t, units, links, part = self.tuning, self._units, self._links, self._set.part
        n, cdus = len(units.loops), len(units.cdus)
        wet_bulb_c = float(now.outdoor["wet_bulb_c"][0])
        for k, reset in enumerate(self._resets):
            mine, coils = links.cdu_loop == k, links.crah_loop == k
            requests = 0
            if mine.any():
                s = now.cdus[mine]
                miss_k = s["supply_c"] - s["supply_setpoint_c"]
                requests += self._requests(2 * n + np.flatnonzero(mine), s["valve"], miss_k)
            if coils.any():
                s = now.crahs[coils]
                miss_k = s["supply_c"] - s["supply_setpoint_c"]
                memory = 2 * n + cdus + np.flatnonzero(coils)
                requests += self._requests(memory, s["valve"], miss_k)
            for j in np.flatnonzero(units.loops["trim_loop"] == k):
                s = now.loops[j : j + 1]
                if s["trim_enabled"][0] > 0.5:
                    miss_k = s["supply_c"] - s["setpoint_c"]
                    requests += self._requests(np.array([j]), s["trim_valve"], miss_k)
            x = reset.update(requests, dt_s)
            design = units.loops["design_dp_kpa"][k]
            now.loops["dp_setpoint_kpa"][k] = _between(t.min_dp_kpa, design, 2.0 * x)
            chillers = part[CHW].start + np.flatnonzero(links.chiller_loop == k)
            fws = part[FWS].start + k
            warmest, coldest = float(self._set.high[fws]), float(self._set.low[fws])
            if mine.any():
                lowest = float(wanted[part[TCS]][mine].min())
                warmest = min(warmest, lowest - t.fws_nearest_k)
                # Colder water than the towers make at sensible fans is not asked for: what the
                # CDUs lack then is their setpoint's to give, and trim's at the end of that.
                reachable = wet_bulb_c + t.tower_least_approach_k + t.tower_nearest_k
                coldest = min(max(coldest, lowest - t.fws_span_k, reachable), warmest)
            wanted[fws] = _between(warmest, coldest, 2.0 * x - 1.0)
            if chillers.size:
                warmest = float(self._set.high[chillers].min())
                coldest = float(self._set.low[chillers].max())
                wanted[chillers] = _between(warmest, coldest, 2.0 * x - 1.0)
                wanted[fws] = wanted[chillers[0]]

    def _run_tower_water(self, now: Standing, wanted: Array, dt_s: float) -> float:
        """Tower water and its pressure, from who uses it; 5.20.12 for the chillers' part."""
        t, units, part = self.tuning, self._units, self._set.part
        wet_bulb_c = float(now.outdoor["wet_bulb_c"][0])
        design = float(units.tower_water["design_dp_kpa"][0])
        on = now.chillers["commanded"] > 0.5
        requests, warmest, alone_c = 0, np.inf, np.inf
        for k in range(len(units.loops)):
            s = now.loops[k : k + 1]
            if s["economiser"][0] < 0.5:
                continue
            if (on & (self._links.chiller_loop == k)).any():
                alone_c = float(s["setpoint_c"][0]) - t.tower_nearest_k
                continue
            memory = np.array([len(units.loops) + k])
            requests += self._requests(memory, s["tower_valve"], s["supply_c"] - s["setpoint_c"])
            warmest = min(warmest, float(s["setpoint_c"][0]) - t.tower_nearest_k)
        y = self._tower.update(requests, dt_s)
        dp = _between(t.min_dp_kpa, design, 2.0 * y)
        plr = 0.0
        if on.any():
            load = now.chillers["cooling_load"][on].sum()
            plr = float(load / units.chillers["capacity_kw"][on].sum())
            wanted_share = min(t.condenser_flow_gain * plr + t.condenser_flow_offset, 1.0)
            dp = max(dp, design * wanted_share**2)
        flow_share = (dp / design) ** 0.5
        now.tower_water["dp_setpoint_kpa"] = dp
        floor = wet_bulb_c + t.tower_least_approach_k
        target = np.inf
        if np.isfinite(warmest):
            target = max(_between(warmest, warmest - t.tower_span_k, 2.0 * y - 1.0), floor)
        if on.any():
            a = 1.1 * (t.lift_max_k - t.lift_min_k)
            lift = min(max(a * plr + t.lift_max_k - a, t.lift_min_k), t.lift_max_k)
            chw = float(wanted[part[CHW]][on].min())
            target = min(target, max(chw + lift - t.condenser_range_k * plr / flow_share, floor))
        if alone_c > wet_bulb_c + t.economiser_approach_k:
            target = min(target, alone_c)
        return float(target) if np.isfinite(target) else float(self._set.value[part[CW]][0])

    def _run_crahs(self, now: Standing, wanted: Array, dt_s: float) -> None:
        t, part, air = self.tuning, self._set.part, self._units.air
        low, high = self._set.low[part[FAN]], self._set.high[part[FAN]]
        requests = 0
        excess = now.air["inlet_c"] - air["recommended_c"]
        for i, zone in enumerate(self._zones):
            hottest = float(excess[zone].max()) if zone.size else -t.inlet_below_k
            error = hottest + t.inlet_below_k
            self._fan_pct[i] += t.fan_gain_pct_k * error * dt_s / t.fan_reset_s
            self._fan_pct[i] = min(max(self._fan_pct[i], low[i]), high[i])
            output = self._fan_pct[i] + t.fan_gain_pct_k * error
            wanted[part[FAN].start + i] = min(max(output, low[i]), high[i])
            warm = hottest > -t.inlet_request_k
            requests += int(warm) * 2 + int(output > t.fan_request_pct)
        wanted[part[AIR]] = self._air.update(requests, dt_s)


def _between(start: float, end: float, share: float) -> float:
    """From ``start`` to ``end`` as ``share`` goes from 0 to 1, held outside."""
    return start + (end - start) * min(max(share, 0.0), 1.0)
