"""The planner as a worker process makes it: from the site's files and a model's."""

from __future__ import annotations

from pathlib import Path

from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from facility.loading import load_site
from models.registry import Bundle


def plan_maker(site: Path, model: Path, settings: PlanningSettings) -> PlanMaker:
    """The planner inside its worker process."""
    loaded = load_site(site)
    return PlanMaker(loaded, LearnedPredictor(loaded, Bundle.load(model, loaded)), settings)
