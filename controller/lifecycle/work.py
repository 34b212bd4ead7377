"""What is done with a site's models: train, judge, promote, go back, watch, refit.

Everything that changes which model is in use is recorded with who did it and why; what the
gates refuse is recorded too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from controller.lifecycle.card import card_text
from controller.lifecycle.gates import Gates, Verdict, judge, to_json
from controller.lifecycle.replay import Replay
from facility.site import Site
from models.backtest import errors_at
from models.backtest import predict as predicted
from models.dataset import DatasetError, History
from models.drift import FALSE_ALARM_DAYS, Drift, watch
from models.evaluation import (
    HORIZON_ROWS,
    Evaluation,
    evaluate,
    group_rms,
    whole_origins,
)
from models.fit_thermal import repeatable
from models.layout import rack_groups
from models.registry import Bundle
from models.training import run_key, train_on
from models.versions import Action, Versions, VersionsError

HOLD_OUT_SHARE = 0.2
TRAINING = ".training"
HOUR_ROWS = 60
REFIT_DAYS = 14.0
"""A model older than this is refitted on schedule."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a training run goes."""

    seed: int = 0
    effort: float = 1.0
    hold_out: float = HOLD_OUT_SHARE
    """Last share of the time that is not learned from but judged on."""


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, why, and when (wall time)."""

    who: str
    why: str
    at_s: float

    def action(self, what: str, **details: object) -> Action:
        """For the registry's record; the version is filled in there."""
        return Action(self.at_s, what, "", self.who, self.why, dict(details))


@dataclass(frozen=True)
class Trained:
    """A version that training put into a registry."""

    name: str
    new: bool
    """False: the same data and seed were trained before."""
    evaluation: Evaluation


