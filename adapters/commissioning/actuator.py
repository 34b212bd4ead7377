"""The guided check of an actuator: what it does when it is written, and when it is left alone.

Write the value in force back and see that nothing moves; step a little, towards cooling, and
see that it is taken and has an effect; let the device's heart fall silent and measure its own
time-out, and whether it ramps or jumps back to its own control; see that all is as before.

Every write is the command of a named person under an override, through the gateway's envelope
and write gate. Whoever runs this beats for the gateway: if he is killed, interrupted or cut
off, the gateway gives the device back, and nothing stays half done.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from adapters.commissioning.actuator_result import Person, Plan, Result
from adapters.commissioning.holding import AsyncGateway, CheckRefused
from adapters.gateway.client import GatewayError, GatewayRefusal
from facility.commands import Command, Mode, Origin, Outcome, Override, Receipt, WriteResult
from facility.devices import Actuator
from facility.points import Role
from facility.quantities import QUANTITIES, STAGE_REQUEST
from facility.site import Site
from facility.telemetry import Reading
from facility.units import Kind
from facility.wire import from_wire, to_wire

STEP_K = 0.5
"""Of a temperature; other setpoints step by a fiftieth of their range."""
STEP_SHARE = 0.02
POLL_S = 0.2
TAKEN_WITHIN_S = 15.0
OVERRIDE_S = 3600.0
EFFECT_SHARE = 0.3
"""Of the step that the measured value must follow, to be called an effect."""
BACK_WITHIN_S = 90.0
"""So long after its time-out a device may take to be back at its own value."""
REST_S = 8.0
"""A value that stands so long has arrived."""


Tell = Callable[[str, float], None]
"""What is being done, and the share of the check that is done."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass
class Checker:
    """Checks actuators through a gateway that is held (`holding.holding`)."""

    gateway: AsyncGateway
    site: Site
    person: Person
    tell: Tell
    sleep: Sleep = asyncio.sleep

    async def check(self, actuator_id: str, plan: Plan) -> Result:
        """Check one actuator; the device is given back whatever happens.

        Raises
        ------
        CheckRefused
            Nothing was written.
        """
        actuator = self.site.actuators[actuator_id]
        await self._may_begin(actuator)
        now_s = await self._now_s()
        result = Result(actuator.id, actuator.device, actuator.unit, self.person, now_s)
        try:
            await self._work(actuator, plan, result)
        except GatewayRefusal as error:
            result.note("interrupted", False, str(error))
        finally:
            await asyncio.shield(self._give_back(actuator))
        await self._look_after(actuator, result)
        return result

    async def _may_begin(self, actuator: Actuator) -> None:
        snapshot = await self.gateway.call("snapshot")
        device = snapshot["devices"][actuator.device]
        if not device["connected"]:
            raise CheckRefused(f"{actuator.device} does not answer: {device['note']}")
        for other in self.site.device_actuators(actuator.device):
            mode = Mode(snapshot["modes"][other.id])
            if not mode.writes:
                raise CheckRefused(
                    f"{other.id} is in {mode.value}, and in {mode.value} nothing is written to "
                    f"{actuator.device}. Allow it by name: `isotherm commission begin "
                    f"{actuator.device} --why TEXT`"
                )
        status = await self.gateway.call("status")
        if latch := status["latches"].get(actuator.device):
            raise CheckRefused(
                f"{actuator.device} was given back ({latch['why']}): when that is mended, "
                f"`isotherm commission begin {actuator.device} --why TEXT`"
            )

    async def _work(self, actuator: Actuator, plan: Plan, result: Result) -> None:
        before = await self._value(actuator.device, actuator.read_back)
        if before is None:
            result.note("value in force", False, f"{actuator.read_back} has no good value")
            return
        result.before = before
        if not await self._write_back(actuator, before, result):
            return
        target = await self._step(actuator, before, plan, result)
        if target is None:
            return
        await self._effect(actuator, target - before, plan.effect_s, result)
        if plan.measure_time_out:
            await self._time_out(actuator, target, result)

    async def _write_back(self, actuator: Actuator, before: float, result: Result) -> bool:
        self.tell(
            f"{actuator.id}: writing {before:g} {actuator.unit}, the value in force, back", 0.0
        )
        receipt = await self._command(actuator, before)
        took = receipt.result in (WriteResult.WRITTEN, WriteResult.UNCHANGED)
        result.note("write back", took, _told(receipt))
        if not took:
            return False
        await self.sleep(2.0 * POLL_S)
        found = await self._value(actuator.device, actuator.read_back)
        still = found is not None and abs(found - before) <= _tolerance(actuator)
        result.note("nothing moved", still, f"in force before {before:g}, then {_shown(found)}")
        return still

    async def _step(
        self, actuator: Actuator, before: float, plan: Plan, result: Result
    ) -> float | None:
        size = plan.step if plan.step is not None else _usual_step(actuator)
        target = before + actuator.cooling.sign * size
        target = min(max(target, actuator.minimum), actuator.maximum)
        if abs(target - before) < 0.1 * size:
            # At the end of its range towards cooling: the other way, as slowly as it may.
            target = min(max(before - actuator.cooling.sign * size, actuator.minimum),
                         actuator.maximum)  # fmt: skip
        self.tell(f"{actuator.id}: a step to {target:g} {actuator.unit}", 0.1)
        receipt = await self._command(actuator, target)
        if receipt.result is not WriteResult.WRITTEN or receipt.written is None:
            result.note("step", False, _told(receipt))
            return None
        written = receipt.written
        began_s = await self._now_s()
        found, now_s = None, began_s
        while now_s - began_s < TAKEN_WITHIN_S:
            found = await self._value(actuator.device, actuator.read_back)
            now_s = await self._now_s()
            if found is not None and abs(found - written) <= _tolerance(actuator):
                break
            await self.sleep(POLL_S)
        took = found is not None and abs(found - written) <= _tolerance(actuator)
        limited = "" if receipt.verdict.outcome is Outcome.ALLOW else f"; {_told(receipt)}"
        result.stepped_to = written
        result.note(
            "step", took,
            f"wrote {written:g}, in force {_shown(found)} after {now_s - began_s:.1f} s{limited}",
        )  # fmt: skip
        return written if took else None

    async def _effect(
        self, actuator: Actuator, step: float, within_s: float, result: Result
    ) -> None:
        measured = actuator.quantity.removesuffix("_setpoint")
        tag = self.site.tag(actuator.equipment, measured)
        if tag is None or within_s <= 0.0:
            result.note("effect", None, f"{measured} of {actuator.equipment} is not measured")
            return
        device = self.site.points[tag].device
        first = await self._mean(device, tag)
        began_s = now_s = await self._now_s()
        last = first
        while first is not None and now_s - began_s < within_s:
            share = 0.1 + 0.4 * (now_s - began_s) / within_s
            self.tell(f"{actuator.id}: watching {tag}", share)
            last = await self._mean(device, tag)
            now_s = await self._now_s()
            if last is not None and (last - first) * step >= EFFECT_SHARE * step * step:
                result.effect_after_s = now_s - began_s
                told = f"{tag} went from {first:.4g} to {last:.4g} in {now_s - began_s:.0f} s"
                result.note("effect", True, told)
                return
        if first is None or last is None:
            result.note("effect", None, f"{tag} cannot be read: see the live check")
            return
        result.note(
            "effect", None,
            f"{tag} went from {first:.4g} to {last:.4g} in {within_s:g} s: no clear effect "
            f"of a step of {step:+.3g}",
        )  # fmt: skip

    async def _time_out(self, actuator: Actuator, target: float, result: Result) -> None:
        device = self.site.devices[actuator.device]
        active = next(p.tag for p in self.site.device_points(device.id) if p.role is Role.AUTHORITY)
        longest_s = 3.0 * device.watchdog_s + 10.0
        self.tell(f"{device.id}: no heartbeat; it should take over in {device.watchdog_s:g} s", 0.5)
        await self.gateway.call(
            "fall_silent", device=device.id, longest_s=longest_s,
            who=self.person.who, why=f"time-out of {device.id} is measured: {self.person.why}",
        )  # fmt: skip
        began_s = await self._now_s()
        tags = [active, actuator.read_back]
        same_device = self.site.points[actuator.read_back].device == device.id
        series: list[tuple[float, float]] = []
        lapsed_s: float | None = None
        while (now_s := await self._now_s()) - began_s < longest_s + BACK_WITHIN_S:
            values = await self._values(device.id, tags if same_device else [active])
            if same_device and values.get(actuator.read_back) is not None:
                series.append((now_s, values[actuator.read_back] or 0.0))
            if lapsed_s is None and values.get(active) == 0.0:
                lapsed_s = now_s
            if lapsed_s is None and now_s - began_s > longest_s:
                break
            if lapsed_s is not None and now_s - lapsed_s >= REST_S and _rests(series, actuator):
                left = not series or abs(series[-1][1] - target) > 2.0 * _tolerance(actuator)
                if left or now_s - lapsed_s >= BACK_WITHIN_S:
                    break
            await self.sleep(POLL_S)
        if lapsed_s is None:
            result.note("time-out", False, f"it did not come within {longest_s:g} s")
            return
        result.time_out_s = lapsed_s - began_s
        # The heart may have beaten up to an interval before it fell silent.
        late = result.time_out_s > device.watchdog_s + device.heartbeat_s + 1.0
        result.note(
            "time-out", not late,
            f"in local control {result.time_out_s:.1f} s after the last command to beat; the site "
            f"says {device.watchdog_s:g} s after the last beat",
        )  # fmt: skip
        self._way_back(series, target, actuator, result)

    def _way_back(
        self,
        series: Sequence[tuple[float, float]],
        target: float,
        actuator: Actuator,
        result: Result,
    ) -> None:
        named = self.site.devices[actuator.device].release.value
        last = series[-1][1] if series else target
        if abs(last - target) <= 2.0 * _tolerance(actuator):
            result.note("way back", None, "it did not leave the stepped value: nothing to see")
            return
        travel = abs(last - target)
        pairs = list(pairwise(series))
        # A jump is done between two looks; a ramp is seen on its way.
        at_once = max(abs(after[1] - before[1]) for before, after in pairs) > 0.5 * travel
        result.hand_back = "jump" if at_once else "ramp"
        if result.hand_back == "ramp":
            near = 0.2 * _tolerance(actuator)
            began_s = max((t for t, v in series if abs(v - target) <= near), default=series[0][0])
            ended_s = min(t for t, v in series if abs(v - last) <= near and t > began_s)
            result.hand_back_per_min = 60.0 * travel / (ended_s - began_s)
            told = f"it ramps, {result.hand_back_per_min:.2g} {actuator.unit} a minute"
        else:
            told = f"it jumps, {abs(last - target):.3g} {actuator.unit} at once"
        # A ramp where a jump was expected is the milder of the two.
        milder = named == "jump" and result.hand_back == "ramp"
        result.note(
            "way back", result.hand_back == named or milder, f"{told}; the site says {named}"
        )

    async def _look_after(self, actuator: Actuator, result: Result) -> None:
        """See that the device is in its own control again, at a value of its own."""
        if result.before is None:
            return
        active = self._active(actuator.device)
        series: list[tuple[float, float]] = []
        local: float | None = None
        began_s = now_s = await self._now_s()
        while now_s - began_s < BACK_WITHIN_S:
            local = await self._value(actuator.device, active)
            result.after = await self._value(actuator.device, actuator.read_back)
            now_s = await self._now_s()
            if result.after is not None:
                series.append((now_s, result.after))
                as_before = abs(result.after - result.before) <= _tolerance(actuator)
                if local == 0.0 and (as_before or _rests(series, actuator)):
                    break
            self.tell(f"{actuator.id}: on its way back to {result.before:g}", 0.9)
            await self.sleep(5.0 * POLL_S)
        result.note(
            "restored",
            local == 0.0,
            f"{'in its own control' if local == 0.0 else 'NOT in its own control'}, in force "
            f"{_shown(result.after)}; before the check {result.before:g}",
        )

    async def _give_back(self, actuator: Actuator) -> None:
        ids = [a.id for a in self.site.device_actuators(actuator.device)]
        why = f"the check of {actuator.id} has ended"
        with contextlib.suppress(GatewayError):  # gone: then it gave everything back itself
            for override in (await self.gateway.call("status"))["overrides"]:
                if override["actuator"] == actuator.id and override["id"].startswith(_PREFIX):
                    await self.gateway.call(
                        "end_override", override_id=override["id"], who=self.person.who, why=why
                    )
            await self.gateway.call("release", actuators=ids, who=self.person.who, why=why)

    # -- asking --------------------------------------------------------------------------------

    async def _command(self, actuator: Actuator, value: float) -> Receipt:
        """Hold the actuator at ``value`` as a person, in the place of what was held before."""
        for held in (await self.gateway.call("status"))["overrides"]:
            if held["actuator"] == actuator.id and held["id"].startswith(_PREFIX):
                await self.gateway.call(
                    "end_override", override_id=held["id"], who=self.person.who, why="next step"
                )
        now_s = await self._now_s()
        override = Override(
            f"{_PREFIX}{uuid.uuid4().hex[:12]}", actuator.id, value, self.person.who,
            f"commissioning: {self.person.why}", now_s, now_s + OVERRIDE_S,
        )  # fmt: skip
        await self.gateway.call("override", override=to_wire(override))
        command = Command(
            f"{override.id}.1", actuator.id, value, Origin.PERSON, override.id, "",
            now_s, now_s + 30.0,
        )  # fmt: skip
        (told,) = await self.gateway.call("command", commands=[to_wire(command)])
        return from_wire(Receipt, told)

    async def _mean(self, device: str, tag: str) -> float | None:
        """Of three readings a second apart, for sensors are noisy; None where one is missing."""
        values = []
        for _ in range(3):
            values.append(await self._value(device, tag))
            await self.sleep(1.0)
        good = [value for value in values if value is not None]
        return sum(good) / len(good) if len(good) == len(values) else None

    def _active(self, device: str) -> str:
        """The tag of the device's word on who holds it."""
        points = self.site.device_points(device)
        return next(point.tag for point in points if point.role is Role.AUTHORITY)

    async def _value(self, device: str, tag: str) -> float | None:
        device = self.site.points[tag].device or device
        return (await self._values(device, [tag])).get(tag)

    async def _values(self, device: str, tags: Sequence[str]) -> Mapping[str, float | None]:
        answer = await self.gateway.call("probe_points", device=device, tags=list(tags))
        return {tag: from_wire(Reading, told).good for tag, told in answer["readings"].items()}

    async def _now_s(self) -> float:
        return float((await self.gateway.call("hello", client="commissioning"))["now_s"])


