"""A storage tank in the power model: its charge is load of the loop that it hangs on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from facility.site import Site
from models.contract import Inputs
from models.dataset import DatasetError, History
from models.fit_power import plant_meters
from models.layout import layout_of
from models.power import SIGNS, new_plant
from models.power_features import FEATURES, PowerLayout
from models.storage import charge_heat, full_kw
from tests.planning_plant import reference_site

CHARGE = "tank1.charge_setpoint"


@pytest.fixture(scope="module")
def site() -> Site:
    return reference_site("campus-storage")


def inputs_of(site: Site, charge_pct: float) -> Inputs:
    groups = list(site.groups)
    setpoints = np.full((1, len(groups)), 20.0)
    if CHARGE in groups:
        setpoints[:, groups.index(CHARGE)] = charge_pct
    it_power = np.array([[0.5 * rack.rated_kw for rack in site.racks.values()]])
    return Inputs(0.0, 60.0, setpoints, it_power, np.array([15.0]), np.array([20.0]))


def test_a_charge_counts_as_air_side_load_where_crahs_hang_on_its_loop(site: Site) -> None:
    power = PowerLayout.of(site, layout_of(site))
    none, load = power.features(inputs_of(site, 0.0))
    full, charged = power.features(inputs_of(site, 100.0))
    air_kw = sum(rack.rated_kw * rack.to_air_share for rack in site.racks.values())
    kw = full_kw(site, site.storage_tanks["tank1"])
    np.testing.assert_allclose(charged - load, [[0.0, kw / air_kw]])
    np.testing.assert_array_equal(none, full)


def test_on_a_loop_without_units_a_charge_counts_where_it_trims(site: Site) -> None:
    """As on a site of liquid cooling alone, whose chilled loop trims the warm one."""
    trims = replace(site, crahs={})
    liquid, air = charge_heat(trims, layout_of(site))
    assert liquid.max() == pytest.approx(full_kw(site, site.storage_tanks["tank1"]) / 100.0)
    assert not air.any()


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_a_site_without_a_tank_has_the_load_of_its_racks_alone(name: str) -> None:
    plain = reference_site(name)
    power = PowerLayout.of(plain, layout_of(plain))
    inputs = inputs_of(plain, 0.0)
    assert not power.charge.any()
    expected = np.stack([inputs.it_power_kw @ power.liquid, inputs.it_power_kw @ power.air], axis=1)
    np.testing.assert_array_equal(power.features(inputs)[1], expected)


def test_the_other_setpoints_of_a_tangent_leave_the_charge_as_it_is(site: Site) -> None:
    power = PowerLayout.of(site, layout_of(site))
    inputs = inputs_of(site, 60.0)
    moved = inputs.setpoints + 5.0
    np.testing.assert_array_equal(power.features(inputs, moved)[1], power.features(inputs)[1])


def table(site: Site, charge_rate: float | None) -> pd.DataFrame:
    """Half an hour of a hall in which the tank was asked for 80 %."""
    index = pd.date_range("2024-05-01", periods=30, freq="60s", tz="UTC")
    values: dict[str, float] = {}
    for point in site.points.values():
        usual = {"it_power": 10.0, "charge_level": 50.0}.get(point.quantity)
        if point.tag in {a.read_back for a in site.actuators.values()} or usual is not None:
            values[point.tag] = 20.0 if usual is None else usual
        elif point.quantity.endswith("temperature"):
            values[point.tag] = 20.0
    values["tank1.charge_setpoint_in_force"] = 80.0
    if charge_rate is not None:
        values["tank1.charge_rate"] = charge_rate
    return pd.DataFrame({tag: np.full(30, value) for tag, value in values.items()}, index=index)


@pytest.mark.parametrize(("measured", "learned"), [(-35.0, -35.0), (None, 80.0)])
def test_what_a_tank_did_is_learned_from_and_not_what_it_was_asked(
    site: Site, measured: float | None, learned: float
) -> None:
    history = History.of(site, table(site, measured))
    column = list(site.groups).index(CHARGE)
    assert history.setpoints[:, column] == pytest.approx(learned)


@pytest.mark.parametrize(("asked", "known"), [(80.0, 80.0), (np.nan, 0.0)])
def test_without_its_rate_a_tank_does_what_it_is_asked_and_else_stands_still(
    site: Site, asked: float, known: float
) -> None:
    column = list(site.groups).index(CHARGE)
    silent = table(site, np.nan)
    silent["tank1.charge_setpoint_in_force"] = asked
    history = History.of(site, silent)
    assert history.usable.all()
    assert history.setpoints[:, column] == pytest.approx(known)
    late = silent.copy()
    late.loc[late.index[1:20], "tank1.charge_rate"] = -35.0
    seen = History.of(site, late).setpoints[:, column]
    assert seen == pytest.approx([known] + [-35.0] * 29)  # the last one is carried on


def test_a_charge_beyond_full_flow_is_a_wrong_unit(site: Site) -> None:
    with pytest.raises(DatasetError, match="charge_rate"):
        History.of(site, table(site, -400.0))


def test_a_tanks_pumps_are_among_the_facility_waters(site: Site) -> None:
    assert "tank1.pump_power" in plant_meters(site)["fws_pumps"]


def test_with_a_tank_power_rises_with_the_load_and_ever_more_steeply(site: Site) -> None:
    """Whatever was learned: the slope that a tank is charged by has the sign of physics."""
    power, features = PowerLayout.of(site, layout_of(site)), torch.zeros(41, len(FEATURES)).double()
    air = torch.linspace(-0.5, 1.5, 41, dtype=torch.float64)
    load = torch.stack([torch.full_like(air, 0.6), air], dim=1)
    for seed, name in enumerate(SIGNS):
        net = new_plant(name, power, seed)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape, dtype=torch.float64))
            slope = torch.diff(net(features, load))
        assert (slope > 0.0).all()
        assert (torch.diff(slope) > -1e-9).all()


def test_a_site_without_a_tank_learns_as_it_always_did() -> None:
    plain = reference_site("campus")
    net = new_plant("chillers", PowerLayout.of(plain, layout_of(plain)), 1)
    inside, outside = net.load_weights()
    assert inside is net.outdoor
    assert outside is net.outward_load
