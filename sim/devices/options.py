"""The command line of the hosted devices."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from facility.clock import HURRY_LIMIT, from_iso
from sim.devices.run import RunOptions


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    site: Path
    load: Path | None
    """A CSV of IT load, or None for the built-in generator."""
    weather: Path | None
    """An EPW file, or None for the built-in generator."""
    faults: Path | None
    """A file of faults (`sim.faults.reading`)."""
    local: str
    seed: int
    run: RunOptions


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; on a mistake say what and exit with code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.devices",
        description="Host the simulated devices of a site on Modbus TCP and OPC UA.",
    )
    parser.add_argument("--site", type=_directory, required=True, metavar="DIR")
    parser.add_argument("--start", type=_checked(from_iso, "an ISO 8601 date"), required=True)
    parser.add_argument("--hours", type=_checked(_above_zero, "a number above 0"), required=True)
    parser.add_argument("--clock", choices=("stepped", "wall"), required=True)
    parser.add_argument("--rate", type=_checked(_above_zero, "a number above 0"))
    parser.add_argument("--pace", type=_checked(_above_zero, "a number above 0"))
    parser.add_argument("--load", type=_file, metavar="FILE")
    parser.add_argument("--weather", type=_file, metavar="FILE")
    parser.add_argument("--faults", type=_file, metavar="FILE")
    parser.add_argument("--local", choices=("guideline36", "fixed"), default="guideline36")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", default="", metavar="NAME,NAME")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    found = parser.parse_args(arguments)
    stepped = found.clock == "stepped"
    if stepped and found.rate is not None:
        parser.error("--rate is for --clock wall; use --pace to hold a stepped run back")
    if not stepped and found.pace is not None:
        parser.error("--pace is for --clock stepped; use --rate in wall time")
    if found.rate is not None and found.rate > HURRY_LIMIT:
        parser.error(f"--rate is at most {HURRY_LIMIT:g}; use --clock stepped to go faster")
    run = RunOptions(
        start_s=found.start,
        ends_at_s=found.start + 3600.0 * found.hours,
        out=found.out,
        stepped=stepped,
        rate=found.rate or 1.0,
        pace=found.pace,
        clients=tuple(name.strip() for name in found.clients.split(",") if name.strip()),
    )
    return Options(
        found.site, found.load, found.weather, found.faults, found.local, found.seed, run
    )


def _above_zero(text: str) -> float:
    if not 0.0 < (value := float(text)) < float("inf"):
        raise ValueError
    return value


def _checked(convert: Callable[[str], float], what: str) -> Callable[[str], float]:
    def checked(text: str) -> float:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None

    return checked


def _directory(text: str) -> Path:
    if not (path := Path(text)).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no directory; write a site there first")
    return path


def _file(text: str) -> Path:
    if not (path := Path(text)).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path
