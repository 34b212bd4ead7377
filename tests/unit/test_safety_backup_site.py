"""From nameplates to the worst case: each lift and rise of small sites, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.scaled import reference_site
from facility.equipment import Chiller, Rack, RackKind, Tower
from facility.loading import SiteError, parse_site
from facility.site import Site
from facility.worst_case import WorstCase
from safety.backup import Backup, Circuit, Coldplate
from safety.backup_site import backup_of
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts
from tests.safety_kit import AIR, CHILLED, FLOW, TEMPERATURE, actuator, site

USUAL = WorstCase()
LIQUID = {
    name: replace(
        Rack(name, "hall", RackKind.DIRECT_TO_CHIP, 200.0, ("cdu_1",), 75.0, 70.0, 1, 1),
        to_air_share=0.0,
    )
    for name in ("r1", "r2")
}


def small(**changes: Any) -> Site:
    racks = {**site().racks, **LIQUID}
    return site(**({"racks": racks, "worst_case": USUAL} | changes))


def circuit(found: Backup, name: str) -> Circuit:
    return next(each for each in found.circuits if each.name == name)


def lifts(found: Circuit) -> dict[str, float]:
    return {path.actuator: path.lift_k for path in found.paths}


def test_a_units_own_supply_rises_by_the_heat_of_a_valves_answer() -> None:
    # 400 kW in 25 L/s of coolant: 4 K; away for 85 - 30 s of the 60 s that the loop holds.
    unit = circuit(backup_of(small()), "cdu_1")
    assert lifts(unit) == pytest.approx({TEMPERATURE: 4.0 * 0.9 * 55.0 / 60.0})
    assert unit.most == pytest.approx(40.0 / 25.0)


def test_a_case_rises_by_what_its_design_leaves_and_a_tenth() -> None:
    # 70 °C at 40 °C supply: 30 K, of which 4 K are the coolant's.
    (plate,) = circuit(backup_of(small()), "cdu_1").curves
    assert isinstance(plate, Coldplate)
    assert plate.coolant_k == pytest.approx(4.4, abs=0.05)
    assert plate.fixed_k + plate.film_k == pytest.approx(28.6, abs=0.1)
    assert plate.coolant_k + plate.fixed_k + plate.film_k >= 33.0 - 1e-9


def test_a_stated_rise_counts_and_a_rack_may_state_its_flow() -> None:
    stated = replace(USUAL, case_rise_k=20.0, case_tolerance=0.0)
    racks = {**site().racks, **LIQUID, "r1": replace(LIQUID["r1"], design_flow_ls=5.0)}
    first, second = circuit(backup_of(small(racks=racks, worst_case=stated)), "cdu_1").curves
    assert isinstance(first, Coldplate)
    assert isinstance(second, Coldplate)
    assert (first.coolant_k, first.film_k) == pytest.approx((10.0, 5.0), abs=0.05)
    assert (second.coolant_k, second.film_k) == pytest.approx((4.0, 8.0), abs=0.05)


def test_chilled_water_waits_for_the_next_machine_and_its_lock_out() -> None:
    # 100 kW of r3 in 40 L/s; the second machine takes them on in 60 s after 300 and 600 s.
    two = {name: Chiller(name, "cool", 1000.0, 6.0) for name in ("ch_1", "ch_2")}
    hall = circuit(backup_of(small(chillers=two)), "hall")
    range_k = 100.0 / (4.17 * 40.0)
    restart = range_k * 0.9 * (300.0 + 600.0 + 30.0 - 30.0) / 120.0
    assert lifts(hall)[CHILLED] == pytest.approx(restart + 6.0)
    assert hall.rest_c == pytest.approx(20.0 + restart + 6.0)
    three = {**two, "ch_3": Chiller("ch_3", "cool", 1000.0, 6.0)}
    sooner = circuit(backup_of(small(chillers=three)), "hall")
    assert lifts(sooner)[CHILLED] == pytest.approx(range_k * 0.9 * 300.0 / 120.0 + 6.0)


def test_the_loss_of_one_alone_is_named_not_counted() -> None:
    found = backup_of(small())
    hall = circuit(found, "hall")
    assert lifts(hall)[CHILLED] == pytest.approx(100.0 / (4.17 * 40.0) * 0.9 * 55.0 / 120.0 + 6.0)
    assert hall.rest_c is None
    assert not hall.loses_one
    assert found.unguarded == (
        "hall: one CRAH alone; its loss is borne by no setpoint",
        "cool: one chiller alone; its loss is borne by no setpoint",
    )


def test_kinds_that_the_model_does_not_know_are_named() -> None:
    tank = replace(LIQUID["r2"], kind=RackKind.IMMERSION)
    found = backup_of(small(racks={**site().racks, "r1": LIQUID["r1"], "r2": tank}))
    assert "r2: the worst case knows no immersion" in found.unguarded


@pytest.mark.parametrize(
    ("cells", "share"), [((500.0,), 1.0), ((500.0, 500.0), 1.0), ((200.0, 250.0), 2.5)]
)
def test_the_wet_bulb_reaches_the_racks_through_the_cells_that_are_left(
    cells: tuple[float, ...], share: float
) -> None:
    towers = {f"t{i}": Tower(f"t{i}", kw, 10.0) for i, kw in enumerate(cells)}
    found = circuit(backup_of(small(towers=towers)), "cdu_1").weather
    assert found == pytest.approx((0.75, 3.9 * share + 0.25 * 25.6 + 2.5 + 5.0))


def test_units_on_a_chilled_loop_hang_on_no_tower() -> None:
    loops = {name: replace(each, trim="") for name, each in site().loops.items()}
    cdus = {name: replace(each, loop="cool") for name, each in site().cdus.items()}
    towers = {"t1": Tower("t1", 900.0, 10.0)}
    found = circuit(backup_of(small(loops=loops, cdus=cdus, towers=towers)), "cdu_1")
    assert found.weather is None
    assert CHILLED in lifts(found)


def test_what_the_site_does_not_let_us_set_is_no_path() -> None:
    only = {name: each for name, each in site().actuators.items() if name == AIR}
    found = backup_of(replace(small(), actuators=only))
    unit = circuit(found, "cdu_1")
    assert (unit.paths, unit.flows, unit.given) == ((), (), 1.0)
    assert set(found.levers) == {AIR}


def test_a_loop_that_the_site_does_not_describe_brings_nothing() -> None:
    found = backup_of(replace(small(), loops={}))
    assert lifts(circuit(found, "hall")).keys() == {AIR}


def test_a_flow_on_another_device_may_be_handed_back_apart() -> None:
    other = {**small().actuators, FLOW: actuator(FLOW, "crah_1")}
    drifts = {
        path.actuator: path.drift_k
        for path in circuit(backup_of(replace(small(), actuators=other)), "cdu_1").paths
    }
    assert drifts == {TEMPERATURE: None}
    same = circuit(backup_of(small()), "cdu_1").paths[0].drift_k
    assert same == pytest.approx(0.5)


def test_a_site_states_its_own_figures_and_slips_are_told() -> None:
    files = texts(DESIGNS["campus"](), 20000)
    own = files["site.toml"] + "\n[worst_case]\ntcs_holdup_s = 120.0\ncase_rise_k = 30.0\n"
    found = parse_site(own, files["points.csv"]).worst_case
    assert found == replace(USUAL, tcs_holdup_s=120.0, case_rise_k=30.0)
    assert reference_site("campus").worst_case == USUAL
    slip = files["site.toml"] + "\n[worst_case]\nidle_share = 40.0\nanser_s = 3\n"
    with pytest.raises(SiteError, match="idle_share") as told:
        parse_site(slip, files["points.csv"])
    assert "anser_s" in str(told.value)
