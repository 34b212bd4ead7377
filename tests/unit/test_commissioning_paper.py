"""Functional tests by script, calibrations, and the report that people sign."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.commissioning.calibration import CalibrationError, calibrate, samples_of
from adapters.commissioning.functional import Outcome, ScriptError, read_script, run_script
from adapters.commissioning.records import Record, RecordsError, keep, load
from adapters.commissioning.report import (
    ReportError,
    make,
    new_key,
    read,
    read_key,
    sign,
    why_not_valid,
    write,
)
from controller.cli.commission_paper import shipped
from facility.telemetry import Quality, Reading
from facility.wire import to_wire
from tests.gateway_kit import small_site

SITE = small_site()
SUPPLY = SITE.points["cdu-1.tcs_supply_temperature"]
SCRIPT = """
name = "A leak at {device}"
purpose = "it lets go"
[[steps]]
do = "Wet the rope of {device}."
[[steps]]
expect = "the leak is seen"
tag = "{device}.leak"
equals = 1
within_s = 5
[[steps]]
do = "Dry it."
"""


def run(values: list[float | None], person: tuple[bool, str] = (True, "done")) -> list[Outcome]:
    outcomes: list[Outcome] = []
    script = read_script(SCRIPT, "leak.toml", SITE, {"device": "cdu-1"})
    answers = iter(values)
    last = values[-1]
    run_script(
        script,
        lambda text: person,
        lambda tag: next(answers, last),
        lambda seconds: None,
        lambda what, share: None,
        outcomes,
    )
    return outcomes


def test_a_step_is_waited_for_and_a_failed_one_ends_the_test() -> None:
    passed = run([0.0, None, 1.0])
    assert [outcome.ok for outcome in passed] == [True, True, True]
    assert passed[1].seen == "cdu-1.leak was 1 after 2 s"
    failed = run([0.0])
    assert [outcome.ok for outcome in failed] == [True, False]
    assert failed[1].seen == "cdu-1.leak was 0 after 5 s"
    refused = run([1.0], person=(False, "no rope"))
    assert [(outcome.ok, outcome.seen) for outcome in refused] == [(False, "no rope")]


def test_every_mistake_of_a_script_is_told() -> None:
    text = SCRIPT.replace("equals = 1\n", "").replace(".leak", ".lek").replace("do =", "does =", 1)
    with pytest.raises(ScriptError) as caught:
        read_script(text, "leak.toml", SITE, {"device": "cdu-1"})
    said = str(caught.value)
    assert "leak.toml, step 1, do: it is missing" in said
    assert "there is no tag 'cdu-1.lek'. Did you mean 'cdu-1.leak'?" in said
    assert "Add equals, at_least or at_most" in said
    with pytest.raises(ScriptError, match="Say --with device=VALUE"):
        read_script(SCRIPT, "leak.toml", SITE, {})


@pytest.mark.parametrize("name", shipped())
def test_the_scripts_that_are_shipped_fit_a_site(name: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "adapters" / "commissioning" / "scripts"
    script = read_script((folder / f"{name}.toml").read_text(), name, SITE, {"device": "cdu-1"})
    assert any(step.tag for step in script.steps)
    assert any(not step.tag for step in script.steps)


class Gateway:
    def __init__(self, readings: list[Reading]) -> None:
        self.readings = iter(readings)

    def call(self, op: str, **arguments: Any) -> Any:
        return {"readings": {arguments["tags"][0]: to_wire(next(self.readings))}}


def test_a_calibration_tells_error_and_the_offset_that_would_mend_it() -> None:
    gateway = Gateway([Reading(value, Quality.GOOD, 0.0) for value in (31.4, 31.5, 31.6)])
    found = samples_of(gateway, SUPPLY, 3, lambda s: None, lambda what, share: None)
    record = calibrate(SUPPLY, found, reference=31.0, tolerance=0.3, instrument="Fluke 1524")
    assert record.error == pytest.approx(0.5)
    assert record.spread == pytest.approx(0.2)
    assert not record.ok
    mended = replace(SUPPLY, offset=record.offset_for_zero_error)
    assert mended.to_canonical(SUPPLY.to_raw(31.5)) == pytest.approx(31.0)
    fahrenheit = replace(SUPPLY, unit="degF")
    record = calibrate(fahrenheit, [31.5], reference=31.0, tolerance=0.3, instrument="Fluke")
    mended = replace(fahrenheit, offset=record.offset_for_zero_error)
    assert mended.to_canonical(fahrenheit.to_raw(31.5)) == pytest.approx(31.0)


def test_a_sensor_without_a_good_value_is_not_calibrated() -> None:
    gateway = Gateway([Reading(None, Quality.BAD, 0.0, "200 is outside -30 to 110")])
    with pytest.raises(CalibrationError, match="bad: 200 is outside"):
        samples_of(gateway, SUPPLY, 1, lambda s: None, lambda what, share: None)


def test_records_are_kept_line_by_line_and_damage_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="--records"):
        load(tmp_path)
    first = keep(tmp_path, "calibration", SITE, {"tag": "a", "ok": True})
    keep(tmp_path, "calibration", SITE, {"tag": "b", "ok": False})
    assert load(tmp_path)[0] == first
    assert [record.content["tag"] for record in load(tmp_path)] == ["a", "b"]
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"kind": "calib')
    with pytest.raises(RecordsError, match="line 3 is damaged"):
        load(tmp_path)


def test_a_signed_report_stands_until_one_character_changes(tmp_path: Path) -> None:
    records = [keep(tmp_path, "calibration", SITE, {"tag": "a", "ok": False})]
    new_key(tmp_path / "eng.pem", "secret")
    new_key(tmp_path / "wit.pem", "")
    assert (tmp_path / "eng.pem").stat().st_mode & 0o077 == 0
    engineer = read_key(tmp_path / "eng.pem", "secret")
    signed = sign(make(SITE, records), engineer, "A. Engineer", "engineer")
    signed = sign(signed, read_key(tmp_path / "wit.pem", ""), "J. Smith", "witness")
    write(tmp_path / "report.json", signed)
    again = read(tmp_path / "report.json")
    assert again == signed
    assert [why_not_valid(again, s) for s in again.signatures] == ["", ""]
    text = (tmp_path / "report.json").read_text()
    for old, new in (('"ok": false', '"ok": true'), ("A. Engineer", "B. Engineer")):
        (tmp_path / "forged.json").write_text(text.replace(old, new))
        forged = read(tmp_path / "forged.json")
        assert any(why_not_valid(forged, s) for s in forged.signatures)


def test_the_signature_is_plain_ed25519_that_openssl_checks(tmp_path: Path) -> None:
    """The bytes that are signed are written down in docs/commissioning.md."""
    record = Record("calibration", "2026-11-21T00:00:00+00:00", SITE.id, SITE.content_hash, {})
    new_key(tmp_path / "key.pem", "")
    signed = sign(make(SITE, [record]), read_key(tmp_path / "key.pem", ""), "A. E.", "engineer")
    (signature,) = signed.signatures
    content = {**to_wire(signed), "signatures": []}
    signer = {**to_wire(signature), "signature": ""}
    message = json.dumps(
        {"report": content, "signer": signer}, sort_keys=True, separators=(",", ":")
    )
    (tmp_path / "message").write_bytes(message.encode())
    (tmp_path / "signature").write_bytes(bytes.fromhex(signature.signature))
    outcome = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-inkey", "key.pem", "-rawin", "-in", "message",
         "-sigfile", "signature"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("content", "said"), [("{", "is no commissioning report"), ("{}", "is no commissioning report")]
)
def test_what_is_no_report_or_key_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(ReportError, match=said):
        read(tmp_path / "r.json")
    with pytest.raises(ReportError, match="no records"):
        make(SITE, [])
    new_key(tmp_path / "k.pem", "secret")
    with pytest.raises(ReportError, match="ISOTHERM_KEY_PASSPHRASE"):
        read_key(tmp_path / "k.pem", "")
    with pytest.raises(ReportError, match="never written over"):
        new_key(tmp_path / "k.pem", "")
