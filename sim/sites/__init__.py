"""The reference sites, written to files by a command: ``isotherm site new NAME``."""

from __future__ import annotations

from pathlib import Path

from facility.loading import parse_site
from sim.parameters import PlantParameters
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts

__all__ = ["DESIGNS", "write"]


def write(name: str, directory: Path, base_port: int, *, seed: int = 1) -> None:
    """Write the reference site ``name`` into ``directory``.

    Writes ``site.toml``, ``points.csv`` and ``plant.toml`` (what only the simulator
    knows, drawn with ``seed``). Devices listen on the loopback address from
    ``base_port`` on, one port each.

    Raises
    ------
    KeyError
        There is no reference site of that name.
    """
    if name not in DESIGNS:
        known = ", ".join(sorted(DESIGNS))
        raise KeyError(f"there is no reference site {name!r}; there are {known}")
    files = dict(texts(DESIGNS[name](), base_port))
    site = parse_site(files["site.toml"], files["points.csv"])
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (directory / file).write_text(text, encoding="utf-8")
    PlantParameters.for_site(site, seed).save(directory / "plant.toml")
