"""The model that a demonstration needs: trained on the first run, then kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

HISTORY_SEED = 20_240_101
TAUGHT_BY = (
    "controller/demo/model.py",
    "facility/excitation.py",
    "sim/history.py",
    "sim/plant/*.py",
    "sim/bms/*.py",
    "models/*.py",
)
"""Sources of what makes a kept model: with other code it would be another model."""


def home() -> Path:
    """Where Isotherm keeps what it makes: ``ISOTHERM_HOME``, else ``.isotherm`` here."""
    return Path(os.environ.get("ISOTHERM_HOME", ".isotherm"))


def site_key(folder: Path) -> str:
    """A short hash of a site's files, whatever ports it listens on, and of what teaches a model."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[2]
    for pattern in TAUGHT_BY:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    for name in ("site.toml", "points.csv", "plant.toml"):
        text = (folder / name).read_text(encoding="utf-8")
        digest.update(re.sub(r"(?m)^port = \d+$", "", text).encode())
    return digest.hexdigest()[:16]


def ensure_model(
    folder: Path, *, seed: int, progress: Callable[[str, float], None]
) -> tuple[Path, bool]:
    """The folder of a model for the simulated site in ``folder``, and whether it is new.

    Where there is none, the simulator records a history with excitation (weather and IT
    load of its own generators, other than any replayed trace) and a model is trained on it.
    ``progress`` gets a stage's name and its share done, 0 to 1.
    """
    from facility.loading import load_site
    from models.registry import Bundle, RegistryError
    from models.training import train
    from sim.history import record_commissioning
    from sim.parameters import PlantParameters

    site = load_site(folder)
    kept = home() / "models" / f"{site.id}-{site_key(folder)}-{seed}"
    if (kept / "card.json").exists():
        try:
            Bundle.load(kept, site)
        except RegistryError:  # of an earlier Isotherm, whose models had another shape
            shutil.rmtree(kept)
        else:
            return kept, False
    parameters = PlantParameters.load(folder / "plant.toml", site)
    frame = record_commissioning(
        site,
        parameters,
        seed=HISTORY_SEED + seed,
        progress=lambda share: progress("recording history with excitation", share),
    )
    bundle = train(
        site, frame, seed=seed, progress=lambda share: progress("training the model", share)
    )
    unfinished = kept.with_name(kept.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    bundle.save(unfinished)
    unfinished.rename(kept)
    return kept, True
