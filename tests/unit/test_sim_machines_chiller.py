"""Chillers: published reference points, starts and stops, trips, cycling, curves of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facility.loading import parse_site
from facility.site import Site
from sim.parameters import PlantError, PlantParameters
from sim.plant import chiller, chiller_curves
from sim.plant.chiller_curves import NAMEPLATES, SETS, CurveError
from sim.plant.layout import Array, Table
from sim.sites import DESIGNS
from sim.sites.writer import texts

CURVES = SETS[chiller_curves.DEFAULT].numbers()


def machine(**changed: float) -> tuple[Table, Table]:
    p, s = chiller.PARAMETERS.table(1), chiller.STATE.table(1)
    values = {
        "capacity_kw": 3600.0, "cop": 6.8, "min_part_load": 0.2, "min_lift_k": 8.0,
        "max_cop": 14.0, "loading_per_s": 0.1 / 60.0, "unloading_per_s": 0.5 / 60.0,
        "start_s": 90.0, "lock_out_s": 600.0, "fast_restart_s": 120.0, "min_on_s": 900.0,
        "cycle_k": 0.0, "cut_out_condenser_c": 45.0, "cut_out_evaporator_c": 3.0,
        "reset_s": 900.0, "evaporator_min_ls": 50.0, "evaporator_kj_k": 30_000.0,
        "condenser_kj_k": 30_000.0,
    } | changed  # fmt: skip
    for name, value in values.items():
        p[name] = value
    s["commanded"], s["setpoint_c"], s["chw_supply_temperature"], s["condenser_c"] = 1, 10, 16, 26
    s["evaporator_ls"] = s["condenser_ls"] = 120.0
    s["since_s"] = 1e6
    return p, s


def run(
    p: Table, s: Table, seconds: int, entering_c: float = 16.0, condenser_c: float = 26.0
) -> dict[str, Array]:
    names = ("running", "cooling_load", "power", "chw_supply_temperature", "cut_out", "condenser_c")
    rows = []
    for _ in range(seconds):
        chiller.sequence(p[0], s[0], 1.0)
        chiller.step(CURVES, p[0], s[0], entering_c, condenser_c, 1.0)
        rows.append([float(s[name][0]) for name in names])
    return dict(zip(names, np.array(rows).T, strict=True))


# The reference points that the sources print (EnergyPlus Chillers.idf and OfficeLarge).
@pytest.mark.parametrize("name", sorted(SETS))
def test_a_catalogue_set_has_its_printed_capacity_and_cop_at_its_reference_point(name: str) -> None:
    c, plate = SETS[name].numbers(), NAMEPLATES[name]
    at = (plate.evaporator_c, plate.condenser_c)
    assert chiller.biquadratic(c, 0, *at) == pytest.approx(1.0, abs=0.01)
    eir = chiller.biquadratic(c, 6, *at) * chiller.part_load_eir(c, plate.condenser_c, 1.0)
    assert plate.cop / eir == pytest.approx(plate.cop, rel=0.013)


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_machine_has_its_nameplate_at_the_rating_point_whatever_its_curves(name: str) -> None:
    c, (p, _) = SETS[name].numbers(), machine()
    at = (chiller.RATED_EVAPORATOR_C, chiller.RATED_CONDENSER_C)
    assert chiller.available_kw(c, p[0], *at) == pytest.approx(3600.0)
    assert 3600.0 / float(chiller.power_kw(c, p[0], 3600.0, *at)) == pytest.approx(6.8)


def gordon_ng(c: Array, p: Table) -> Array:
    """Least-squares coefficients of the universal model over the box (Gordon & Ng 2000)."""
    left, right = [], []
    for te in np.linspace(c[22], c[23], 6):
        for tc in np.linspace(c[24], c[25], 6):
            for q in np.linspace(1200.0, 2800.0, 5):
                inverse = float(chiller.power_kw(c, p[0], q, te, tc)) / q
                e, k = te + 273.15, tc + 273.15
                left.append(e / k * (1.0 + inverse) - 1.0)
                right.append([e / q, (k - e) / (k * q), q * (1.0 + inverse) / k])
    solution: Array = np.linalg.lstsq(np.array(right), np.array(left), rcond=None)[0]
    return solution


def test_the_tail_beyond_the_box_agrees_with_gordon_and_ng_s_universal_model() -> None:
    c, (p, _) = SETS["ashrae_901_office_large"].numbers(), machine()
    a = gordon_ng(c, p)
    for te, tc in ((13.0, 35.0), (16.0, 38.0), (18.0, 36.0)):
        q, e, k = 2400.0, te + 273.15, tc + 273.15
        internal = a[0] * e / q + a[1] * (k - e) / (k * q) + a[2] * q / k
        inverse = (internal + 1.0 - e / k) / ((e - a[2] * q) / k)
        ours = float(chiller.power_kw(c, p[0], q, te, tc)) / q
        assert ours == pytest.approx(inverse, rel=0.12)


def test_a_york_at_22_degrees_keeps_the_cop_of_a_machine_where_its_own_curves_do_not() -> None:
    c, (p, _) = SETS["york_yk_2771kw_vsd"].numbers(), machine()
    raw = chiller.biquadratic(c, 6, 22.0, 32.0)
    assert 6.84 / raw > 20.0
    assert 6.0 < 2800.0 / float(chiller.power_kw(c, p[0], 2800.0, 22.0, 32.0)) <= 14.0


def test_a_machine_loads_at_a_tenth_of_its_capacity_a_minute() -> None:
    p, s = machine()
    seen = run(p, s, 900)
    assert seen["cooling_load"][:88].max() == 0.0
    assert np.diff(seen["cooling_load"]).max() == pytest.approx(6.0)
    assert seen["chw_supply_temperature"][-1] == pytest.approx(10.0, abs=0.2)


def test_a_machine_runs_its_least_time_and_stays_off_its_lock_out() -> None:
    p, s = machine()
    run(p, s, 10)
    s["commanded"] = 0.0
    assert run(p, s, 880)["running"].min() == 1.0
    assert run(p, s, 20)["running"][-1] == 0.0
    s["commanded"] = 1.0
    assert run(p, s, 580)["running"].max() == 0.0
    assert run(p, s, 40)["running"][-1] == 1.0
    assert s["starts"][0] == 2.0


def test_a_trip_stops_at_once_and_once_reset_the_machine_is_back_fast() -> None:
    p, s = machine()
    run(p, s, 300)
    s["tripped"] = 1.0
    assert run(p, s, 60)["running"].max() == 0.0
    assert float(s["power"][0]) == 0.0
    s["tripped"] = 0.0
    seen = run(p, s, 90)
    assert seen["running"][:58].max() == 0.0
    assert seen["running"][-1] == 1.0


def test_without_condenser_water_high_pressure_trips_it_and_it_resets_itself() -> None:
    p, s = machine()
    run(p, s, 400)
    s["condenser_ls"] = 0.0
    seen = run(p, s, 600)
    assert seen["cut_out"][-1] == 1.0
    assert seen["running"][-1] == 0.0
    assert seen["condenser_c"].max() < 46.0
    s["condenser_ls"] = 120.0
    assert run(p, s, 1000)["cut_out"][-1] == 0.0


def test_cold_chilled_water_trips_it() -> None:
    p, s = machine()
    run(p, s, 300)
    assert run(p, s, 300, entering_c=2.0)["cut_out"][-1] == 1.0


def test_below_its_least_load_a_machine_that_cycles_keeps_its_water_about_the_setpoint() -> None:
    p, s = machine(cycle_k=0.5, lock_out_s=600.0)
    s["evaporator_ls"] = 60.0
    run(p, s, 3600, entering_c=11.5)
    seen = run(p, s, 7200, entering_c=11.5)
    on = seen["cooling_load"] > 0.0
    assert 0.1 < on.mean() < 0.95
    load = seen["cooling_load"][on] / float(chiller.available_kw(CURVES, p[0], 10.0, 26.0))
    assert load.min() > 0.19
    starts = np.flatnonzero(np.diff(on.astype(int)) == 1)
    stops = np.flatnonzero(np.diff(on.astype(int)) == -1)
    gaps = [int(start - stops[stops < start][-1]) for start in starts if (stops < start).any()]
    assert gaps
    assert min(gaps) >= 600
    assert seen["chw_supply_temperature"].min() > 8.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capacity": (1.0, 2.0)}, "must be a list of 6 numbers"),
        ({"condenser_c": (30.0, 20.0)}, "the lowest, then the highest"),
        ({"power": (1.0, 0.0, 0.0, -0.05, 0.0, 0.0)}, "power is not positive at"),
        ({"part_load": (2.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)}, "grow with load"),
        ({"power": (float("nan"), 0.0, 0.0, 0.0, 0.0, 0.0)}, "not a finite number"),
    ],
)
def test_curves_of_no_machine_are_refused_with_where_and_how_to_mend(
    change: dict[str, tuple[float, ...]], words: str
) -> None:
    odd = replace(SETS[chiller_curves.DEFAULT], **change)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(CurveError, match=words):
        chiller_curves.curves(["mine"], {"mine": odd})


@pytest.fixture(scope="module")
def campus() -> Site:
    files = dict(texts(DESIGNS["campus"](), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


def test_chillers_of_one_site_may_have_curves_by_name_and_of_their_own(
    campus: Site, tmp_path: Path
) -> None:
    path = tmp_path / "plant.toml"
    PlantParameters.for_site(campus, 1).save(path)
    own = SETS["ashrae_901_office_large"]
    default = f'"{chiller_curves.DEFAULT}"'
    text = path.read_text().replace(
        f"chiller_curves = [{default}, {default}, {default}]",
        f'chiller_curves = ["york_yk_2771kw_vsd", "works", {default}]',
    )
    fields = {name: list(getattr(own, name)) for name in own.__dataclass_fields__}
    fields["evaporator_c"] = [5.0, 12.0]
    rows = "\n".join(f"{name} = {value}" for name, value in fields.items())
    path.write_text(f"{text}\n[chiller_curve_sets.works]\n{rows}\n")
    curves = PlantParameters.load(path, campus).units.curves
    assert np.array_equal(curves[0], SETS["york_yk_2771kw_vsd"].numbers())
    assert curves[1][23] == 12.0
    again = tmp_path / "again.toml"
    PlantParameters.load(path, campus).save(again)
    assert np.array_equal(PlantParameters.load(again, campus).units.curves, curves)
    path.write_text(text.replace("works", "nobodys"))
    with pytest.raises(PlantError, match="there is no chiller curve set 'nobodys'; there are"):
        PlantParameters.load(path, campus)
