"""Several sites side by side: what each store says, and why one says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.cli import main
from controller.fleet import FleetError, read_sites, view_of
from controller.records import TickRecord
from controller.storage.opening import Place, open_stores
from controller.storage.ports import Kind, Record
from facility.commands import Mode
from facility.telemetry import Quality, Reading, Snapshot
from tests.models_hall import small_site
from tests.postgres import new_database

NOW_S = 1_720_000_800.0


def keep(place: Place, mode: Mode) -> None:
    """A site that has lived through two steps and has an alarm."""
    place.state.mkdir(exist_ok=True)
    site, stores = small_site(), open_stores(place)
    for number in (1, 2):
        now_s = NOW_S + 300.0 * number
        readings = {"outdoor.wet_bulb_temperature": Reading(18.0, Quality.GOOD, now_s)}
        snapshot = Snapshot(now_s, readings, {}, dict.fromkeys(site.actuators, mode))
        stores.telemetry.append(snapshot)
        stores.ticks.keep(TickRecord.empty(number, snapshot, site, "m", ()))
    alarm = {"priority": "high", "text": "too warm"}
    stores.records.write(add=[Record(Kind.ALARM, "a-1", NOW_S, alarm, state="active")])
    stores.close()


def test_each_site_is_a_row_and_one_that_cannot_be_read_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(Place(tmp_path / "north"), Mode.AUTOMATIC)
    keep(Place(tmp_path / "south"), Mode.SHADOW)
    sites = tmp_path / "sites.toml"
    sites.write_text(
        "".join(f'[[sites]]\nname = "{n}"\nstate = "{n}"\n' for n in ("north", "south", "west"))
    )
    page = tmp_path / "sites.html"
    assert main(["fleet", str(sites), "--json", "--html", str(page)]) == 1
    shown = capsys.readouterr()
    north, south, west = json.loads(shown.out)
    assert north["modes"] == {"automatic": len(small_site().actuators)}
    assert south["modes"] == {"shadow": len(small_site().actuators)}
    assert (north["steps"], north["fallbacks"], north["saving_kw"]) == (2, 2, None)
    assert north["last_step_s"] == NOW_S + 600.0
    assert north["last_data_s"] == pytest.approx(NOW_S + 600.0, abs=1.0)
    assert (north["alarms"], north["unacknowledged"]) == ({"high": 1}, 1)
    assert "holds no records" in west["error"]
    assert "west: " in shown.err
    html = page.read_text()
    assert "2 of 3 stores can be read; not west." in html
    assert not (tmp_path / "west").exists()
    sites.write_text(sites.read_text().replace('"west"', '"south"', 1))
    with pytest.raises(FleetError, match="'south' is there twice"):
        read_sites(sites)


def test_a_site_whose_records_lie_in_a_database_is_read_from_there(
    tmp_path: Path, postgres: str
) -> None:
    place = Place(tmp_path / "state", new_database(postgres))
    keep(place, Mode.ADVISORY)
    sites = tmp_path / "sites.toml"
    sites.write_text(
        f'[[sites]]\nname = "a"\ndatabase = "{place.database}"\n'
        f'[[sites]]\nname = "empty"\ndatabase = "{new_database(postgres)}"\n'
    )
    found, empty = map(view_of, read_sites(sites))
    assert found.mode == "advisory"
    assert found.steps == 2
    assert "holds no records" in empty.error


def test_a_wrong_list_is_told_with_every_mistake_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text('color = "red"\n[[sites]]\nname = 1\nstat = "x"\n')
    with pytest.raises(FleetError) as caught:
        read_sites(path)
    for words in ("color is not known", "stat is not known", "name has to be", "state (the folder"):
        assert words in str(caught.value)
