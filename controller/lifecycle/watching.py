"""The model in use watched while it runs: an hour and group of racks at a time.

What `isotherm model drift` counts over stored telemetry is counted here as the hours pass, from the
controller's start on, and told among the alarms.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import numpy as np

from controller.estimation.history import tags_used
from controller.storage.ports import TelemetryStore
from facility.site import Site
from facility.telemetry import Condition
from models.dataset import STEP_S, DatasetError, History
from models.drift import FALSE_ALARM_DAYS, HOURS_A_DAY, Chart, Drift, bound, step
from models.evaluation import HORIZON_ROWS, group_rms
from models.layout import rack_groups
from models.registry import Bundle
from models.versions import STATE, Versions

LOOK_BACK_S = 4.0 * 3600.0
"""An hour that is judged, and three before it to know the state that it began in."""
KEPT_HOURS = 24 * 28


def claims_of(model: Path, version: str) -> dict[str, float]:
    """What a version claims, by group of racks, K; empty where it lies in no registry.

    A model in a folder of its own was never judged on days that it had not seen.
    """
    if not (model / STATE).exists():
        return {}
    told = [e for e in Versions(model).evaluations(version) if e["held_out"]]
    return dict(told[0]["claims_k"]) if told else {}


class DriftWatch:
    """Counts how the model in use does, hour by hour."""

    def __init__(
        self, site: Site, bundle: Bundle, claims_k: dict[str, float], telemetry: TelemetryStore
    ) -> None:
        self._site, self._bundle, self._telemetry = site, bundle, telemetry
        self._claims_k, self._tags = claims_k, tags_used(site)
        self._groups = rack_groups(site)
        self._chart = Chart()
        self._limit = bound(len(claims_k) * FALSE_ALARM_DAYS * HOURS_A_DAY) if claims_k else 0.0
        self._errors: dict[str, deque[tuple[float, float]]] = {
            name: deque(maxlen=KEPT_HOURS) for name in claims_k
        }

    def look(self, now_s: float) -> tuple[Condition, ...]:
        """Judge the hour that ends now; answers what asks for somebody."""
        end_s = math.floor(now_s / STEP_S) * STEP_S
        frame = self._telemetry.frame(self._tags, end_s - LOOK_BACK_S, end_s)
        try:
            history = History.of(self._site, frame, self._bundle.thermal.layout)
            before = history.part(0, history.rows - HORIZON_ROWS)
            state = self._bundle.thermal.start_from(before)
        except DatasetError:
            return self._told()  # too little was recorded of these hours to judge anything by
        coming = history.part(history.rows - HORIZON_ROWS, history.rows)
        if not coming.usable.all():
            return self._told()
        path = self._bundle.thermal.roll_out(state, coming.inputs(0, coming.rows)).limited_c
        error = (coming.limited_c[-1] - path[-1])[None]
        for name, claim_k in self._claims_k.items():
            rms = float(group_rms(error, self._groups[name])[0])
            if np.isfinite(rms):
                self._errors[name].append((end_s, rms))
                self._chart = step(self._chart, name, end_s, rms > claim_k)
        return self._told()

    def _told(self) -> tuple[Condition, ...]:
        found = []
        for name, claim_k in self._claims_k.items():
            if self._chart.sums.get(name, 0.0) < self._limit:
                continue
            since_s = self._chart.since_s[name]
            after = [error for time_s, error in self._errors[name] if time_s >= since_s]
            rms = math.sqrt(sum(error * error for error in after) / len(after))
            last_s = self._errors[name][-1][0]
            found.append(Drift(name, since_s, last_s, claim_k, rms))
        return tuple(drift.condition(self._bundle.version) for drift in found)
