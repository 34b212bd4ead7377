"""A site's files: the reference sites load, and every mistake is named with its mend."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from facility.devices import Cooling
from facility.equipment import RackKind
from facility.go_no_go import GoCriteria
from facility.loading import SiteError, load_site, parse_site
from facility.site import Site
from safety.limits import limits_of
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts


@pytest.fixture(scope="module", params=sorted(DESIGNS))
def files(request: pytest.FixtureRequest) -> tuple[str, str]:
    made = texts(DESIGNS[request.param](), 15000)
    return made["site.toml"], made["points.csv"]


@pytest.fixture(scope="module")
def campus() -> tuple[str, str]:
    made = texts(DESIGNS["campus"](), 15000)
    return made["site.toml"], made["points.csv"]


def problems(site_toml: str, points: str) -> list[str]:
    with pytest.raises(SiteError) as caught:
        parse_site(site_toml, points)
    return [str(problem) for problem in caught.value.problems]


def test_a_reference_site_loads_and_its_parts_find_each_other(files: tuple[str, str]) -> None:
    site = parse_site(*files)
    assert site.actuators
    for actuator in site.actuators.values():
        assert actuator.minimum < actuator.maximum
        assert actuator.read_back in site.points
        assert actuator.rate_away_per_min < actuator.rate_towards_per_min
        assert actuator.minimum <= actuator.fallback <= actuator.maximum
    for rack in site.racks.values():
        assert site.tag(rack.id, rack.limited_temperature)
        assert rack.units
    assert {a.id for group in site.groups.values() for a in group} == set(site.actuators)


def test_the_campus_is_what_its_name_says(campus: tuple[str, str]) -> None:
    site = parse_site(*campus)
    air = [rack for rack in site.racks.values() if rack.kind is RackKind.AIR]
    liquid = [rack for rack in site.racks.values() if rack.kind is RackKind.DIRECT_TO_CHIP]
    assert (len(air), len(liquid), len(site.crahs), len(site.cdus)) == (60, 40, 6, 4)
    assert all(8.0 <= rack.rated_kw <= 22.0 for rack in air)
    assert all(80.0 <= rack.rated_kw <= 132.0 for rack in liquid)
    chillers = site.groups["cool.chw_supply_temperature_setpoint"]
    assert len(chillers) == len(site.chillers) == 3
    supply = site.actuators["cdu1.tcs_supply_temperature_setpoint"]
    assert supply.cooling is Cooling.LOWER
    assert supply.dew_point_margin_k == 3.0
    assert supply.is_more_cooling(20.0, than=21.0)
    flow = site.actuators["cdu1.tcs_flow_setpoint"]
    assert flow.cooling is Cooling.HIGHER
    assert flow.is_more_cooling(30.0, than=20.0)


def test_the_same_texts_give_the_same_hash_and_others_another(campus: tuple[str, str]) -> None:
    site_toml, points = campus
    assert parse_site(*campus).content_hash == parse_site(*campus).content_hash
    changed = site_toml.replace("elevation_m = 119.0", "elevation_m = 120.0")
    assert parse_site(changed, points).content_hash != parse_site(*campus).content_hash


def edit(row_tag: str, column: str, value: str) -> Callable[[str], str]:
    """An edit of one cell of the points list, as in a spreadsheet."""

    def change(points: str) -> str:
        header, *rows = points.splitlines()
        index = header.split(",").index(column)
        out = []
        for row in rows:
            cells = row.split(",")
            if cells[0] == row_tag:
                cells[index] = value
            out.append(",".join(cells))
        return "\n".join([header, *out])

    return change


@pytest.mark.parametrize(
    ("tag", "column", "value", "said"),
    [
        ("cdu1.tcs_flow", "unit", "l/s", "there is no unit 'l/s'. Did you mean 'L/s'?"),
        ("cdu1.tcs_flow", "unit", "kW", "'kW' is no unit of tcs_flow. Use one of L/s, L/min"),
        ("cdu1.tcs_flow", "address", "0", "input register 0 of cdu1 is taken by row"),
        ("cdu1.tcs_flow", "address", "40001x", "'40001x' is not a register number"),
        (
            "cdu1.tcs_flow",
            "data_type",
            "flot32",
            "there is no 'flot32' here. Did you mean 'float32'",
        ),
        ("cdu1.tcs_flow", "device", "cdu9", "there is no device 'cdu9'"),
        ("cdu1.tcs_flow", "equipment", "cdu9", "there is no equipment 'cdu9'"),
        ("cdu1.tcs_flow", "quantity", "flow", "there is no quantity 'flow'"),
        ("cdu1.tcs_flow", "scale", "0", "0 would make every value the same"),
        ("cdu1.tcs_flow", "scale", "ten", "'ten' is not a number"),
        ("cdu1.tcs_flow", "tag", "cdu1.leak", "it is in row"),
        ("cdu1.tcs_flow_setpoint", "minimum", "", "a setpoint has no limit"),
        ("cdu1.tcs_flow_setpoint", "minimum", "99", "99 is not below the maximum"),
        ("cdu1.tcs_flow_setpoint", "access", "r", "a setpoint must be written"),
        ("cdu1.tcs_flow_setpoint", "function_code", "6", "float32 takes more"),
        ("cdu1.tcs_flow_setpoint", "read_back", "cdu1.flow", "there is no tag 'cdu1.flow'"),
        ("cdu1.heartbeat", "role", "sensor", "device cdu1 has setpoints but no heartbeat point"),
        ("d101.case_temperature", "equipment", "d102", "rack d101 has no point"),
        ("hall1.dew_point_temperature", "quantity", "leak", "must stay above the dew point"),
    ],
)
def test_a_mistake_in_the_points_list_is_named(
    campus: tuple[str, str], tag: str, column: str, value: str, said: str
) -> None:
    site_toml, points = campus
    found = problems(site_toml, edit(tag, column, value)(points))
    assert any(said in problem for problem in found), found
    assert any("points.csv" in problem for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('inlet_class = "A2"', 'inlet_class = "B2"', "there is no ASHRAE air class 'B2'"),
        ('loop = "warm"', 'loop = "wrm"', "there is no loop 'wrm'. Did you mean 'warm'?"),
        ("rated_cop = 6.8", "rated_cop = 68.0", "68 is out of range"),
        ("rated_cop = 6.8", "", "rated_cop: it is missing"),
        ("port = 15001", "port = 15000", "127.0.0.1:15000 unit 1 is cdu1's already"),
        ("watchdog_s = 4.0", "watchdog_s = 60.0", "later than the 5 s of class 'liquid'"),
        ("watchdog_s = 4.0", "watchdog_s = 1.5", "leaves no room for one lost beat"),
        ("longitude = -77.558", "longitud = -77.558", "Did you mean 'longitude'?"),
        ('currency = "USD"', "currency = 3", "3 is not a text"),
        ("[tariff]", "[tarif]", "[tariff]: the table is missing"),
        ('id = "crah2"', 'id = "crah1"', "'crah1' is there twice"),
        ("supply_min_c = 7.0", "supply_min_c = 27.0", "supply_min_c: it is not below"),
    ],
)
def test_a_mistake_in_site_toml_is_named(
    campus: tuple[str, str], old: str, new: str, said: str
) -> None:
    site_toml, points = campus
    assert old in site_toml
    found = problems(site_toml.replace(old, new, 1), points)
    assert any(said in problem for problem in found), found


def test_a_missing_column_is_named_once_and_nothing_else_is_guessed(
    campus: tuple[str, str],
) -> None:
    site_toml, points = campus
    assert problems(site_toml, points.replace("data_type", "datatype", 1)) == [
        "points.csv, row 1, data_type: the column is missing. Add a column 'data_type'.",
        "points.csv, row 1, datatype: there is no column 'datatype'. Did you mean 'data_type'?",
    ]


def test_all_mistakes_are_told_at_once(campus: tuple[str, str]) -> None:
    site_toml, points = campus
    points = edit("cdu1.tcs_flow", "unit", "furlong")(points)
    points = edit("cdu2.leak", "address", "-1")(points)
    found = problems(site_toml.replace("rated_cop = 6.8", "rated_cop = 0.1"), points)
    for said in ("furlong", "'-1' is not a register number", "0.1 is out of range"):
        assert any(said in problem for problem in found)


def test_a_file_that_is_not_toml_names_the_line() -> None:
    assert "it is not TOML" in problems("[site\n", "")[0]


def test_a_folder_without_the_files_says_which_are_missing(tmp_path: Path) -> None:
    with pytest.raises(SiteError) as caught:
        load_site(tmp_path)
    assert [Path(problem.file).name for problem in caught.value.problems] == [
        "site.toml",
        "points.csv",
    ]


def test_a_written_site_is_read_from_its_folder(campus: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(campus[0], encoding="utf-8")
    (tmp_path / "points.csv").write_text("\ufeff" + campus[1], encoding="utf-8")
    site = load_site(tmp_path)
    assert isinstance(site, Site)
    assert tomllib.loads(campus[0])["site"]["id"] == site.id


# -- what the envelope needs to know ------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "column", "value", "said"),
    [
        ("hall1.condensation_alarm", "safe_direction", "", "an alarm must name the direction"),
        ("hall1.condensation_alarm", "safe_direction", "warmer", "there is no 'warmer' here"),
        ("cdu1.tcs_flow", "safe_direction", "away", "only an alarm has one, not tcs_flow"),
        ("cdu1.tcs_flow_setpoint", "doubles", "cdu1.tcs_flow", "only a sensor can double another"),
        ("cdu1.tcs_flow", "doubles", "cdu1.flow", "there is no tag 'cdu1.flow'"),
        ("cdu1.tcs_flow", "doubles", "cdu2.tcs_flow", "cdu2.tcs_flow is not a first sensor of"),
        ("site.fire_alarm", "equipment", "sites", "there is no equipment 'sites'"),
    ],
)
def test_alarms_and_spares_are_checked(
    campus: tuple[str, str], tag: str, column: str, value: str, said: str
) -> None:
    site_toml, points = campus
    found = problems(site_toml, edit(tag, column, value)(points))
    assert any(said in problem for problem in found), found


def test_a_spare_sensor_stands_beside_the_first(campus: tuple[str, str]) -> None:
    site_toml, points = campus
    row = next(line for line in points.splitlines() if line.startswith("hall1.dew_point"))
    spares = [row.replace("hall1.dew_point_temperature", f"hall1.dew_{i}", 1) for i in (2, 3)]
    index = points.splitlines()[0].split(",").index("doubles")
    rows = []
    for number, spare in enumerate(spares):
        cells = spare.split(",")
        cells[index] = "hall1.dew_point_temperature"
        cells[points.splitlines()[0].split(",").index("address")] = f"ns=2;s=dew{number}"
        rows.append(",".join(cells))
    site = parse_site(site_toml, points + "\n".join(rows) + "\n")
    assert site.tag("hall1", "dew_point_temperature") == "hall1.dew_point_temperature"
    assert site.doubles == {"hall1.dew_point_temperature": ("hall1.dew_2", "hall1.dew_3")}
    assert len(site.tags("dew_point_temperature")) == 3


def _loop(text: str, loop: str, change: Callable[[str], str]) -> str:
    """``site.toml`` with the table of one loop changed."""
    head, mark, rest = text.partition(f'[[loops]]\nid = "{loop}"\n')
    own, blank, tail = rest.partition("\n\n")
    return head + mark + change(own) + blank + tail


def test_a_supply_maximum_comes_from_the_site_its_class_or_guideline_36(
    campus: tuple[str, str],
) -> None:
    site_toml, points = campus

    def without(own: str) -> str:
        return "\n".join(row for row in own.splitlines() if not row.startswith("supply_max_c"))

    assert parse_site(site_toml, points).loops["cool"].supply_max_c == 20.0
    air = parse_site(_loop(site_toml, "cool", without), points)
    assert air.loops["cool"].supply_max_c == 15.6  # it feeds CRAHs
    water = parse_site(_loop(site_toml, "warm", without), points)
    assert water.loops["warm"].supply_max_c == 40.0  # W40

    def classless(own: str) -> str:
        return without(own).replace('fws_class = "W40"', "")

    assert any("supply_max_c" in p for p in problems(_loop(site_toml, "warm", classless), points))

    def warmest(own: str) -> str:
        return without(own).replace("W40", "W+")

    assert any("supply_max_c" in p for p in problems(_loop(site_toml, "warm", warmest), points))

    def above(own: str) -> str:
        return own.replace("W40", "W32")

    said = problems(_loop(site_toml, "warm", above), points)
    assert any("40 is above the 32 of class W32" in problem for problem in said)

    def unknown(own: str) -> str:
        return own.replace("W40", "W41")

    said = problems(_loop(site_toml, "warm", unknown), points)
    assert any("there is no ASHRAE facility water class 'W41'" in problem for problem in said)


def test_no_pace_is_absent_by_default(campus: tuple[str, str]) -> None:
    site = parse_site(*campus)
    for actuator in site.actuators.values():
        assert actuator.dwell_s == 300.0
        assert actuator.writes_per_hour == 6
        assert actuator.reversals_per_hour == 2


def test_the_reference_sites_name_every_contact_and_their_envelope_loads(
    files: tuple[str, str],
) -> None:
    site = parse_site(*files)
    limits = limits_of(site)
    for quantity in ("fire_alarm", "emergency_power_off", "generator_running", "hardwired_enable"):
        assert site.tag("site", quantity)
    assert site.alarms
    gaps = [gap for gap in limits.unguarded if "declared insulated" not in gap]
    assert all("least flow is not kept" in gap for gap in gaps), gaps


def test_rules_for_people_are_read_and_are_no_property_of_the_plant(
    campus: tuple[str, str],
) -> None:
    site_toml, points = campus
    rules = '\n[people]\ntwo_people = ["automatic"]\nown_approval = false\nundo_window_s = 600\n'
    with_rules = parse_site(site_toml + rules, points)
    assert with_rules.people.two_people == ("automatic",)
    assert not with_rules.people.own_approval
    assert with_rules.people.undo_window_s == 600.0
    assert with_rules.content_hash == parse_site(*campus).content_hash
    (unknown,) = problems(site_toml + '\n[people]\ntwo_people = ["automatc"]\n', points)
    assert "automatic" in unknown
    (odd,) = problems(site_toml + "\n[people]\nown_approval = 1\n", points)
    assert "neither true nor false" in odd


def test_criteria_of_a_shadow_run_are_read_and_are_no_property_of_the_plant(
    campus: tuple[str, str],
) -> None:
    site_toml, points = campus
    asked = "\n[go_no_go]\nleast_saving_share = 0.05\nleast_slope = 0.6\n"
    found = parse_site(site_toml + asked, points)
    assert found.go_no_go == GoCriteria(least_saving_share=0.05, least_slope=0.6)
    assert parse_site(*campus).go_no_go == GoCriteria()
    assert found.content_hash == parse_site(*campus).content_hash
    (unknown,) = problems(site_toml + "\n[go_no_go]\nleast_savings = 0.05\n", points)
    assert "least_saving_share" in unknown
    (odd,) = problems(site_toml + "\n[go_no_go]\nmost_refused_share = 5\n", points)
    assert "0 to 1" in odd


FEED = """
[[feeds]]
quantity = "energy_price"
source = "https://prices.example/day-ahead"
factor = 0.001
"""


def test_feeds_are_read_and_a_site_without_any_has_none(campus: tuple[str, str]) -> None:
    site_toml, points = campus
    assert parse_site(site_toml, points).feeds == ()
    (feed,) = parse_site(site_toml + FEED, points).feeds
    assert (feed.source, feed.factor) == ("https://prices.example/day-ahead", 0.001)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("energy_price", "energy_cost", "there is no 'energy_cost' here"),
        ("energy_price", "it_load", "there is no hall '(empty)'"),
        ("factor", "faktor", "Did you mean 'factor'?"),
        ("factor = 0.001", "refresh_s = 900\nstale_s = 60", "60 s is over before the next fetch"),
        ("https://", 'http://x"\ntoken_variable = "T" #', "would cross the network in the clear"),
        ("factor = 0.001", 'hall = "hall1"', "only an IT load is a hall's"),
        ("[[feeds]]", FEED + "[[feeds]]", "energy_price is there twice"),
    ],
)
def test_a_mistake_in_a_feed_is_named(
    campus: tuple[str, str], old: str, new: str, said: str
) -> None:
    site_toml, points = campus
    assert old in FEED
    found = problems(site_toml + FEED.replace(old, new, 1), points)
    assert any(said in problem for problem in found), found
