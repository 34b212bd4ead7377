"""Telemetry as files: out, in again, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from controller.cli import main
from controller.storage.opening import Place, open_stores
from controller.storage.telemetry import LocalTelemetry
from facility.telemetry import Quality, Reading, Snapshot

START_S = 1_712_448_000.0  # 2024-04-07T00:00:00Z
HEAD = "tag,at_utc,seen_utc,value,quality\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    place = Place(tmp_path / "state")
    place.state.mkdir()
    stores = open_stores(place)
    for t in range(0, 7300, 100):
        bad = Reading(None, Quality.BAD, START_S + t)
        good = Reading(t / 10.0, Quality.GOOD, START_S + t)
        readings = {"cdu1.a": good, "odd, 'tag'": bad if t == 300 else good}
        stores.telemetry.append(Snapshot(START_S + t, readings))
    stores.close()
    return place.state


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_is_exported_comes_in_again_as_it_was(state: Path, tmp_path: Path, kind: str) -> None:
    file, again = tmp_path / f"out.{kind}", tmp_path / f"again.{kind}"
    assert main(["storage", "export", "--state", str(state), str(file)]) == 0
    other = ["--state", str(tmp_path / "other")]
    assert main(["storage", "import", *other, str(file)]) == 0
    assert main(["storage", "import", *other, str(file)]) == 0
    assert main(["storage", "compact", *other]) == 0
    assert main(["storage", "export", *other, str(again)]) == 0
    assert again.read_bytes() == file.read_bytes()
    assert main(["storage", "status", *other]) == 0


def test_a_grid_opens_in_pandas_with_gaps_as_gaps(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    asked = ["--tag", "odd*", "--from", "2024-04-07T00:01:40Z", "--to", "2024-04-07T00:06:40Z"]
    command = ["storage", "export", "--state", str(state), *asked, "--every", "100", str(file)]
    assert main(command) == 0
    frame = pd.read_csv(file, parse_dates=["time_utc"])
    assert list(frame.columns) == ["time_utc", "odd, 'tag'"]
    assert frame["odd, 'tag'"].tolist()[:2] == [10.0, 20.0]
    assert pd.isna(frame["odd, 'tag'"][2])
    assert frame["odd, 'tag'"].tolist()[3:] == [40.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tag,value\na,1\n", "no column 'at_utc'"),
        (HEAD + "a,2024-04-07T00:00:00,2024-04-07T00:00:00,1,great\n", "row 1, column quality"),
        (HEAD + "a,2024-04-07T00:00:00,2024-04-07T00:00:00,,good\n", "row 1, column value"),
        (HEAD + "a,2024-04-07T00:00:00,2024-04-07T00:00:00,nan,good\n", "row 1, column value"),
        (HEAD + "a,2024-04-07T00:00:00,2024-04-08T00:00:00,1,good\n", "within 60 s after at_utc"),
        (HEAD + "a,yesterday,yesterday,1,good\n", "ISO 8601"),
        (HEAD + "a,2024-04-07T00:00:00,2024-04-07T00:00:00,warm,good\n", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(
    state: Path, tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    assert main(["storage", "import", "--state", str(state), str(file)]) == 2
    assert says in capsys.readouterr().err
    store = LocalTelemetry(state / "telemetry")
    assert "a" not in store.tags()
    store.close()


def test_who_asks_for_what_is_not_there_is_told(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.csv")
    for command, says in (
        (["export", "--state", str(tmp_path / "none"), out], "holds no records"),
        (["export", "--state", str(state), "--tag", "x*", out], "matches 'x*'"),
        (["export", "--state", str(state), str(tmp_path / "out.xls")], ".parquet or .csv"),
        (["export", "--state", str(state), "--from", "noon", out], "is no time"),
        (["compact", "--state", str(state), "--keep-readings", "0.1"], "at least 1 day"),
        (["upgrade", "--state", str(tmp_path / "none")], "nothing to upgrade"),
        (["downgrade", "--state", str(state), "hot"], "CHAIN=REVISION"),
        (["downgrade", "--state", str(state), "hot=h9999"], "no revision 'h9999'"),
        (["downgrade", "--state", str(state), "fleet=f0001"], "no chain 'fleet'"),
        (["status", "--state", str(state), "--database", "mysql://x"], "only postgresql://"),
    ):
        assert main(["storage", *command]) == 2
        assert says in capsys.readouterr().err
    assert not Path(out).exists()
