"""Proposals: what a person is asked, how long it stands, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.planning import proposal as proposals
from controller.planning.limits import away_from, free_from, group_limits, recent
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import Plan
from facility.commands import Mode, Override, Proposal
from facility.points import DataType
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

SETTINGS = PlanningSettings()
SITE = reference_site("campus")
USUAL = usual_setpoints(SITE)
RACKS = np.array([40.0 if r.limit_c > 50 else 23.0 for r in SITE.racks.values()])


@pytest.fixture(scope="module")
def plan() -> Plan:
    plant = AnalyticPlant(SITE)
    made = PlanMaker(SITE, plant, SETTINGS).make(request_for(plant)).plan
    assert made is not None
    return made


def in_force() -> dict[str, float]:
    return dict(zip(SITE.groups, map(float, USUAL), strict=True))


def shot(mode: Mode = Mode.ADVISORY, **changes: float) -> Snapshot:
    return snapshot_for(SITE, USUAL, RACKS, mode=mode, **changes)


def proposed(plan: Plan, snapshot: Snapshot, number: int = 7) -> Proposal:
    found = proposals.propose(plan, SITE, snapshot, in_force(), SETTINGS, number)
    assert found is not None
    return found


def test_only_moves_beyond_the_dead_band_are_proposed(plan: Plan) -> None:
    made = proposed(plan, shot(Mode.AUTOMATIC))
    for move in made.moves:
        assert abs(move.proposed - move.now) >= 0.99 * SITE.actuators[move.actuator].dead_band
    still = replace(plan, setpoints=tuple(tuple(USUAL) for _ in plan.setpoints))
    assert proposals.propose(still, SITE, shot(), in_force(), SETTINGS, 1) is None


def test_automatic_takes_this_step_and_a_person_the_direction(plan: Plan) -> None:
    automatic = {m.actuator: m.proposed for m in proposed(plan, shot(Mode.AUTOMATIC)).moves}
    advisory = {m.actuator: m.proposed for m in proposed(plan, shot(Mode.ADVISORY)).moves}
    at_once = plan.at(NOON_S)
    later = plan.at(NOON_S + SETTINGS.advisory_stand_s)
    groups = {a.id: a.group for a in SITE.actuators.values()}
    for made, told in ((automatic, at_once), (advisory, later)):
        for name, value in made.items():
            point, planned = SITE.points[name], told[groups[name]]
            grain = 0.0
            if point.data_type is DataType.INT16:
                # To the grain of its register, on the side that cools more.
                grain, raw = point.scale, point.to_raw(value)
                assert raw == pytest.approx(round(raw), abs=1e-6)
            more = SITE.actuators[name].cooling.sign * (value - planned)
            assert -1e-4 <= more <= grain + 1e-4


def test_the_end_of_a_limit_is_proposed_as_its_register_can_carry_it(plan: Plan) -> None:
    """The envelope bears 35.5829 at most; a register of hundredths cannot say that."""
    cdu = SITE.actuators["cdu1.tcs_supply_temperature_setpoint"]
    fan = SITE.actuators["crah1.fan_speed_setpoint"]
    assert proposals.as_carried(SITE, cdu, 35.5829) == 35.58
    assert proposals.as_carried(SITE, cdu, 35.58) == 35.58
    point = replace(SITE.points[fan.id], data_type=DataType.UINT16, scale=0.05)
    tenths = replace(SITE, points={**SITE.points, fan.id: point})
    assert proposals.as_carried(tenths, fan, 47.1234) == 47.15
    line = {**dict(zip(plan.groups, plan.setpoints[0], strict=True)), cdu.group: 35.5829}
    edge = replace(plan, setpoints=(tuple(line.values()),) * len(plan.setpoints))
    made = {m.actuator: m.proposed for m in proposed(edge, shot(Mode.AUTOMATIC)).moves}
    assert made[cdu.id] == 35.58


def test_identity_hash_expiry_and_reasons(plan: Plan) -> None:
    made = proposed(plan, shot())
    assert made.id == f"p000007-{int(NOON_S)}"
    assert made.plan_hash == plan.hash
    assert made.expires_at_s - made.created_at_s >= SETTINGS.advisory_stand_s
    assert made.saving_per_day == pytest.approx(24.0 * plan.saving_per_h)
    text = " ".join(made.reasons)
    assert "Saves" in text
    assert "kW on average" in text
    assert "Warmest rack" in text
    assert made == proposed(plan, shot())


def test_another_plan_has_another_hash(plan: Plan) -> None:
    setpoints = ((plan.setpoints[0][0] + 1e-6, *plan.setpoints[0][1:]), *plan.setpoints[1:])
    assert replace(plan, setpoints=setpoints).hash != plan.hash
    assert replace(plan).hash == plan.hash


def test_what_is_not_verified_is_never_proposed_but_for_the_rule(plan: Plan) -> None:
    bad = replace(plan, verified=False)
    assert proposals.propose(bad, SITE, shot(), in_force(), SETTINGS, 1) is None
    rule = replace(bad, link="ramp")
    assert proposals.propose(rule, SITE, shot(), in_force(), SETTINGS, 1) is not None


def with_devices(snapshot: Snapshot, *armed: str) -> Snapshot:
    """``snapshot`` with every device connected, and ``armed`` held by us."""
    devices = {
        name: DeviceStatus(name, True, authority, name in armed, snapshot.time_s, None)
        for name in SITE.devices
        for authority in (Authority.REMOTE if name in armed else Authority.LOCAL,)
    }
    return replace(snapshot, devices=devices)


def still(plan: Plan) -> Plan:
    """A plan that leaves every setpoint as it is."""
    return replace(plan, setpoints=tuple(tuple(USUAL) for _ in plan.setpoints))


def test_automatic_takes_over_what_the_plan_leaves_alone_at_the_value_in_force(plan: Plan) -> None:
    made = proposed(still(plan), with_devices(shot(Mode.AUTOMATIC)))
    assert made.moves == ()
    assert {hold.actuator for hold in made.holds} == set(SITE.actuators)
    for hold in made.holds:
        actuator = SITE.actuators[hold.actuator]
        assert hold.now == in_force()[actuator.group]
        assert abs(hold.proposed - hold.now) <= actuator.tolerance
    assert "Takes over at the values in force: cdu1, " in " ".join(made.reasons)
    moving = proposed(plan, with_devices(shot(Mode.AUTOMATIC)))
    moved, held = ({m.actuator for m in each} for each in (moving.moves, moving.holds))
    assert moved | held == set(SITE.actuators)
    assert not moved & held


def test_what_is_taken_over_does_not_hang_on_the_order_of_a_snapshot(plan: Plan) -> None:
    """A snapshot read back from a record has its devices by name; its decision is the same."""
    live = with_devices(shot(Mode.AUTOMATIC))
    read = replace(live, devices=dict(sorted(live.devices.items())))
    assert list(read.devices) != list(live.devices)
    assert proposed(still(plan), read) == proposed(still(plan), live)


def test_nothing_is_taken_over_twice_or_where_a_person_decides(plan: Plan) -> None:
    everything = with_devices(shot(Mode.AUTOMATIC), *SITE.devices)
    assert proposals.propose(still(plan), SITE, everything, in_force(), SETTINGS, 1) is None
    for mode in (Mode.ADVISORY, Mode.SHADOW, Mode.OFF):
        asked = with_devices(shot(mode))
        assert proposals.propose(still(plan), SITE, asked, in_force(), SETTINGS, 1) is None


def test_a_device_with_a_setpoint_that_may_not_be_written_is_left_alone(plan: Plan) -> None:
    snapshot = with_devices(shot(Mode.AUTOMATIC))
    modes = {**snapshot.modes, "cdu1.tcs_flow_setpoint": Mode.SHADOW}
    made = proposed(still(plan), replace(snapshot, modes=modes))
    assert {a for a in SITE.actuators if a.startswith("cdu1.")} == set(SITE.actuators) - {
        hold.actuator for hold in made.holds
    }
    lost = SITE.actuators["cdu2.tcs_flow_setpoint"].read_back
    unread = {**snapshot.readings, lost: Reading(None, Quality.BAD, NOON_S)}
    made = proposed(still(plan), replace(snapshot, readings=unread))
    assert "cdu2.tcs_flow_setpoint" not in {hold.actuator for hold in made.holds}


def test_dwell_and_budget_say_when_a_point_is_free() -> None:
    actuator = next(iter(SITE.actuators.values()))
    assert free_from(actuator, (), SETTINGS) == 0.0
    assert free_from(actuator, (1000.0,), SETTINGS) == 1000.0 + actuator.dwell_s
    assert away_from((1000.0,), SETTINGS) == 1900.0
    assert away_from((), SETTINGS) == 0.0
    hour = tuple(1000.0 + 600.0 * i for i in range(6))
    assert free_from(actuator, hour, SETTINGS) >= 1000.0 + 3600.0
    kept = recent({"a": (0.0, 3000.0), "b": (10.0,)}, {"c"}, 3700.0)
    assert kept == {"a": (3000.0,), "c": (3700.0,)}


def test_a_chiller_near_its_least_lift_bounds_its_water_and_the_towers() -> None:
    def limits(condenser_c: float, running: float) -> dict[str, tuple[str, str]]:
        seen = {
            "tower_water.cw_return_temperature": condenser_c,
            "chiller1.chw_supply_temperature": 15.0,
            "chiller1.running": running,
        }
        snapshot = shot()
        readings = {tag: Reading(value, Quality.GOOD, NOON_S) for tag, value in seen.items()}
        snapshot = replace(snapshot, readings={**snapshot.readings, **readings})
        found = group_limits(SITE, snapshot, in_force(), (), {}, SETTINGS)
        return {limit.group: (limit.lower_name, limit.upper_name) for limit in found}

    tower = SITE.actuators["tower_water.cw_supply_temperature_setpoint"].group
    chilled = SITE.actuators["chiller1.chw_supply_temperature_setpoint"].group
    least_k = SITE.chillers["chiller1"].min_lift_k
    assert least_k is not None
    near, far = 15.0 + least_k + 0.4, 15.0 + least_k + 2.0
    assert limits(near, 1.0)[tower][0] == limits(near, 1.0)[chilled][1] == "least lift"
    for condenser_c, running in ((far, 1.0), (near, 0.0)):
        known = limits(condenser_c, running)
        assert "least lift" not in (known[tower][0], known[chilled][1])


def test_limits_name_what_sets_them_and_follow_the_dew_point() -> None:
    def limit(name: str, snapshot: Snapshot, overrides: tuple[Override, ...] = ()):  # type: ignore[no-untyped-def]
        found = group_limits(SITE, snapshot, in_force(), overrides, {}, SETTINGS)
        return found[list(SITE.groups).index(name)]

    supply, flow = "cdu1.tcs_supply_temperature_setpoint", "cdu1.tcs_flow_setpoint"
    assert limit(supply, shot()).lower_name == "range"
    humid = limit(supply, shot(dew_point_c=19.0))
    assert (humid.lower, humid.lower_name) == (22.5, "dew point")
    assert limit(flow, shot()).lower == SITE.cdus["cdu1"].min_tcs_flow_ls
    jumps = limit("cdu4.tcs_supply_temperature_setpoint", shot())
    assert (jumps.lower_name, jumps.upper_name) == ("hand-back jump", "hand-back jump")
    assert (jumps.lower, jumps.upper) == (24.5, 30.0)  # about 25 °C, as commissioned
    own = {"cdu4.tcs_supply_temperature_setpoint": Reading(34.0, Quality.GOOD, NOON_S - 60.0)}
    status = DeviceStatus("cdu4", True, Authority.REMOTE, True, NOON_S, None, own=own)
    warm = replace(shot(), devices={"cdu4": status})
    jumps = limit("cdu4.tcs_supply_temperature_setpoint", warm)
    assert (jumps.lower, jumps.upper) == (33.5, 39.0)

    # Without a dew point nothing may get colder than it is.
    snapshot = shot()
    tags = SITE.tags("dew_point_temperature")
    blind = dict.fromkeys(tags, Reading(None, Quality.ABSENT, NOON_S))
    blind_shot = replace(snapshot, readings={**snapshot.readings, **blind})
    unknown = limit(supply, blind_shot)
    assert (unknown.lower, unknown.lower_name) == (25.0, "dew point unknown")

    held = Override("o1", supply, 28.0, "engineer", "test", NOON_S, NOON_S + 3600.0)
    mine = limit(supply, shot(), (held,))
    assert (mine.fixed_at, mine.fixed_until_s, mine.fixed_by) == (28.0, NOON_S + 3600.0, "engineer")
