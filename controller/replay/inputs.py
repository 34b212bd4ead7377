"""The site's files and the models that decisions were made with, kept beside their records.

``inputs/sites/<content hash>/`` and ``inputs/models/<version>/`` below the state directory: a
replay needs them long after the site has been changed and the model trained anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from facility.loading import SiteError, load_site
from facility.site import Site

if TYPE_CHECKING:
    from models.registry import Bundle

INPUTS = "inputs"
SITE_FILES = ("site.toml", "points.csv")


class InputsError(Exception):
    """What a decision was made with is not at hand: where it was looked for, and the mend."""


def keep_inputs(state: Path, site: tuple[Path, Site], model: tuple[Path, Bundle]) -> None:
    """Keep copies of a site's files and of a model, once for each content."""
    from models.registry import CARD, MODEL, WEIGHTS

    site_dir, model_dir = site[0], model[0]
    _copy(site_dir, SITE_FILES, state / INPUTS / "sites" / site[1].content_hash)
    _copy(model_dir, (WEIGHTS, MODEL, CARD), state / INPUTS / "models" / model[1].version)


def site_of(state: Path, site_hash: str, given: Path | None = None) -> tuple[Path, Site]:
    """The site of a content hash, from the given directory or from what was kept.

    Raises
    ------
    InputsError
        Neither has it.
    """
    looked = [path for path in (given, state / INPUTS / "sites" / site_hash) if path is not None]
    for path in looked:
        try:
            site = load_site(path)
        except SiteError:
            continue
        if site.content_hash == site_hash:
            return path, site
    raise InputsError(
        f"the site's files with content {site_hash[:12]} are not in {_listed(looked)}: "
        "give the directory of the site as it was then with --site"
    )


def model_of(
    state: Path, version: str, site: Site, given: Path | None = None
) -> tuple[Path, Bundle]:
    """The model of a version, from the given directory or from what was kept.

    Raises
    ------
    InputsError
        Neither has it.
    """
    from models.registry import Bundle, RegistryError

    looked = [path for path in (given, state / INPUTS / "models" / version) if path is not None]
    for path in looked:
        try:
            bundle = Bundle.load(path, site)
        except RegistryError:
            continue
        if bundle.version == version:
            return path, bundle
    raise InputsError(
        f"the model {version[:12]} is not in {_listed(looked)}: give its directory with --model"
    )


def _copy(source: Path, names: Iterable[str], target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new") as folder:
        part = Path(folder) / "part"
        part.mkdir()
        for name in names:
            shutil.copyfile(source / name, part / name)
        part.rename(target)


def _listed(paths: Iterable[Path]) -> str:
    return " or ".join(str(path) for path in paths)
