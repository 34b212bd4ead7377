"""A plant of four setpoints that believes whatever the envelope lets through, and keeps the score.

The invariants are checked here from what the devices hold and from the site's own figures, in
plain floats and by hand: none of the envelope's arithmetic, limits or tables is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from facility.commands import Command, Decision, Mode, Move, Origin, Outcome, Override, Verdict
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.worst_case import WorstCase
from safety.authority import AuthorityError
from safety.envelope import Action, Correction, Envelope, needs_write
from safety.limits import limits_of
from safety.state import EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    DEW_POINTS,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    PLAN,
    QUIET,
    READ_BACKS,
    SUPPLY,
    TEMPERATURE,
    read_back,
    site,
)

NAMES = (TEMPERATURE, FLOW, AIR, CHILLED)
DEVICE = {TEMPERATURE: "cdu_1", FLOW: "cdu_1", AIR: "crah_1", CHILLED: "ch_1"}
LOWEST = {TEMPERATURE: 20.0, FLOW: 10.0, AIR: 18.0, CHILLED: 10.0}
HIGHEST = {TEMPERATURE: 40.0, FLOW: 40.0, AIR: 27.0, CHILLED: 20.0}
COOLER = {TEMPERATURE: -1, FLOW: 1, AIR: -1, CHILLED: -1}
RACKS = {
    TEMPERATURE: ("r1.case_temperature", "r2.case_temperature"),
    FLOW: ("r1.case_temperature", "r2.case_temperature"),
    AIR: ("r3.inlet_temperature",),
    CHILLED: ("r1.case_temperature", "r2.case_temperature", "r3.inlet_temperature"),
}
HOT = {"r1.case_temperature": 75.0, "r2.case_temperature": 75.0, "r3.inlet_temperature": 32.0}
EPSILON = 2e-4
"""Two grains: the oracle does not round as the envelope does."""
SITE = site(
    racks={
        name: replace(
            rack, to_air_share=0.0 if rack.limited_temperature.startswith("case") else 1.0
        )
        for name, rack in site().racks.items()
    },
    worst_case=WorstCase(),
)
"""The hall with its heat where it belongs, and a worst case that is not mild."""
GATE = Envelope(limits_of(SITE))


@dataclass
class World:
    """Time, devices and readings; the envelope's state; and what was broken (nothing, ever)."""

    now_s: float = NOW_S
    held: dict[str, float] = field(default_factory=lambda: dict(READ_BACKS))
    armed: dict[str, bool] = field(
        default_factory=lambda: dict.fromkeys(("cdu_1", "crah_1", "ch_1"), False)
    )
    modes: dict[str, Mode] = field(default_factory=lambda: dict.fromkeys(NAMES, Mode.AUTOMATIC))
    readings: dict[str, Reading] = field(
        default_factory=lambda: {
            tag: Reading(value, Quality.GOOD, NOW_S) for tag, value in QUIET.items()
        }
    )
    state: EnvelopeState = field(default_factory=EnvelopeState)
    moved_at_s: dict[str, float] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)
    optimiser_writes: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in NAMES}
    )
    accepted: int = 0
    refused: int = 0
    corrected: int = 0

    # -- what happens in the plant ---------------------------------------------------------------

    def pass_time(self, seconds: float, *, fresh: bool = True) -> None:
        self.now_s += seconds
        if fresh:
            for name in NAMES:
                self.show(read_back(name), self.held[name])
            for tag, each in self.readings.items():
                self.readings[tag] = replace(each, time_s=self.now_s)

    def show(self, tag: str, value: float | None, quality: Quality = Quality.GOOD) -> None:
        self.readings[tag] = Reading(value, quality, self.now_s)

    def snapshot(self) -> Snapshot:
        devices = {
            name: DeviceStatus(
                name, True, Authority.REMOTE if armed else Authority.LOCAL, armed, self.now_s, 1.0
            )
            for name, armed in self.armed.items()
        }
        return Snapshot(self.now_s, dict(self.readings), devices, dict(self.modes))

    def restart(self) -> None:
        self.state = EnvelopeState.from_json(self.state.to_json())

    def seen(self, tag: str, max_age_s: float = 16.0) -> float | None:
        each = self.readings[tag]
        fresh = -1.0 <= self.now_s - each.time_s <= max_age_s
        good = each.quality is Quality.GOOD and each.value is not None and fresh
        return each.value if good and math.isfinite(each.value or 0.0) else None

    # -- what is asked ---------------------------------------------------------------------------

    def decide(self, moves: tuple[Move, ...], origin: Origin, lasts_s: float) -> str:
        name = f"decision-{len(self.decisions)}"
        made = Decision(name, "p", PLAN, origin, "x", "y", moves, self.now_s, self.now_s + lasts_s)
        try:
            self.state = GATE.register(self.state, made, self.now_s)
        except AuthorityError:
            return "nobody"
        self.decisions[name] = made
        return name

    def override(self, actuator: str, value: float, lasts_s: float) -> str:
        name = f"override-{len(self.overrides)}"
        made = Override(name, actuator, value, "ada", "z", self.now_s, self.now_s + lasts_s)
        try:
            self.state = GATE.register(self.state, made, self.now_s)
        except AuthorityError:
            return "nobody"
        self.overrides[name] = made
        return name

    def end_override(self, name: str) -> None:
        try:
            self.state = GATE.end_override(self.state, name)
        except AuthorityError:
            return
        del self.overrides[name]

    def arm(self, device: str) -> None:
        if self.armed[device]:
            return
        taken = {}
        for name in NAMES:
            if DEVICE[name] == device:
                self.state, verdict = GATE.judge_preload(
                    self.state, name, self.snapshot(), self.now_s
                )
                if verdict.value is None:
                    return
                assert abs(verdict.value - self.held[name]) <= 0.05 + EPSILON, verdict
                self.static(name, verdict.value)
                taken[name] = verdict.value
        self.armed[device] = True
        for name, value in taken.items():
            self.held[name] = value
            self.show(read_back(name), value)

    def release(self, device: str) -> None:
        """Always possible, and always carried out."""
        self.armed[device] = False
        gone = [name for name in NAMES if DEVICE[name] == device]
        self.state = GATE.released(self.state, gone)

    def command(self, actuator: str, value: float, origin: Origin, authority: str) -> Verdict:
        plan = "" if authority in self.overrides else PLAN
        asked = Command(
            "c", actuator, value, origin, authority, plan, self.now_s, self.now_s + 60.0
        )
        if not self.armed[DEVICE[actuator]]:
            # As the gateway does: would it pass? Then take the device over, and ask again.
            _, verdict = GATE.judge(self.state, asked, self.snapshot(), self.now_s)
            if verdict.value is not None:
                self.arm(DEVICE[actuator])
            if not self.armed[DEVICE[actuator]]:
                self.refused += 1
                return verdict
        before = self.state
        self.state, verdict = GATE.judge(self.state, asked, self.snapshot(), self.now_s)
        again = GATE.judge(before, asked, self.snapshot(), self.now_s)
        assert again == (self.state, verdict), "the same question, another answer"
        assert all(math.isfinite(number) for number in verdict.saw.values())
        if verdict.outcome is Outcome.REFUSE:
            assert verdict.value is None
            assert verdict.check
            self.refused += 1
        elif needs_write(verdict):
            self.accept(asked, verdict)
        return verdict

    def scan(self) -> tuple[Correction, ...]:
        self.state, corrections = GATE.judge_in_force(self.state, self.snapshot(), self.now_s)
        for each in corrections:
            if each.action is Action.RELEASE:
                self.release(each.device)
        for each in corrections:
            if each.value is not None and self.armed[each.device]:
                self.correct(each)
        return corrections

    # -- what must hold --------------------------------------------------------------------------

    def accept(self, asked: Command, verdict: Verdict) -> None:
        name, value = asked.actuator, verdict.value
        assert value is not None
        assert math.isfinite(asked.value)
        assert self.modes[name].writes
        self.static(name, value)
        self.rate(name, value)
        self.covered(asked, value)
        held = self.held[name]
        cooler = (value - held) * COOLER[name]
        if DEVICE[name] == "cdu_1":
            leak, flow = self.seen(LEAK), self.seen(MEASURED_FLOW)
            assert leak is not None
            assert leak <= 0.5
            if flow is None or flow < 9.5:
                assert cooler >= -EPSILON
        racks = [(self.seen(tag), HOT[tag]) for tag in RACKS[name]]
        known = [(found, limit) for found, limit in racks if found is not None]
        if any(found > limit for found, limit in known) or 2 * len(known) < len(racks):
            assert cooler >= -EPSILON
        if asked.origin is Origin.SAFETY or self.seen(read_back(name)) is None:
            assert cooler >= -EPSILON
        if name == TEMPERATURE:
            dew, supply = self.worst_dew_point(), self.seen(SUPPLY)
            if dew is not None:
                assert value >= dew + 3.0 - EPSILON
            if dew is None or (supply is not None and supply < dew + 3.0 - EPSILON):
                assert value >= held - EPSILON
        if asked.origin is Origin.OPTIMISER:
            self.pace(name)
        self.survives_the_worst(name, value, cooler)
        self.accepted += 1
        self.take(name, value)

    def correct(self, each: Correction) -> None:
        assert each.value is not None
        self.static(each.actuator, each.value)
        self.rate(each.actuator, each.value)
        if each.check == "dew_point":
            dew = self.worst_dew_point()
            assert dew is not None
            before, after = dew + 3.0 - self.held[TEMPERATURE], dew + 3.0 - each.value
            assert before > -EPSILON
            assert after < before
        self.corrected += 1
        self.take(each.actuator, each.value)

    def take(self, name: str, value: float) -> None:
        if abs(value - self.held[name]) > EPSILON / 4:
            self.moved_at_s[name] = self.now_s
        assert self.armed[DEVICE[name]]
        self.held[name] = value
        self.show(read_back(name), value)

    def static(self, name: str, value: float) -> None:
        assert LOWEST[name] - EPSILON / 2 <= value <= HIGHEST[name] + EPSILON / 2
        if name == TEMPERATURE:
            assert abs(value * 10 - round(value * 10)) < 1e-6  # a register of tenths
        if name == FLOW:
            assert abs(value * 100 - round(value * 100)) < 1e-6

    def rate(self, name: str, value: float) -> None:
        own = next(each for each in ACTUATORS if each.id == name)
        since_s = self.now_s - self.moved_at_s.get(name, -math.inf)
        towards = own.rate_towards_per_min * min(since_s, 60.0) / 60.0
        away = own.rate_away_per_min * min(since_s, 300.0) / 60.0
        assert -away - EPSILON <= (value - self.held[name]) * COOLER[name] <= towards + EPSILON

    def survives_the_worst(self, name: str, value: float, cooler: float) -> None:
        """Every rack at its rating, valves still on their way, and a hand-back: none too hot.

        From a start that is outside it is enough to go the right way as far as the rate allows.
        """
        bound = {TEMPERATURE: self.case_excess, FLOW: self.case_excess, AIR: self.inlet_excess}
        if name not in bound or bound[name](name, value) <= 0.1:
            return
        own = next(each for each in ACTUATORS if each.id == name)
        since_s = self.now_s - self.moved_at_s.get(name, -math.inf)
        most = own.rate_towards_per_min * min(since_s, 60.0) / 60.0
        strongest = {TEMPERATURE: LOWEST, FLOW: HIGHEST, AIR: LOWEST}[name][name]
        assert cooler > most - 0.1 - EPSILON or value == strongest

    def case_excess(self, name: str, value: float) -> float:
        """A rack of 100 kW on half of 25 L/s, K above its 75 °C.

        Its coolant rises by 2 K and its plate by 28 K more (70 °C at 40 °C supply), half of that
        film; a tenth is added. The loop warms by 4 K / 2 x 0.9 x 55 s of its 60 s before a valve
        answers. Handed back, the supply drifts at most 0.5 K before the flow is the plant's 20 L/s,
        which no command of a flow can help.
        """
        supply = value if name == TEMPERATURE else self.worst_of(TEMPERATURE, max)
        flow = value if name == FLOW else min(self.worst_of(FLOW, min), 20.0)
        share = min(flow, 25.0) / 25.0
        film: float = 14.0 * share**-0.75
        rise = 1.1 * (2.0 / share + 14.0 + film) + 2.0 * 0.9 * 55.0 / 60.0
        return max(supply, min(30.0, supply + 0.5)) + rise - 75.0

    def inlet_excess(self, name: str, value: float) -> float:
        """100 kW in 8 m3/s: 10.6 K; the air's own rise of 12.5 K comes back by 0.15 and more."""
        assert name == AIR
        servers = 1.15 * 100.0 / (1.18 * 12.5)
        back = 0.15 + 0.25 * (servers / 8.0 - 0.9)
        answer = 100.0 / (1.18 * 8.0) * 0.9 * 55.0 / 90.0
        return value + answer + back / (1.0 - back) * 12.5 - 32.0

    def worst_of(self, name: str, worst: Callable[[float, float], float]) -> float:
        """Of what is held and what is read back."""
        held, shown = self.held[name], self.seen(read_back(name))
        return held if shown is None else worst(held, shown)

    def covered(self, asked: Command, value: float) -> None:
        holders = self.holders(asked.actuator)
        if holders:
            assert [each.id for each in holders] == [asked.authority]
            assert asked.value == holders[0].value
            ends: tuple[float, ...] = (self.held[asked.actuator], holders[0].value)
        else:
            made = self.decisions[asked.authority]
            assert self.now_s < made.expires_at_s
            if self.modes[asked.actuator] is Mode.ADVISORY:
                assert made.origin is Origin.PERSON
            ends = tuple(
                end
                for move in made.moves
                if move.actuator == asked.actuator
                for end in (move.now, move.proposed)
            )
        assert min(ends) - EPSILON <= value <= max(ends) + EPSILON

    def pace(self, name: str) -> None:
        writes = self.optimiser_writes[name]
        assert all(self.now_s - moment >= 299.0 for moment in writes)
        assert sum(self.now_s - moment < 3600.0 for moment in writes) < 6
        self.optimiser_writes[name] = [m for m in writes if self.now_s - m < 3600.0] + [self.now_s]

    def holders(self, name: str) -> list[Override]:
        return [
            each
            for each in self.overrides.values()
            if each.actuator == name and each.starts_at_s <= self.now_s < each.expires_at_s
        ]

    def worst_dew_point(self) -> float | None:
        values = [value for tag in DEW_POINTS if (value := self.seen(tag)) is not None]
        return max(values, default=None)
