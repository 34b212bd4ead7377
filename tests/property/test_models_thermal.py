"""What the thermal model promises whatever it has learned: signs, stability, derivatives.

The nets here are not trained but drawn at random, so that nothing holds by luck of a fit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.equipment import RackKind
from models.contract import Inputs
from models.layout import Layout, layout_of
from models.state import OffsetNoise, ThermalState
from models.thermal import ThermalModel, ThermalNet, expand, supply_drive
from tests.halls_site import laboratory
from tests.models_hall import small_inputs, small_site

SITE = small_site()
LAYOUT = layout_of(SITE)
GROUPS = list(SITE.groups)
SUPPLIES = [i for i, g in enumerate(GROUPS) if "supply" in g and ("tcs_" in g or "supply_air" in g)]
PLANT = [i for i, g in enumerate(GROUPS) if "fws_" in g or "chw_" in g or "cw_" in g]
FLOWS = [i for i, g in enumerate(GROUPS) if "flow" in g or "fan_speed" in g]
seeds = st.integers(0, 10_000)


def random_model(seed: int, spread: float = 0.5, layout: Layout = LAYOUT) -> ThermalModel:
    net = ThermalNet(layout, seed)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            moved = torch.randn(parameter.shape, generator=draw, dtype=parameter.dtype)
            parameter.add_(spread * moved)
    noise = OffsetNoise(1e-6, 0.02)
    return ThermalModel(layout, net, noise, noise)


def start(model: ThermalModel, inputs: Inputs) -> ThermalState:
    return model.settled(replace_steps(inputs, 1))


def replace_steps(inputs: Inputs, steps: int) -> Inputs:
    return Inputs(
        inputs.start_s,
        inputs.step_s,
        inputs.setpoints[:steps],
        inputs.it_power_kw[:steps],
        inputs.wet_bulb_c[:steps],
        inputs.dry_bulb_c[:steps],
    )


@settings(max_examples=25)
@given(seeds, st.sampled_from([SUPPLIES, PLANT, SUPPLIES + PLANT]))
def test_warmer_supply_never_predicts_a_colder_rack(seed: int, which: list[int]) -> None:
    model, inputs = random_model(seed), small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    warmer = inputs.setpoints.copy()
    warmer[3:, which] += 1.0
    before = model.roll_out(state, inputs).limited_c
    after = model.roll_out(state, replace(inputs, setpoints=warmer)).limited_c
    assert (after - before).min() >= -1e-9


@settings(max_examples=25)
@given(seeds)
def test_more_power_never_predicts_a_colder_rack(seed: int) -> None:
    model, inputs = random_model(seed), small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    before = model.roll_out(state, inputs).limited_c
    hotter = replace(inputs, it_power_kw=inputs.it_power_kw * 1.1)
    assert (model.roll_out(state, hotter).limited_c - before).min() >= -1e-9


@settings(max_examples=25)
@given(seeds)
def test_a_common_rise_of_flow_never_predicts_a_hotter_rack_while_valves_have_room(
    seed: int,
) -> None:
    model = random_model(seed)
    with torch.no_grad():
        model.net.supplies.base["bias"].sub_(60.0)  # floors far below every setpoint
    inputs = small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    more = inputs.setpoints.copy()
    more[:, FLOWS] *= 1.1
    before = model.roll_out(state, inputs)
    after = model.roll_out(state, replace(inputs, setpoints=more))
    for unit, supply in before.supply_c.items():
        np.testing.assert_allclose(after.supply_c[unit], supply, atol=1e-9, err_msg=unit)
    assert (after.limited_c - before.limited_c).max() <= 1e-9


@settings(max_examples=8)
@given(seeds)
def test_held_inputs_settle(seed: int) -> None:
    model = random_model(seed)
    inputs = small_inputs(1, 300.0, seed)
    held = Inputs(
        inputs.start_s,
        300.0,
        np.repeat(inputs.setpoints, 288, axis=0),
        np.repeat(inputs.it_power_kw, 288, axis=0),
        np.repeat(inputs.wet_bulb_c, 288),
        np.repeat(inputs.dry_bulb_c, 288),
    )
    elsewhere = start(model, small_inputs(1, 300.0, seed + 1))
    path = model.roll_out(elsewhere, held).limited_c
    settled = model.roll_out(start(model, inputs), held).limited_c
    np.testing.assert_allclose(path[-1], settled[-1], atol=1e-3)


@settings(max_examples=10)
@given(seeds, st.booleans())
def test_the_compiled_roll_out_is_that_of_the_modules_that_are_fitted(seed: int, lab: bool) -> None:
    layout = LAB_LAYOUT if lab else LAYOUT
    model = random_model(seed, layout=layout)
    inputs = lab_inputs(seed) if lab else small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    drive = supply_drive(layout, inputs)
    with torch.no_grad():
        nodes, offset = torch.as_tensor(state.nodes), torch.as_tensor(state.supply_offsets.value_k)
        supply, _ = model.net.supplies(drive, nodes, offset)
        power = expand(inputs.it_power_kw, round(inputs.step_s / 60.0))
        limited, _ = model.net.racks(supply, drive.flow, power, torch.as_tensor(state.racks))
    found = model.trace(state, inputs, 1, 0)
    # torch takes softplus as a straight line above 20.
    np.testing.assert_allclose(found, limited.numpy(), rtol=1e-9, atol=1e-7)


@settings(max_examples=10)
@given(seeds)
def test_parts_of_a_minute_lead_to_the_same_minutes(seed: int) -> None:
    model, inputs = random_model(seed), small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    minutes, parts = model.trace(state, inputs, 1, 0), model.trace(state, inputs, 6, 15)
    assert len(parts) == len(minutes) + 15 * 5
    np.testing.assert_allclose(parts[5:90:6], minutes[:15], atol=1e-9)
    np.testing.assert_allclose(parts[90:], minutes[15:], atol=1e-9)


@settings(max_examples=10)
@given(seeds)
def test_what_a_sum_of_all_racks_owes_is_the_sum_of_what_each_does(seed: int) -> None:
    model, inputs = random_model(seed), small_inputs(24, 300.0, seed)
    state = start(model, inputs)
    weight = np.random.default_rng(seed).random((24, len(LAYOUT.racks)))
    each, total = model.linearise(state, inputs, None, (4, 8, 12), weight)
    summed = np.zeros_like(total)
    np.add.at(summed.T, each.group, np.einsum("kn,nkb->nb", weight[:, each.rack], each.gain))
    np.testing.assert_allclose(total, summed, rtol=1e-9, atol=1e-9)


@settings(max_examples=6)
@given(seeds, st.sampled_from([60.0, 300.0]))
def test_sensitivities_equal_finite_differences(seed: int, step_s: float) -> None:
    model, inputs = random_model(seed, 0.3), small_inputs(6, step_s, seed)
    state = start(model, inputs)
    found = model.sensitivities(state, inputs)
    dense = np.zeros((len(LAYOUT.racks), len(GROUPS), inputs.steps, inputs.steps))
    dense[found.rack, found.group] = found.gain
    for group in range(len(GROUPS)):
        for step in (0, 2, 5):
            nudged = []
            for nudge in (1e-4, -1e-4):
                setpoints = inputs.setpoints.copy()
                setpoints[step, group] += nudge
                path = model.roll_out(state, replace(inputs, setpoints=setpoints))
                nudged.append(path.limited_c)
            slope = (nudged[0] - nudged[1]) / 2e-4
            np.testing.assert_allclose(
                dense[:, group, :, step].T, slope, atol=2e-6, rtol=1e-4, err_msg=GROUPS[group]
            )


def test_sensitivities_of_some_racks_are_those_of_all() -> None:
    model, inputs = random_model(5), small_inputs(8, 300.0, 5)
    state = start(model, inputs)
    everything = model.sensitivities(state, inputs)
    some = model.sensitivities(state, inputs, racks=[1, 7])
    kept = np.isin(everything.rack, [1, 7])
    np.testing.assert_array_equal(some.rack, everything.rack[kept])
    np.testing.assert_allclose(some.gain, everything.gain[kept], rtol=1e-12)


def test_moves_held_over_blocks_add_up_their_steps() -> None:
    model, inputs = random_model(6), small_inputs(8, 300.0, 6)
    state = start(model, inputs)
    single = model.sensitivities(state, inputs)
    held = model.sensitivities(state, inputs, blocks=(1, 3, 4))
    expected = np.stack(
        [single.gain[:, :, part].sum(axis=2) for part in (slice(0, 1), slice(1, 4), slice(4, 8))],
        axis=2,
    )
    np.testing.assert_allclose(held.gain, expected, rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match="do not fill"):
        model.sensitivities(state, inputs, blocks=(1, 3))


@settings(max_examples=10)
@given(seeds)
def test_steps_of_60_and_300_seconds_agree(seed: int) -> None:
    model, coarse = random_model(seed), small_inputs(12, 300.0, seed)
    state = start(model, coarse)
    fine = Inputs(
        coarse.start_s,
        60.0,
        np.repeat(coarse.setpoints, 5, axis=0),
        np.repeat(coarse.it_power_kw, 5, axis=0),
        np.repeat(coarse.wet_bulb_c, 5),
        np.repeat(coarse.dry_bulb_c, 5),
    )
    expected = model.roll_out(state, fine).limited_c[4::5]
    np.testing.assert_allclose(model.roll_out(state, coarse).limited_c, expected, rtol=1e-12)


def test_an_offset_learns_a_bias_and_stays_while_the_sensor_is_bad() -> None:
    model, inputs = random_model(7), small_inputs(1, 300.0, 7)
    state = start(model, inputs)
    biased, blind = 0, 1
    for _ in range(60):
        expected = model.roll_out(state, inputs).limited_c[-1] - state.rack_offsets.value_k
        tags = {t: v for t, v in zip(LAYOUT.limited_tags, expected, strict=True) if t}
        tags[str(LAYOUT.limited_tags[biased])] += 0.7
        measured: dict[str, float | None] = {**tags, str(LAYOUT.limited_tags[blind]): None}
        state = model.update(state, inputs, measured)
    assert state.rack_offsets.value_k[biased] == pytest.approx(0.7, abs=0.02)
    assert state.rack_offsets.value_k[blind] == 0.0
    assert state.rack_offsets.variance_k2[blind] > state.rack_offsets.variance_k2[biased]


def test_a_state_survives_the_record_of_a_tick() -> None:
    model, inputs = random_model(8), small_inputs(3, 300.0, 8)
    state = start(model, inputs)
    again = ThermalState.from_json(state.to_json())
    np.testing.assert_array_equal(
        model.roll_out(again, inputs).limited_c, model.roll_out(state, inputs).limited_c
    )


def test_liquid_racks_answer_to_their_own_cdu_and_the_plant_alone() -> None:
    model, inputs = random_model(9), small_inputs(4, 300.0, 9)
    found = model.sensitivities(start(model, inputs), inputs)
    for index, rack in enumerate(SITE.racks.values()):
        if rack.kind is RackKind.AIR:
            continue
        groups = {GROUPS[g] for g in found.group[found.rack == index]}
        others = {g for g in groups if g.startswith("cdu")}
        assert others == {g for g in GROUPS if g.startswith(rack.units[0] + ".")}


def test_a_step_that_is_no_multiple_of_a_minute_is_refused() -> None:
    model, inputs = random_model(1), small_inputs(4, 90.0)
    with pytest.raises(ValueError, match="multiple of 60 s"):
        model.roll_out(start(model, small_inputs(1, 60.0)), inputs)


LAB = laboratory()
LAB_LAYOUT = layout_of(LAB)
LAB_MEMBERS = [members[0] for members in LAB.groups.values()]


def lab_inputs(seed: int) -> Inputs:
    """Twelve steps anywhere within the laboratory's ranges."""
    draw = np.random.default_rng(seed)
    low, high = (np.array([getattr(a, n) for a in LAB_MEMBERS]) for n in ("minimum", "maximum"))
    wet = draw.uniform(0.0, 22.0, 12)
    rated = LAB_LAYOUT.rated_kw
    return Inputs(
        0.0,
        300.0,
        draw.uniform(low, high, (12, len(low))),
        draw.uniform(0.2, 1.0, (12, len(rated))) * rated,
        wet,
        wet + 4.0,
    )


