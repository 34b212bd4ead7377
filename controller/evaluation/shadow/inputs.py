"""What a shadow run is given by files: the record, and the learned parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from controller.authority.automatic import ModeAlone
from controller.evaluation.shadow.replica import ShadowError
from facility.clock import from_iso
from facility.points import Access
from facility.site import Site

if TYPE_CHECKING:
    from controller.estimation.forecasts import Prices
    from controller.planning.settings import PlanningSettings
    from controller.planning.words import Planner
    from controller.tick import Gateway, Parts
    from models.registry import Bundle

ROW_S = 60.0


@dataclass(frozen=True)
class LearnedParts:
    """The model, and the planner over it."""

    bundle: Bundle
    planner: Planner
    settings: PlanningSettings

    def wired(self, site: Site, gateway: Gateway, prices: Prices | None = None) -> Parts:
        """A live tick's parts, in which every proposal is carried out at ``gateway``."""
        from controller.estimation.learned import LearnedEstimator, LearnedForecaster
        from controller.tick import Parts

        return Parts(
            site=site,
            model_version=self.bundle.version,
            estimator=LearnedEstimator(site, self.bundle),
            forecaster=LearnedForecaster(site, self.bundle),
            planner=self.planner,
            authority=ModeAlone(),
            gateway=gateway,
            prices=prices,
            settings=self.settings,
        )


def learned_parts(
    site: Site, model: Path, settings: PlanningSettings | None = None
) -> LearnedParts:
    """Load a model and make the planner that runs live, in this process.

    Without ``settings`` they are those that run live. Whichever: plant time stands still while a
    plan is made, so that no limit of time decides which stages are tried, and no machine's speed.

    Raises
    ------
    ShadowError
        There is no model of this site in that folder.
    """
    import torch

    from controller.planning.predictor import LearnedPredictor
    from controller.planning.settings import PlanningSettings
    from controller.planning.solve import PlanMaker
    from controller.planning.worker import InProcessPlanner
    from models.registry import Bundle, RegistryError

    torch.set_num_threads(1)  # small tensors: more threads only wait, and sum in another order
    try:
        bundle = Bundle.load(model, site)
    except RegistryError as error:
        raise ShadowError(str(error)) from None
    settings = replace(settings or PlanningSettings(), stage_time_s=None)
    maker = PlanMaker(site, LearnedPredictor(site, bundle), settings)
    return LearnedParts(bundle, InProcessPlanner(maker), settings)


def read_record(
    site: Site,
    *,
    data: Path | None = None,
    state: Path | None = None,
    start: str | None = None,
    end: str | None = None,
) -> pd.DataFrame:
    """The record as a table of the site's tags, from a file or from stored telemetry.

    Raises
    ------
    ShadowError
        It cannot be read, or nothing is left of it between ``start`` and ``end``.
    """
    try:
        bounds = [None if text is None else from_iso(text) for text in (start, end)]
    except ValueError as error:
        raise ShadowError(f"--from, --to: {error}") from None
    frame = _stored(site, state, bounds) if state is not None else _file(data)
    for bound, keep_later in zip(bounds, (True, False), strict=True):
        if bound is not None:
            moment = pd.Timestamp(bound, unit="s", tz="UTC")
            frame = frame[frame.index >= moment] if keep_later else frame[frame.index < moment]
    if frame.empty:
        raise ShadowError("the record has no rows in that period")
    return frame


def _file(path: Path | None) -> pd.DataFrame:
    if path is None:
        raise ShadowError("give the record as a file or as stored telemetry")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ShadowError(f"{path}: {error}") from None
    if "time" in frame:
        try:
            frame = frame.set_index(pd.to_datetime(frame.pop("time"), utc=True))
        except (ValueError, TypeError) as error:
            raise ShadowError(f"{path}, column time: {error}") from None
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is None:
        raise ShadowError(
            f"{path}: no column time in UTC; give each row its moment, as 2026-03-01T00:00:00Z"
        )
    return frame.tz_convert("UTC")


def _stored(site: Site, state: Path, bounds: list[float | None]) -> pd.DataFrame:
    from controller.storage.ports import StorageError
    from controller.storage.telemetry import LocalTelemetry

    tags = [p.tag for p in site.points.values() if p.access is not Access.WRITE]
    folder = state / "telemetry"
    if not folder.is_dir():
        raise ShadowError(f"{folder} does not exist: --state is the folder given to isotherm serve")
    try:
        store = LocalTelemetry(folder, {p.tag: p.dead_band for p in site.points.values()})
    except StorageError as error:
        raise ShadowError(str(error)) from None
    try:
        extent = store.extent()
        if extent is None:
            raise ShadowError(f"{folder} holds nothing yet")
        start_s = extent[0] if bounds[0] is None else bounds[0]
        end_s = extent[1] if bounds[1] is None else bounds[1]
        return store.frame(tags, start_s, end_s, ROW_S)
    finally:
        store.close()
