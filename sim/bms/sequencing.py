"""What runs: pumps, economisers, chillers, trim. Both local controls share it.

After Guideline 36-2021 section 5.20 (chilled-water plants; the same text as RP-1711): stages
by part load and by failsafe on temperature, with dwell; economiser enabled by the predicted
water of the towers; stage 0 is the economiser alone. Dwell times after Carrier 23XL (15 min
start to start) and Guideline 36 (15 min a stage, 20 min an economiser).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sim.bms.storage import Storage, charging_kw
from sim.bms.trim_respond import Held
from sim.plant.layout import Array
from sim.plant.plant import Links, Standing, Units


@dataclass(frozen=True)
class Sequence:
    """Parameters of the sequences."""

    stage_up_part_load: float = 0.85
    """VSD centrifugals are best between 0.7 and 0.95 of their load (curve set of the plant)."""
    stage_down_part_load: float = 0.75
    """Of the next lower stage."""
    stage_up_s: float = 600.0
    stage_down_s: float = 900.0
    failsafe_k: float = 1.0
    """Guideline 36: supply 2 °F over setpoint."""
    failsafe_s: float = 600.0
    setpoint_fall_k_s: float = 0.1 / 60.0
    """Excess counts over a setpoint that falls no faster: one that a reset has just lowered says
    nothing about machines that are still on their way to it."""
    urgent_k: float = 3.0
    """IT load steps by megawatts in a minute: do not wait ten minutes at this excess."""
    urgent_s: float = 120.0
    dwell_s: float = 900.0
    """Between changes of stage."""
    request_part_load: float = 0.80
    """Of the machines that are left, up to which a request may stop one: under the stage-up part
    load, so that the one that was stopped is not needed again at once."""
    request_s: float = 120.0
    """For so long must the plant be fit for the stop."""
    economiser_hold_s: float = 1200.0
    economiser_gain_k: float = 1.5
    """Predicted tower water under the return, to enable (plant-physics: 1.5 K)."""
    tower_approach_k: float = 4.0
    """Of the towers to wet bulb, for the prediction: their rating, 3.9 K."""
    pump_margin: float = 0.03
    """Guideline 36 section 5.20.6: a pump more where flow over design is so little under the
    share of pumps that run, one less where it is as much under the next lower share."""
    pump_stage_s: float = 600.0
    pump_urgent_s: float = 60.0
    """Full speed and a tenth of the pressure short: do not wait ten minutes."""
    trim_fan_pct: float = 95.0
    """Towers cannot hold: fans and valve fully out."""
    trim_off_valve: float = 0.05
    trim_off_s: float = 900.0


@dataclass
class _Plant:
    """Timers of one loop's chillers."""

    stage: int = 0
    since_s: float = 1e9
    setpoint_c: float | None = None
    """The loop's, falling no faster than machines follow."""
    up: Held = field(default_factory=Held)
    failsafe: Held = field(default_factory=Held)
    urgent: Held = field(default_factory=Held)
    down: Held = field(default_factory=Held)


@dataclass
class _Pumps:
    """Timers of one header."""

    up: Held = field(default_factory=Held)
    down: Held = field(default_factory=Held)
    urgent: Held = field(default_factory=Held)


@dataclass
class _Loop:
    """Timers of one loop's exchangers."""

    economiser_s: float = 1e9
    useless: Held = field(default_factory=Held)
    hot: Held = field(default_factory=Held)
    urgent: Held = field(default_factory=Held)
    idle: Held = field(default_factory=Held)
    trim_s: float = 1e9