@settings(max_examples=10)
@given(seeds)
def test_doors_and_tanks_keep_the_same_promises(seed: int) -> None:
    model, inputs = random_model(seed, layout=LAB_LAYOUT), lab_inputs(seed)
    state = start(model, inputs)
    before = model.roll_out(state, inputs).limited_c
    warmer = inputs.setpoints.copy()
    warmer[:, ["supply" in a.quantity for a in LAB_MEMBERS]] += 1.0
    up = model.roll_out(state, replace(inputs, setpoints=warmer)).limited_c
    assert (up - before).min() >= -1e-9
    loaded = replace(inputs, it_power_kw=inputs.it_power_kw * 1.1)
    assert (model.roll_out(state, loaded).limited_c - before).min() >= -1e-9


def test_a_rack_behind_a_door_breathes_the_air_that_its_neighbours_warm() -> None:
    model, inputs = random_model(2, 0.1, LAB_LAYOUT), lab_inputs(2)
    state = start(model, inputs)
    racks = list(LAB.racks.values())
    doors = [i for i, rack in enumerate(racks) if rack.kind is RackKind.REAR_DOOR]
    tanks = [i for i, rack in enumerate(racks) if rack.kind is RackKind.IMMERSION]
    power = inputs.it_power_kw.copy()
    power[:, doors[0]] *= 1.5
    power[:, tanks[0]] *= 1.5
    rise = model.roll_out(state, replace(inputs, it_power_kw=power)).limited_c
    rise -= model.roll_out(state, inputs).limited_c
    assert (rise[-1, doors] > 0.1).all()
    # A tank's oil is its own; only the water that both are cooled by says anything.
    assert rise[-1, tanks[0]] > 10.0 * rise[-1, tanks[1:]].max()


def test_sensitivities_of_doors_and_tanks_equal_finite_differences() -> None:
    model, inputs = random_model(4, 0.3, LAB_LAYOUT), lab_inputs(4)
    state = start(model, inputs)
    found = model.sensitivities(state, inputs)
    wet = [i for i, rack in enumerate(LAB.racks.values()) if rack.kind is not RackKind.AIR]
    for group in range(len(LAB_MEMBERS)):
        nudged = []
        for nudge in (1e-4, -1e-4):
            setpoints = inputs.setpoints.copy()
            setpoints[3, group] += nudge
            nudged.append(model.roll_out(state, replace(inputs, setpoints=setpoints)).limited_c)
        slope = (nudged[0] - nudged[1]) / 2e-4
        told = np.zeros((inputs.steps, len(LAB.racks)))
        own = found.group == group
        told[:, found.rack[own]] = found.gain[own][:, :, 3].T
        np.testing.assert_allclose(told[:, wet], slope[:, wet], atol=2e-6, rtol=1e-4)
