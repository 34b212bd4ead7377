"""The doctor finds what is wrong with an installation, and says how to mend it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from controller.cli import main
from controller.doctor import Installation, State, examine
from controller.storage.opening import RECORDS, Place, open_stores
from controller.storage.ticks import summary_of
from sim.sites import write
from tests.unit.test_storage_ticks import tick


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "state")
    place.state.mkdir(mode=0o750)
    stores = open_stores(place)
    for number in (1, 2, 3):
        stores.ticks.keep(tick(number))
    stores.close()
    return place


def found(installation: Installation) -> dict[str, list[str]]:
    """What each check says, by check, of those that are not in order."""
    by_check: dict[str, list[str]] = {}
    for finding in examine(installation):
        if finding.state is State.FAULT:
            assert finding.mend, finding
            by_check.setdefault(finding.check, []).append(finding.what)
    return by_check


def test_a_sound_installation_has_nothing_to_mend(place: Place, tmp_path: Path) -> None:
    write("frontier", tmp_path / "site", 15_020, seed=1)
    assert found(Installation(site=tmp_path / "site", place=place)) == {}


def test_a_changed_or_missing_entry_of_the_index_is_found(place: Place) -> None:
    with sqlite3.connect(place.state / RECORDS) as db:
        db.execute("UPDATE records SET body = replace(body, '\"held\": 0', '\"held\": 1') "
                   "WHERE id LIKE '000002%'")  # fmt: skip
    db.close()
    assert "000002" in found(Installation(place=place))["steps"][0]
    with sqlite3.connect(place.state / RECORDS) as db:
        db.execute("DELETE FROM records WHERE id LIKE '000002%'")
    db.close()
    assert "missing" in found(Installation(place=place))["steps"][0]


def test_an_older_layout_and_open_rights_are_found(place: Place) -> None:
    assert main(["storage", "downgrade", "--state", str(place.state), "hot=h0001"]) == 0
    place.state.chmod(0o757)
    faults = found(Installation(place=place))
    assert "needs h0002" in faults["migrations"][0]
    assert "open to everybody" in faults["state"][0]


def test_certificates_that_end_are_told_before_and_after(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    for name, days in (("old", -1.0), ("soon", 10.0), ("later", 400.0)):
        (pki / "trusted").mkdir(parents=True, exist_ok=True)
        (pki / "trusted" / f"{name}.der").write_bytes(certificate(days))
    findings = [f for f in examine(Installation(pki=pki)) if f.check == "certificates"]
    states = {Path(f.what.split()[0]).stem: f.state for f in findings}
    assert states == {"old": State.FAULT, "soon": State.NOTE}


def certificate(days: float) -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    end = datetime.now(UTC) + timedelta(days=days)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(end - timedelta(days=500)).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_command_tells_by_its_status_and_as_json(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.0.1\nno-such-package==1.0\n")
    config = tmp_path / "isotherm.toml"
    config.write_text(
        f'[serve]\nstate = "{place.state}"\ngateway = "{tmp_path / "none.sock"}"\n'
        f'site = "{tmp_path / "nowhere"}"\n'
    )
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    (gateway / "journal.jsonl").write_text('{"number":1}\n')
    command = ["doctor", "--config", str(config), "--lock", str(lock), "--json"]
    assert main([*command, "--gateway-state", str(gateway)]) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    faults = {f["check"] for f in answer["findings"] if f["state"] == "fault"}
    assert faults == {"packages", "site", "journal", "gateway"}
    assert main(["doctor", "--state", str(place.state), "--lock", str(tmp_path / "no")]) == 0


def test_the_index_says_what_the_records_say(place: Place) -> None:
    stores = open_stores(place)
    kept = stores.ticks.tick("000002.20240407T000000Z")
    stores.close()
    assert kept is not None
    assert summary_of(kept) == summary_of(tick(2))
