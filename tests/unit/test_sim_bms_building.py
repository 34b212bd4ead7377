"""The plant's own control used on its own, from Python, without a simulator."""

from __future__ import annotations

import doctest

import pytest

from facility.clock import from_iso
from facility.loading import parse_site
from facility.site import Site
from sim.bms import building
from sim.bms.building import BuildingControl
from sim.parameters import PlantParameters
from sim.plant.plant import unit_ids
from sim.plant.signals import COLUMNS
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.simulation import Simulation
from sim.sites import DESIGNS
from sim.sites.writer import texts


@pytest.fixture(scope="module")
def campus() -> Site:
    files = dict(texts(DESIGNS["campus"](), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


def test_the_example_of_its_documentation_is_true() -> None:
    found = doctest.testmod(building)
    assert found.attempted > 10
    assert found.failed == 0


def test_it_orders_what_the_simulated_plant_s_own_control_orders(campus: Site) -> None:
    parameters = PlantParameters.for_site(campus, 1)
    start_s = from_iso("2024-07-10")
    simulation = Simulation(
        campus, parameters, load=ConstantLoad(campus, 0.7), weather=ConstantWeather(30.0, 24.0),
        local_control="guideline36", start_s=start_s, seed=1,
    )  # fmt: skip
    control, ids = BuildingControl(campus, parameters), unit_ids(campus)
    state = simulation._memory.state
    chosen = {
        "loops": ("trim_valve", "tower_valve", "after_tower_c", "pump_speed", "dp_kpa"),
        "tower_water": ("fan_command", "pump_speed", "dp_kpa"),
        "chillers": ("cut_out", "tripped"),
    }
    orders = None
    for minute in range(150):
        readings = {
            (unit, name): float(getattr(state, table)[column][row])
            for table, columns in COLUMNS.items()
            for name, column in (columns | {c: c for c in chosen.get(table, ())}).items()
            for row, unit in enumerate(ids.get(table, ("outdoor",)))
        }
        orders = control.update(readings, 30.0)
        simulation.advance(start_s + 30.0 * (minute + 1))
        named = dict(zip(simulation._commissioned.keys, simulation._wanted, strict=True))
        assert orders.setpoints == pytest.approx(named), minute
        assert list(orders.chillers.values()) == list(state.chillers["commanded"] > 0.5)
        assert next(iter(orders.pumps.values())) == state.loops["pumps_wanted"][0]
    assert orders is not None
    assert any(orders.chillers.values())


def test_what_it_does_not_know_is_refused_by_name(campus: Site) -> None:
    control = BuildingControl(campus, PlantParameters.for_site(campus, 1), "fixed")
    with pytest.raises(KeyError, match="no 'cdu9'; it has a101"):
        control.update({("cdu9", "tcs_flow"): 1.0}, 30.0)
    with pytest.raises(KeyError, match="cdu1 has no 'colour'"):
        control.update({("cdu1", "colour"): 1.0}, 30.0)
    with pytest.raises(ValueError, match="no local control 'clever'; there are fixed, guideline36"):
        BuildingControl(campus, PlantParameters.for_site(campus, 1), "clever")
