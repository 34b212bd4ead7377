"""A site file names a storage tank: what it is, how it is set, and every mistake told."""

from __future__ import annotations

import pytest

from facility.devices import Cooling
from facility.loading import SiteError, parse_site
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts


@pytest.fixture(scope="module")
def files() -> tuple[str, str]:
    made = texts(DESIGNS["campus-storage"](), 15_000)
    return made["site.toml"], made["points.csv"]


def problems(site_toml: str, points: str) -> list[str]:
    with pytest.raises(SiteError) as error:
        parse_site(site_toml, points)
    return [str(problem) for problem in error.value.problems]


def test_a_tank_and_its_setpoint_are_read(files: tuple[str, str]) -> None:
    site = parse_site(*files)
    tank = site.storage_tanks["tank1"]
    assert (tank.loop, tank.volume_m3, tank.reserve_pct) == ("cool", 250.0, 25.0)
    charge = site.actuators["tank1.charge_setpoint"]
    assert (charge.minimum, charge.maximum, charge.fallback) == (-100.0, 100.0, 0.0)
    assert charge.cooling is Cooling.LOWER
    assert charge.is_more_cooling(-20.0, than=0.0)
    assert charge.read_back == "tank1.charge_setpoint_in_force"
    assert site.tag("tank1", "charge_level") == "tank1.charge_level"
    assert site.devices[charge.device].id == "tank1"


def test_a_charge_stands_still_in_the_plants_own_control_unless_the_site_says_else(
    files: tuple[str, str],
) -> None:
    site_toml, points = files
    bare = site_toml.replace("fallback = 0.0\nrate_away_per_min = 10.0\n", "")
    assert bare != site_toml
    assert parse_site(bare, points).actuators["tank1.charge_setpoint"].fallback == 0.0


def test_sites_without_a_tank_have_none(files: tuple[str, str]) -> None:
    for name in ("campus", "frontier"):
        made = texts(DESIGNS[name](), 15_000)
        site = parse_site(made["site.toml"], made["points.csv"])
        assert site.storage_tanks == {}
        assert not any("charge" in tag for tag in site.points)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('loop = "cool"\nvolume', 'loop = "cold"\nvolume', "there is no loop 'cold'"),
        ('loop = "cool"\nvolume', 'loop = "warm"\nvolume', "no chiller is on 'warm'"),
        ("volume_m3 = 250.0", "volume_m3 = 0.0", "volume_m3: 0 is out of range"),
        ("volume_m3 = 250.0\n", "", "volume_m3: it is missing"),
        ("reserve_pct = 25.0", "reserve_pct = 100.0", "reserve_pct: 100 is out of range"),
        ("loss_pct_per_day = 2.0", "loss_per_day = 2.0", "loss_per_day"),
        ('id = "tank1"\nloop', 'id = "cool"\nloop', "'cool' is a loop or a chiller too"),
        (
            "loss_pct_per_day = 2.0\n",
            'loss_pct_per_day = 2.0\n\n[[storage_tanks]]\nid = "tank2"\nloop = "cool"\n'
            "volume_m3 = 10.0\nrated_flow_ls = 1.0\nreserve_pct = 0.0\n",
            "tank1 is on 'cool' already",
        ),
    ],
)
def test_a_mistake_in_a_tank_is_named(
    files: tuple[str, str], old: str, new: str, said: str
) -> None:
    site_toml, points = files
    assert old in site_toml
    found = problems(site_toml.replace(old, new), points)
    assert any(said in problem and "[[storage_tanks]]" in problem for problem in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",tank1,charge_level,", ",tank1,fan_speed,", "has a charge_setpoint but no charge_level"),
        (",tank1,charge_setpoint,", ",cool,charge_setpoint,", "'cool' is no storage tank"),
        (",-100,100,", ",10,100,", "10 to 100 % does not hold 0"),
    ],
)
def test_a_charge_that_cannot_be_guarded_is_refused(
    files: tuple[str, str], old: str, new: str, said: str
) -> None:
    site_toml, points = files
    assert old in points
    found = problems(site_toml, points.replace(old, new))
    assert any(said in problem for problem in found), found