def split_frame(frame: pd.DataFrame, hold_out: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The earlier part of a table, and its last ``hold_out`` of the time."""
    index = pd.DatetimeIndex(frame.index)
    cut = index[0] + (index[-1] - index[0]) * (1.0 - hold_out)
    return frame[index < cut], frame[index >= cut]


def train_version(
    site: Site,
    frame: pd.DataFrame,
    registry: Versions,
    by: By,
    *,
    settings: Settings,
    earlier: tuple[History, ...] = (),
    progress: Progress | None = None,
) -> Trained:
    """Train on all but the last of ``frame``, judge on that, and keep the version.

    Interrupted, the next call with the same arguments goes on where this one was.

    Parameters
    ----------
    earlier
        Histories from before ``frame`` that are learned from too.

    Raises
    ------
    DatasetError, CheckpointError, VersionsError
        It cannot be done; the registry is as it was.
    """
    early, late = split_frame(frame, settings.hold_out)
    own, held = History.of(site, early), History.of(site, late)
    history = History.joined([*earlier, own]) if earlier else own
    key = run_key(history, settings.seed, settings.effort)
    bundle = train_on(
        site,
        history,
        seed=settings.seed,
        effort=settings.effort,
        progress=progress,
        checkpoint=registry.folder / TRAINING / f"{key[:16]}.pt",
    )
    with repeatable():
        evaluation = evaluate(site, bundle, held)

    def write(folder: Path) -> None:
        bundle.save(folder)
        (folder / "card.md").write_text(card_text(bundle, evaluation), encoding="utf-8")

    details = {"data": bundle.card.data_hash, "code": bundle.card.code_hash, "seed": settings.seed}
    name, new = registry.add(site.id, bundle.version, write, by.action("added", **details))
    registry.keep_evaluation(name, evaluation.to_json())
    return Trained(name, new, evaluation)


def evaluate_version(
    site: Site, registry: Versions, version: str, frame: pd.DataFrame
) -> Evaluation:
    """Judge a version on a table and keep the result beside it."""
    bundle = Bundle.load(registry.folder_of(version), site)
    with repeatable():
        found = evaluate(site, bundle, History.of(site, frame))
    registry.keep_evaluation(version, found.to_json())
    return found


def promote(
    registry: Versions, version: str, gates: Gates, by: By
) -> tuple[bool, tuple[Verdict, ...]]:
    """Put a version into use if it passes every gate; either way it is recorded.

    It is judged by its latest evaluation that was held out, and against the model in use by
    that model's evaluation on the same history.

    Raises
    ------
    VersionsError
        It is in use already, or nothing has judged it.
    """
    name = registry.name_of(version)
    own = [Evaluation.from_json(data) for data in registry.evaluations(name)]
    if not own:
        raise VersionsError(f"{name} was never judged: isotherm model evaluate {name} ...")
    latest = next((e for e in reversed(own) if e.held_out), own[-1])
    current = registry.state.current
    champion = None
    verdicts: tuple[Verdict, ...] = ()
    if current is not None and current != name:
        others = [Evaluation.from_json(data) for data in registry.evaluations(current)]
        champion = next((e for e in others if e.data_hash == latest.data_hash), None)
        if champion is None:
            verdicts = (
                Verdict(
                    "over_champion",
                    False,
                    f"{current}, in use, was not judged on the same history: isotherm model "
                    f"compare {current} {name} ...",
                ),
            )
    verdicts = (*judge(gates, latest, champion), *verdicts)
    passed = all(verdict.passed for verdict in verdicts)
    details = {
        "gates": asdict(gates),
        "gates_hash": gates.digest,
        "data": latest.data_hash,
        "verdicts": to_json(verdicts),
    }
    if passed:
        registry.promote(name, by.action("promoted", **details))
    else:
        registry.note(name, by.action("refused", **details))
    return passed, verdicts


def hourly_errors(
    site: Site, bundle: Bundle, history: History
) -> Mapping[str, list[tuple[float, float]]]:
    """By group of racks: (time, RMS error an hour ahead, K) for every hour of a history."""
    with repeatable():
        origins = whole_origins(bundle.thermal, history, HOUR_ROWS)
        if not origins.rows:
            raise DatasetError(["the history holds no three unbroken hours to watch a model on"])
        path = predicted(bundle.thermal, history, origins, HORIZON_ROWS)
    errors = errors_at(history, origins, path, (HORIZON_ROWS * 60.0,))[:, 0]
    times_s = history.time_s[np.array(origins.rows) + HORIZON_ROWS]
    found = {}
    for name, members in rack_groups(site).items():
        rms = group_rms(errors, members)
        told = np.isfinite(rms)
        pairs = zip(times_s[told].tolist(), rms[told].tolist(), strict=True)
        found[name] = [(float(t), float(e)) for t, e in pairs]
    return found


def drift_of(
    site: Site,
    registry: Versions,
    frame: pd.DataFrame,
    version: str = "current",
    false_alarm_days: float = FALSE_ALARM_DAYS,
) -> tuple[Drift, ...]:
    """Groups of racks for which a version no longer keeps what its evaluation claims.

    Raises
    ------
    VersionsError
        Nothing has judged it, so it claims nothing.
    """
    claims = [e for e in registry.evaluations(version) if e["held_out"]]
    if not claims:
        raise VersionsError(f"{version} has no held-out evaluation, so it claims nothing yet")
    bundle = Bundle.load(registry.folder_of(version), site)
    errors = hourly_errors(site, bundle, History.of(site, frame))
    return watch(claims[0]["claims_k"], errors, false_alarm_days)


def why_refit(
    site: Site, registry: Versions, frame: pd.DataFrame, now_s: float, every_days: float
) -> str | None:
    """Why the model in use is due for a refit; None where it is not.

    ``now_s`` is plant time: the end of the telemetry.
    """
    drifted = drift_of(site, registry, frame)
    if drifted:
        return f"drift of {', '.join(drift.group for drift in drifted)}"
    bundle = Bundle.load(registry.folder_of("current"), site)
    age_days = (now_s - bundle.card.last_s) / 86400.0
    if age_days > every_days:
        return f"its latest data are {age_days:.0f} days old, a refit is due after {every_days:g}"
    return None


def refit(
    site: Site,
    registry: Versions,
    frame: pd.DataFrame,
    by: By,
    *,
    settings: Settings,
    progress: Progress | None = None,
) -> tuple[Trained, Evaluation | None]:
    """Train a challenger on recent days and on those kept for replay; judge both on the latest.

    Nothing is promoted. Answers the challenger, and the model in use on the same history.
    """
    replay = Replay(registry.folder)
    begin_s = pd.DatetimeIndex(frame.index)[0].timestamp()
    trained = train_version(
        site,
        frame,
        registry,
        by,
        settings=settings,
        earlier=replay.histories(site, begin_s),
        progress=progress,
    )
    early, late = split_frame(frame, settings.hold_out)
    replay.offer(site, early)
    current = registry.state.current
    if current is None or current == trained.name:
        return trained, None
    return trained, evaluate_version(site, registry, current, late)
