"""`isotherm envelope try`: what a site's envelope says to a file of commands and readings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from controller.playground.play import Play
from controller.playground.script import ScriptError, read_script
from facility.equipment import Chiller
from facility.loading import load_site
from facility.site import Site
from sim.sites import write as write_site
from tests.safety_kit import LEAK, QUIET, TEMPERATURE, point, site

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "envelope.toml"


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sites") / "campus"
    write_site("campus", folder, 15020, seed=1)
    return folder


def play(
    tmp_path: Path, *steps: dict[str, Any], at: Site | None = None
) -> tuple[Play, list[tuple[str, str, Any, str]]]:
    """A script against the small hall; what, outcome, value and check of each event."""
    path = tmp_path / "script.jsonl"
    lines = [{"start": "2026-07-01T00:00:00Z", "readings": QUIET}, *steps]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    script = read_script(path)
    table = Play(at or site(), script.start_s)
    return table, [(e.what, e.outcome, e.value, e.check) for e in table.run(script)]


def move(value: float, **more: Any) -> dict[str, Any]:
    return {"command": {"actuator": TEMPERATURE, "value": value} | more}


def test_the_example_comes_out_as_it_expects(
    campus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["envelope", "try", "--site", str(campus), "--script", str(EXAMPLE)])
    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert "limit 31.5" in told.out
    assert "rate: after 300 s at most 0.5 degC away from cooling and 2 towards it" in told.out
    assert "asked=36  start=31  lower=31  upper=31.5" in told.out


def test_the_same_as_json(campus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["envelope", "try", "--site", str(campus), "--script", str(EXAMPLE), "--json"]
    assert main(args) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["site"] == load_site(campus).id
    assert told["surprises"] == []
    limited = next(each for each in told["events"] if each["outcome"] == "limit")
    assert (limited["check"], limited["value"], limited["after_s"]) == ("rate", 31.5, 300.0)
    assert limited["saw"]["away"] == 0.5


def test_a_device_is_armed_as_the_gateway_does_it(tmp_path: Path) -> None:
    table, told = play(tmp_path, move(29.0))
    assert told == [
        ("arm", "allow", pytest.approx(30.0), ""),
        ("arm", "allow", pytest.approx(20.0), ""),
        ("command", "allow", pytest.approx(29.0), ""),
    ]
    assert table.armed["cdu_1"]


def test_time_rates_and_a_restart(tmp_path: Path) -> None:
    _, told = play(
        tmp_path,
        move(29.0),
        {"restart": True, "after_s": 60.0} | move(31.0, origin="person"),
        {"after_s": 0.5} | move(31.0, age_s=61.0),
    )
    assert told[3] == ("command", "limit", pytest.approx(29.1), "rate")
    assert told[4][1:] == ("refuse", None, "age")


def test_readings_age_where_nobody_renews_them(tmp_path: Path) -> None:
    old = {"readings": {LEAK: {"value": 0.0, "age_s": 17.0}}}
    _, told = play(tmp_path, {"after_s": 10.0, "fresh": False} | move(29.0), old | move(28.5))
    assert told[2] == ("command", "allow", pytest.approx(29.0), "")
    assert told[3] == ("command", "refuse", None, "leak")
    _, told = play(tmp_path, {"after_s": 17.0, "fresh": False} | move(29.0))
    assert [each[1] for each in told] == ["refuse"]


def test_locks_modes_and_devices(tmp_path: Path) -> None:
    _, told = play(
        tmp_path,
        {"lock_out": {TEMPERATURE: "a pump is changed"}} | move(29.0),
        {"unlock": [TEMPERATURE], "modes": {"cdu_1.*": "shadow"}} | move(29.0),
        {"modes": {"*": "automatic"}, "devices": {"cdu_1": "away"}} | move(29.0),
        {"devices": {"*": "local"}} | move(29.0),
    )
    assert [check for what, _, _, check in told if what == "command"] == [
        "lock_out",
        "mode",
        "device",
        "",
    ]


def test_decisions_and_overrides_are_those_of_the_script(tmp_path: Path) -> None:
    _, told = play(
        tmp_path,
        {"decide": {"id": "d", "moves": {TEMPERATURE: [30.0, 29.5]}}} | move(28.0, authority="d"),
        {"override": {"id": "o", "actuator": TEMPERATURE, "value": 29.0}}
        | move(29.0, authority="o", origin="person"),
        move(28.5),
        {"end_override": "o", "after_s": 600.0} | move(28.5),
        {"override": {"id": "p", "actuator": TEMPERATURE, "value": 99.0}},
    )
    commands = [each[1:] for each in told if each[0] == "command"]
    assert commands == [
        ("limit", pytest.approx(29.5), "authority"),
        ("refuse", None, "rate"),
        ("refuse", None, "authority"),
        ("allow", pytest.approx(28.5), ""),
    ]
    assert told[-1] == ("override", "refuse", None, "authority")


def test_a_scan_corrects_and_gives_back(tmp_path: Path) -> None:
    table, told = play(
        tmp_path,
        move(29.0),
        {
            "after_s": 300.0,
            "readings": {"hall.dew_point_temperature": 26.2},
            "scan": True,
            "expect": {"corrections": [[TEMPERATURE, "correct", "dew_point"]]},
        },
        {"readings": {LEAK: 1.0}, "scan": True},
        {"release": "crah_1"},
    )
    assert told[3][:2] == ("correct", "done")
    assert [each[0] for each in told[4:]] == ["release", "release", "release", "release"]
    assert not table.armed["cdu_1"]
    assert table.surprises == []


def test_what_comes_out_otherwise_fails(
    campus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "script.toml"
    path.write_text(
        '[[step]]\ncommand = { actuator = "nothing", value = 1 }\n'
        'expect = { outcome = "allow", check = "whitelist" }\n'
    )
    assert main(["envelope", "try", "--site", str(campus), "--script", str(path)]) == 1
    assert "step 1: expected outcome 'allow', got 'refuse'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no step"),
        ("[step]\nscan = true", r"two brackets"),
        ("x = ", "not TOML"),
        ("y = 1\n[[step]]", "unknown field 'y'"),
        ("start = 7\n[[step]]", "start must be a time"),
        ("[[step]]\ncomand = 1", "step 1: unknown field 'comand'"),
        ("[[step]]\ncommand = 1", "command must be a table, not 1"),
        ("[[step]]\nscan = 1", "scan must be true or false"),
        ("[[step]]\nafter_s = true", "after_s must be a number"),
        ("[[step]]\nafter_s = -1", "time does not go back"),
        ('[[step]]\ncommand = { actuator = "a" }', "command needs 'value'"),
        ('[[step]]\nexpect = { check = "a" }', "belongs to a command, a stage or a scan"),
        ('[[step]]\nstage = { unit = "ch_1", on = 1 }', "on must be true or false, not 1"),
        (
            '[[step]]\nstage = { unit = "a", on = true }\ncommand = { actuator = "a", value = 1 }',
            "a command and a stage are two steps",
        ),
        ('[[step]]\nreadings = { a = "god" }', "no quality 'god'; there are good"),
        ("[[step]]\nreadings = { a = [] }", "must be a number, a quality"),
        ("[[step]]\nreadings = { a = { age_s = inf } }", "age_s must be a finite number"),
    ],
)
def test_a_script_that_cannot_be_read_says_where_and_why(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(ScriptError, match=words):
        read_script(path)


def test_starts_and_stops_wait_for_one_another_across_a_restart(tmp_path: Path) -> None:
    def stage(on: bool, **more: Any) -> dict[str, Any]:
        return {"stage": {"unit": "ch_1", "on": on}} | more

    shown = {"ch_1.running": 0.0}
    chilled = site(
        points=[point("ch_1.running", "ch_1")],
        chillers={"ch_1": Chiller("ch_1", "cool", 1e3, 6.0)},
    )
    _, told = play(
        tmp_path,
        {"readings": shown, "scan": True},
        stage(True, after_s=599.0),
        stage(True, after_s=1.0, expect={"outcome": "allow", "value": 1.0}),
        stage(False, after_s=299.0, readings={"ch_1.running": 1.0}, restart=True),
        stage(False, after_s=1.0),
        stage(True, after_s=599.9, readings=shown),
        {"stage": {"unit": "ch_9", "on": True}, "expect": {"check": "whitelist"}},
        at=chilled,
    )
    assert [each for each in told if each[0] in ("start", "stop")] == [
        ("start", "refuse", None, "min_off"),
        ("start", "allow", 1.0, ""),
        ("stop", "refuse", None, "min_on"),
        ("stop", "allow", 0.0, ""),
        ("start", "refuse", None, "min_off"),
        ("start", "refuse", None, "whitelist"),
    ]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"readings": {"no.*": 1.0}}, "step 1: the site 'small' has no point 'no.*'"),
        ({"modes": {"no": "off"}}, "has no actuator 'no'"),
        ({"modes": {"*": "on"}}, "no mode 'on'; there are off"),
        ({"devices": {"*": "on"}}, "armed, local or away, not 'on'"),
        ({"release": "no"}, "has no device 'no'"),
        ({"end_override": "no"}, "no override 'no'"),
        ({"decide": {"id": "d", "moves": {TEMPERATURE: [1]}}}, "two numbers"),
        (move(1.0, origin="me"), "no origin 'me'; there are optimiser"),
    ],
)
def test_names_that_a_site_does_not_have(tmp_path: Path, step: dict[str, Any], words: str) -> None:
    with pytest.raises(ScriptError) as caught:
        play(tmp_path, step)
    assert words in str(caught.value)


def test_a_file_that_is_not_there(
    campus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.toml"
    assert main(["envelope", "try", "--site", str(campus), "--script", str(missing)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n{")
    assert main(["envelope", "try", "--site", str(campus), "--script", str(broken)]) == 2
    assert "line 2 is not JSON" in capsys.readouterr().err
