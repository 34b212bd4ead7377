"""Faults from files and tables: read, and refused by number and field when they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.site import Site
from sim.faults import Fault, FaultError, parse_faults, read_faults
from tests.plants import START_S, reference


@pytest.fixture(scope="module")
def campus() -> Site:
    return reference("campus")[0]


def test_faults_are_read_from_a_file_with_times_from_the_start_or_by_the_clock(
    campus: Site, tmp_path: Path
) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[faults]]\nkind = "fouling"\nplace = "cdu1"\nstart = 60\nend = "2024-07-10T01:00Z"\n'
        'severity = 0.3\ngrows_s = 600\n[[faults]]\nkind = "power_blip"\nplace = "site"\n'
        "start = 5\nend = 9.5\n"
    )
    assert read_faults(path, campus, START_S) == (
        Fault("fouling", "cdu1", START_S + 60.0, START_S + 3600.0, 0.3, 600.0),
        Fault("power_blip", "site", START_S + 5.0, START_S + 9.5),
    )


GOOD = {"kind": "fouling", "place": "cdu1", "start": 0, "severity": 0.3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "gremlins"}, "kind 'gremlins' is none of fouling, filter_clog"),
        ({"place": "cdu9"}, "has no place 'cdu9': name one of cdus, chillers, loops .* such as"),
        ({"severity": 2.0}, "severity 2 is not within 0.01 to 0.9"),
        ({"severity": "much"}, "severity: 'much' is no finite number"),
        ({"severity": None}, "give its severity: share of clean conductance lost"),
        ({"start": "soon"}, "start: 'soon' is no time: write 2024"),
        ({"end": -5}, "it ends before it starts"),
        ({"colour": "red"}, "field 'colour' is none of kind, place"),
        ({"grows_s": -1.0}, "give a time above 0 s"),
        ({"kind": "stuck_valve", "place": "tower1"}, "has no place 'tower1'"),
        ({"kind": "chiller_trip", "place": "chiller1"}, "it has no severity; leave it out"),
        ({"kind": "pump_trip", "severity": 1}, "it has one pump; leave severity out"),
        ({"kind": "sensor_bias", "place": "cdu1.remote_active"}, "has no place"),
        ({"kind": "sensor_bias", "place": "cdu1.leak", "grows_s": 5.0}, "strikes at once"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_number_and_field(
    campus: Site, change: dict[str, object], words: str
) -> None:
    row = {k: v for k, v in (GOOD | change).items() if v is not None}
    with pytest.raises(FaultError, match=rf"faults: fault 2.*{words}"):
        parse_faults([GOOD, row], campus, START_S)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[[faults]", "it is no TOML"), ("faults = 3", "as a table"), ("[fault]\n", "'fault' is not")],
)
def test_a_file_that_holds_no_faults_is_refused(
    campus: Site, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(FaultError, match=words):
        read_faults(path, campus, START_S)
    with pytest.raises(FaultError, match="give a file of faults"):
        read_faults(tmp_path / "none.toml", campus, START_S)
