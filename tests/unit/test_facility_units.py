"""Units convert to one canonical unit and back."""

import pytest

from facility.quantities import QUANTITIES
from facility.units import UNITS, unit


@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("degF", 32.0, 0.0),
        ("degF", 212.0, 100.0),
        ("delta_degF", 18.0, 10.0),
        ("kelvin", 273.15, 0.0),
        ("bar", 1.5, 150.0),
        ("psi", 14.5037738, 100.0),  # NIST SP 811: 1 bar = 14.503 77 psi
        ("L/min", 90.0, 1.5),
        ("m3/h", 36.0, 10.0),
        ("gpm", 15.850323, 1.0),  # NIST SP 811: 1 L/s = 15.850 32 US gal/min
        ("MW", 1.5, 1500.0),
        ("fraction", 0.42, 42.0),
    ],
)
def test_known_conversions(name: str, value: float, canonical: float) -> None:
    assert unit(name).to_canonical(value) == pytest.approx(canonical, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", sorted(UNITS))
def test_every_unit_comes_back(name: str) -> None:
    assert UNITS[name].from_canonical(UNITS[name].to_canonical(12.34)) == pytest.approx(12.34)


def test_an_unknown_unit_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"there is no unit 'celsius'; known units are degC, degF"):
        unit("celsius")


def test_every_quantity_has_a_canonical_unit_that_a_points_list_can_name() -> None:
    assert {quantity.kind.unit for quantity in QUANTITIES.values()} <= set(UNITS)