class Sequencer:
    """Starts and stops the plant's machines. Keeps only timers; commands lie in the plant."""

    def __init__(
        self,
        units: Units,
        links: Links,
        sequence: Sequence | None = None,
        *,
        reserve_share: Mapping[int, float] | None = None,
    ) -> None:
        self.sequence = sequence or Sequence()
        self._units, self._links = units, links
        count = len(units.loops)
        self._loops = [_Loop() for _ in range(count)]
        self._plants = [_Plant() for _ in range(count)]
        self._pumps = [_Pumps() for _ in range(count + 1)]
        reserves = reserve_share or {}
        self._storage = [Storage(reserve_share=reserves.get(k, 0.0)) for k in range(count)]
        self.asked: dict[int, int] = {}
        """By row of a loop: the stage that somebody asks for. A loop that is left out is staged
        by this sequencer alone."""
        self._has_chillers = [bool((links.chiller_loop == k).any()) for k in range(count)]
        self._has_units = [
            bool((links.cdu_loop == k).any() or (links.crah_loop == k).any()) for k in range(count)
        ]

    def run_storage(self, now: Standing, tanks: Array) -> None:
        """Charge and discharge the tanks of the loops that have one (``tanks``: loops, layers)."""
        for k in np.flatnonzero(self._units.loops["tank_m3"] > 0.0):
            mine = (self._links.chiller_loop == k) & (now.chillers["running"] > 0.5)
            capacity = float(self._units.chillers["capacity_kw"][mine].sum())
            load = float(now.chillers["cooling_load"][mine].sum())
            storage, p, s = self._storage[k], self._units.loops[k], now.loops[k]
            own = storage.command(p, s, tanks[k], storage.tuning.spare_part_load * capacity - load)
            s["tank_own_pct"] = 100.0 * own
            s["tank_command"] = own
            if s["tank_asked"] > 0.5:
                asked = float(s["tank_setpoint_pct"]) / 100.0
                # What charging takes of them already is not lost to it.
                most_kw = storage.tuning.asked_part_load * capacity
                spare = most_kw - load + charging_kw(s, tanks[k])
                s["tank_command"] = storage.carry_out(asked, own, p, s, tanks[k], spare)

    def update(self, now: Standing, dt_s: float) -> None:
        """Decide what runs, from how the plant stands."""
        for k in range(len(self._loops)):
            self._trim(k, now, dt_s)
        for k in range(len(self._loops)):
            now.loops["enabled"][k] = float(self._has_units[k] or self._trims_another(k, now))
            self._economiser(k, now, dt_s)
            if self._has_chillers[k]:
                self._stage(k, now, dt_s)
        wanted = now.chillers["commanded"].any() or now.loops["economiser"].any()
        now.tower_water["enabled"][0] = float(wanted)
        for k in range(len(self._loops)):
            self._stage_pumps(self._pumps[k], self._units.loops[k], now.loops[k], dt_s)
        self._stage_pumps(self._pumps[-1], self._units.tower_water[0], now.tower_water[0], dt_s)

    def _stage_pumps(self, t: _Pumps, p: np.void, s: np.void, dt_s: float) -> None:
        """Pumps of a header by flow; all of them at first."""
        q, installed = self.sequence, float(p["pumps"])
        running = float(s["pumps_wanted"])
        if running < 1.0 or installed <= 1.0:
            s["pumps_wanted"] = installed
            return
        ratio = float(s["flow_ls"] / p["design_ls"])
        more = ratio > running / installed - q.pump_margin
        fewer = ratio < (running - 1.0) / installed - q.pump_margin
        short = s["pump_speed"] > 0.99 and s["dp_kpa"] < 0.9 * s["dp_setpoint_kpa"]
        up, down = t.up.update(more, dt_s), t.down.update(fewer, dt_s)
        urgent = t.urgent.update(bool(short), dt_s)
        if running < installed and (up >= q.pump_stage_s or urgent >= q.pump_urgent_s):
            s["pumps_wanted"] = running + 1.0
        elif running > 1.0 and down >= q.pump_stage_s and not short:
            s["pumps_wanted"] = running - 1.0
        else:
            return
        for held in (t.up, t.down, t.urgent):
            held.seconds = 0.0

    def _trims_another(self, k: int, now: Standing) -> bool:
        users = self._units.loops["trim_loop"] == k
        return bool((now.loops["trim_enabled"][users] > 0.5).any())

    def _trim(self, k: int, now: Standing, dt_s: float) -> None:
        """Trim is for when the towers cannot hold: fans and exchanger are at their ends."""
        if self._units.loops["trim_loop"][k] < 0.0:
            return
        q, t, s = self.sequence, self._loops[k], now.loops[k]
        t.trim_s += dt_s
        excess = s["supply_c"] - s["setpoint_c"]
        exhausted = (
            now.tower_water["fan_command"][0] * 100.0 >= q.trim_fan_pct or s["economiser"] < 0.5
        ) and (s["tower_valve"] > 0.95 or s["economiser"] < 0.5)
        hot = t.hot.update(bool(excess > q.failsafe_k and exhausted), dt_s)
        urgent = t.urgent.update(bool(excess > q.urgent_k), dt_s)
        idle = t.idle.update(bool(s["trim_valve"] < q.trim_off_valve), dt_s)
        if s["trim_enabled"] < 0.5:
            if hot >= q.failsafe_s or urgent >= q.urgent_s:
                now.loops["trim_enabled"][k], t.trim_s = 1.0, 0.0
                t.idle.seconds = 0.0
        elif idle >= q.trim_off_s and t.trim_s >= 2.0 * q.dwell_s:
            now.loops["trim_enabled"][k], t.trim_s = 0.0, 0.0

    def _economiser(self, k: int, now: Standing, dt_s: float) -> None:
        q, t, s = self.sequence, self._loops[k], now.loops[k]
        t.economiser_s += dt_s
        if s["enabled"] < 0.5:
            now.loops["economiser"][k] = 0.0
            return
        predicted = now.outdoor["wet_bulb_c"][0] + q.tower_approach_k
        useful = bool(predicted + q.economiser_gain_k < s["return_c"])
        useless = t.useless.update(
            not useful and bool(s["return_c"] - s["after_tower_c"] < 0.5), dt_s
        )
        if s["economiser"] < 0.5:
            if useful and t.economiser_s >= q.economiser_hold_s:
                now.loops["economiser"][k], t.economiser_s = 1.0, 0.0
        elif useless >= 600.0 and t.economiser_s >= q.economiser_hold_s:
            now.loops["economiser"][k], t.economiser_s = 0.0, 0.0

    def _stage(self, k: int, now: Standing, dt_s: float) -> None:
        q, t, s = self.sequence, self._plants[k], now.loops[k]
        mine = np.flatnonzero(self._links.chiller_loop == k)
        t.since_s += dt_s
        if s["enabled"] < 0.5:
            t.stage = 0
            now.chillers["commanded"][mine] = 0.0
            now.loops["stage"][k] = 0.0
            return
        capacity = self._units.chillers["capacity_kw"][mine]
        load = float(now.chillers["cooling_load"][mine].sum())
        setpoint_c = float(s["setpoint_c"])
        if t.setpoint_c is not None:
            setpoint_c = max(setpoint_c, t.setpoint_c - q.setpoint_fall_k_s * dt_s)
        t.setpoint_c = setpoint_c
        excess = float(s["supply_c"]) - setpoint_c
        at = sum(sorted(capacity, reverse=True)[: t.stage])
        below = sum(sorted(capacity, reverse=True)[: t.stage - 1]) if t.stage > 0 else 0.0
        up = t.up.update(bool(at > 0.0 and load > q.stage_up_part_load * at), dt_s)
        failsafe = t.failsafe.update(bool(excess > q.failsafe_k), dt_s)
        urgent = t.urgent.update(bool(excess > q.urgent_k), dt_s)
        light = load < q.stage_down_part_load * below
        asked, down_s = self.asked.get(k, t.stage), q.stage_down_s
        if t.stage == 1:  # the economiser alone: chillers find nothing to do
            light = s["economiser"] > 0.5 and load < 0.03 * at
        elif k in self.asked:  # in the place of this sequencer's own idea of light
            light, down_s = asked < t.stage and load < q.request_part_load * below, q.request_s
        down = t.down.update(bool(light and excess < 0.5 * q.failsafe_k), dt_s)
        economiser = s["economiser"] > 0.5
        first = t.stage == 0 and not economiser
        more = 0 < t.stage < asked
        raise_it = up >= q.stage_up_s or failsafe >= q.failsafe_s or first or more
        if t.stage < len(mine) and (
            (raise_it and (t.since_s >= q.dwell_s or first))
            or (urgent >= q.urgent_s and t.since_s >= 2.0 * q.urgent_s)
        ):
            self._change(t, 1)
        elif t.stage > 0 and down >= down_s and t.since_s >= q.dwell_s:
            self._change(t, -1)
        self._command(now, mine, t.stage)
        now.loops["stage"][k] = now.chillers["commanded"][mine].sum()

    @staticmethod
    def _change(t: _Plant, by: int) -> None:
        t.stage += by
        t.since_s = 0.0
        for held in (t.up, t.failsafe, t.urgent, t.down):
            held.seconds = 0.0

    @staticmethod
    def _command(now: Standing, mine: np.ndarray, stage: int) -> None:
        """The first ``stage`` machines that no fault keeps off, running ones first."""
        lost = (now.chillers["tripped"] > 0.5) | (now.chillers["cut_out"] > 0.5)
        usable = [i for i in mine if not lost[i]]
        usable.sort(key=lambda i: (now.chillers["running"][i] < 0.5, i))
        now.chillers["commanded"][mine] = 0.0
        for i in usable[:stage]:
            now.chillers["commanded"][i] = 1.0
