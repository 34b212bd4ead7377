"""The journal without the product: the page's own reader, and a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli import main
from safety.journal import Journal

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"


def reader(folder: Path) -> Path:
    """The example of docs/safety.md as a file."""
    found = re.search(r"```python\n(import hashlib.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    script = folder / "reader.py"
    script.write_text(found[1], encoding="utf-8")
    return script


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    log = Journal.open(path, 1000.0)
    for number in range(5):
        log.extend([("write", {"device": "cdu-1", "tag": "t", "value": number})], 1000.0 + number)
    log.extend([("released_by_hand", {"who": "Ada", "why": "a, b"})], 1010.0)
    log.close()
    return path


def run(script: Path, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-W", "ignore", str(script), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_pages_reader_reads_a_journal_and_names_the_damaged_record(
    journal: Path, tmp_path: Path
) -> None:
    script = reader(tmp_path)
    done = run(script, journal)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(journal.read_bytes().splitlines())
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"t"', b'"u"'), *lines[3:]]))
    assert "record 3 is damaged" in run(script, journal).stderr
    journal.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert "record 4 is damaged, or one before it is missing" in run(script, journal).stderr


def test_a_journal_is_exported_as_a_table(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "export", "--csv", str(journal)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    writes = [row for row in rows if row["kind"] == "write"]
    assert [row["value"] for row in writes] == ["0", "1", "2", "3", "4"]
    assert {row["device"] for row in writes} == {"cdu-1"}
    assert (rows[-1]["who"], rows[-1]["why"]) == ("Ada", "a, b")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"t"', b'"u"'), *lines[3:]]))
    assert main(["journal", "export", "--csv", str(journal)]) == 1
    assert "record 3" in capsys.readouterr().err