_PREFIX = "commissioning-"


def _usual_step(actuator: Actuator) -> float:
    if QUANTITIES[actuator.quantity].kind is Kind.TEMPERATURE:
        return STEP_K
    if actuator.quantity == STAGE_REQUEST:
        return 1.0
    return STEP_SHARE * (actuator.maximum - actuator.minimum)


def _tolerance(actuator: Actuator) -> float:
    return actuator.tolerance or 1e-3 * (actuator.maximum - actuator.minimum)


def _rests(series: Sequence[tuple[float, float]], actuator: Actuator) -> bool:
    """Whether the value in force stands still; a device without one has nothing to wait for."""
    if not series:
        return True
    end_s = series[-1][0]
    recent = [value for time_s, value in series if end_s - time_s <= REST_S]
    return end_s - series[0][0] >= REST_S and max(recent) - min(recent) <= 0.5 * _tolerance(
        actuator
    )


def _told(receipt: Receipt) -> str:
    verdict = receipt.verdict
    if verdict.outcome is Outcome.ALLOW:
        if receipt.result is WriteResult.UNCHANGED:
            return receipt.note or "the device holds that value: nothing had to be sent"
        return receipt.note or f"{receipt.result.value} {_shown(receipt.written)}"
    words = f"the envelope's {verdict.check}: {verdict.detail}"
    return f"{words}; {receipt.note}" if receipt.note else words


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"
