"""The record of writes is complete, one line of JSON each."""

from __future__ import annotations

import json
from pathlib import Path

from facility.points import Role
from sim.recorder import Recorder, Target

SETPOINT = Target("cdu1", "holding", "10", 'cdu1."odd" tag', Role.SETPOINT)
UNKNOWN = Target("cdu1", "holding", "99")


def test_every_write_is_a_line_with_its_bytes(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.jsonl") as recorder:
        recorder.write(12.5, SETPOINT, b"\x09\xc4", 25.0, accepted=True)
        recorder.write(13.0, UNKNOWN, b"", None, accepted=False)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert lines == [
        {
            "time_s": 12.5,
            "device": "cdu1",
            "tag": 'cdu1."odd" tag',
            "table": "holding",
            "address": "10",
            "raw": "09c4",
            "value": 25.0,
            "kind": "setpoint",
            "accepted": True,
        },
        {
            "time_s": 13.0,
            "device": "cdu1",
            "tag": None,
            "table": "holding",
            "address": "99",
            "raw": "",
            "value": None,
            "kind": None,
            "accepted": False,
        },
    ]


def test_to_enable_and_to_release_are_two_kinds() -> None:
    enable = Target("cdu1", "coil", "1", "cdu1.remote_enable", Role.ENABLE)
    recorder = Recorder()
    recorder.write(0.0, enable, b"\x01", 1.0, accepted=True)
    recorder.write(0.0, enable, b"\x00", 0.0, accepted=True)
    recorder.write(0.0, enable, b"\x02", None, accepted=False)
    recorder.write(0.0, UNKNOWN, b"\x02", None, accepted=False)
    recorder.request("cdu1")
    assert recorder.counts() == {
        "accepted": {"enable": 1, "release": 1},
        "rejected": {"enable": 1, "unknown": 1},
        "requests": {"cdu1": 1},
    }


def test_times_and_values_lose_no_digit(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r.jsonl")
    recorder.write(1_712_448_000.1, SETPOINT, b"", 0.1 + 0.2, accepted=True)
    recorder.flush()
    line = json.loads((tmp_path / "r.jsonl").read_text())
    assert (line["time_s"], line["value"]) == (1_712_448_000.1, 0.1 + 0.2)
    recorder.close()
