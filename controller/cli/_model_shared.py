"""What the commands of ``isotherm model`` share: their data, and their users' mistakes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError

if TYPE_CHECKING:
    import pandas as pd

    from facility.site import Site


def site_data(parser: argparse.ArgumentParser) -> None:
    """Add --site, and --data or --state, with --from and --to."""
    parser.add_argument("--site", type=Path, required=True, help="folder of the site")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="CSV or Parquet: time, and the site's tags")
    data.add_argument("--state", type=Path, help="of `isotherm serve`: its stored telemetry")
    parser.add_argument("--from", dest="start", help="use the history from this moment on")
    parser.add_argument("--to", dest="end", help="and until this one")


def registry_option(parser: argparse.ArgumentParser) -> None:
    """Add --registry."""
    parser.add_argument("--registry", type=Path, required=True, help="folder of the site's models")


def read(args: argparse.Namespace) -> tuple[Site, pd.DataFrame]:
    """The site, and its history as a table."""
    from controller.evaluation.shadow.inputs import read_record
    from facility.loading import load_site

    site = load_site(args.site)
    frame = read_record(site, data=args.data, state=args.state, start=args.start, end=args.end)
    return site, frame


@contextmanager
def mistakes() -> Iterator[None]:
    """What a user can mend becomes a message without a trace."""
    from controller.evaluation.shadow.replica import ShadowError
    from controller.lifecycle.experiment import ExperimentError
    from controller.lifecycle.gates import GatesError
    from facility.loading import SiteError
    from models.checkpoint import CheckpointError
    from models.dataset import DatasetError
    from models.layout import LayoutError
    from models.registry import RegistryError
    from models.versions import VersionsError
    from safety.limits import LimitsError

    try:
        yield
    except (
        CheckpointError,
        DatasetError,
        ExperimentError,
        GatesError,
        LayoutError,
        LimitsError,
        RegistryError,
        ShadowError,
        SiteError,
        VersionsError,
        OSError,
    ) as error:
        raise CommandError(str(error)) from None
