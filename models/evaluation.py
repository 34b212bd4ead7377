"""How good a model is on a history that it was not trained on: what gates and people look at.

Every five minutes of the history is an origin that sees only what was before it. From there
the model runs an hour with what drove the hall known, and once more with the load forecast;
beside it stands persistence. Then its bands and margins are counted, its signs are tried,
and its power is held against the meters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facility.site import Site
from models.backtest import (
    Origins,
    errors_at,
    excess_at,
    expected_loads,
    persistence_at,
    predict,
    rmse,
    states_along,
)
from models.contract import Array, Inputs
from models.dataset import STEP_S, DatasetError, History
from models.fit_power import plant_meters, sum_of, unit_meters
from models.layout import rack_groups
from models.registry import Bundle
from models.supplies import SupplyDrive
from models.thermal import ThermalModel, node_drive
from models.uncertainty import UPPER_OF_BAND, tracked_upper

LEADS_S = (300.0, 1800.0, 3600.0)
HORIZON_ROWS = 60
ORIGIN_ROWS = 5
WARM_ROWS = 120
LEAST_ROWS = WARM_ROWS + 4 * HORIZON_ROWS
"""Six hours: fewer say nothing about an hour ahead."""
SIGN_ORIGINS = 60
WARMER_K = 1.0
MORE_FLOW = 1.1
SIGN_TOLERANCE_K = 1e-6
AT_CAPACITY = 0.02
"""Share of a unit's answer that comes from its capacity, above which it counts as saturated: more
flow through it really does warm its supply."""
CLAIM = 0.95
"""Quantile of a group's hourly error that drift is counted against."""
POWER_ROWS = 15
SETTLED_ROWS = 720
"""Half a day, after which the tracked upper band is counted."""


@dataclass(frozen=True)
class Evaluation:
    """A model on one history, in figures; ready for JSON."""

    version: str
    data_hash: str
    first_s: float
    last_s: float
    origins: int
    held_out: bool
    """Whether no minute of the history lies within the model's own training history."""
    metrics: dict[str, float]
    claims_k: dict[str, float]
    """By group of racks: its RMS error an hour ahead that 95 % of hours are below, K."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evaluation:
        """What `to_json` told."""
        return cls(**data)


def evaluate(site: Site, bundle: Bundle, history: History) -> Evaluation:
    """Measure ``bundle`` on ``history``.

    Raises
    ------
    DatasetError
        The history is too short, or holds no unbroken three hours.
    """
    if history.rows < LEAST_ROWS:
        raise DatasetError(
            [f"{history.rows} minutes are too few to judge a model: give it {LEAST_ROWS} at least"]
        )
    model = bundle.thermal
    origins = whole_origins(model, history)
    if not origins.rows:
        raise DatasetError(["the history holds no three unbroken hours to judge a model on"])
    known = predict(model, history, origins, HORIZON_ROWS)
    loads = expected_loads(bundle.load_model, history, origins, HORIZON_ROWS)
    forecast = predict(model, history, origins, HORIZON_ROWS, loads)
    errors = errors_at(history, origins, known, LEADS_S)
    metrics = _accuracy(model, history, origins, errors, forecast)
    metrics |= _coverage(site, bundle, history, origins, known, errors)
    metrics |= _signs(model, history, _some(origins, SIGN_ORIGINS))
    metrics |= power_error(site, bundle, history)
    first_s, last_s = float(history.time_s[0]), float(history.time_s[-1])
    card = bundle.card
    return Evaluation(
        version=bundle.version,
        data_hash=history.content_hash,
        first_s=first_s,
        last_s=last_s,
        origins=len(origins.rows),
        held_out=first_s > card.last_s or last_s < card.first_s,
        metrics=metrics,
        claims_k={
            name: float(np.quantile(values, CLAIM))
            for name, members in rack_groups(site).items()
            if len(values := known_only(group_rms(errors[:, -1], members)))
        },
    )


def whole_origins(
    model: ThermalModel, history: History, every: int = ORIGIN_ROWS, rows: int = HORIZON_ROWS
) -> Origins:
    """Origins after which what drives the hall is known for ``rows`` minutes."""
    found = states_along(model, history, WARM_ROWS, history.rows - rows, every)
    kept = [i for i, row in enumerate(found.rows) if history.usable[row + 1 : row + 1 + rows].all()]
    return Origins(tuple(found.rows[i] for i in kept), tuple(found.states[i] for i in kept))


def group_rms(errors: Array, members: tuple[int, ...]) -> Array:
    """(B,) root mean square over a group of errors (B, R); NaN where nothing was measured."""
    own = errors[:, list(members)]
    known = np.isfinite(own)
    count = known.sum(axis=1)
    total = (np.where(known, own, 0.0) ** 2).sum(axis=1)
    return np.sqrt(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def known_only(values: Array) -> Array:
    """Without NaN."""
    return values[np.isfinite(values)]


def _accuracy(
    model: ThermalModel, history: History, origins: Origins, errors: Array, forecast: Array
) -> dict[str, float]:
    none = persistence_at(history, origins, LEADS_S)
    expected = errors_at(history, origins, forecast, LEADS_S)
    found: dict[str, float] = {}
    for kind, racks in (("air", model.layout.air), ("liquid", model.layout.liquid)):
        if len(racks) == 0:
            continue
        ours, theirs, blind = rmse(errors, racks), rmse(none, racks), rmse(expected, racks)
        for at, lead_s in enumerate(LEADS_S):
            if not np.isfinite(ours[at]) or not np.isfinite(theirs[at]):
                continue
            name = f"{kind}_{round(lead_s / 60.0)}min"
            found[f"{name}_rmse_k"] = float(ours[at])
            found[f"{name}_over_persistence"] = float(ours[at] / max(theirs[at], 1e-6))
            found[f"{name}_forecast_rmse_k"] = float(blind[at])
    return found


def _coverage(
    site: Site,
    bundle: Bundle,
    history: History,
    origins: Origins,
    known: Array,
    errors: Array,
) -> dict[str, float]:
    """How often the truth was inside what was promised an hour ahead."""
    lead_s = np.array([LEADS_S[-1]])
    above = excess_at(history, origins, known, LEADS_S)[:, -1]
    inside, told, held, maxima = 0, 0, 0, 0
    for name, members in rack_groups(site).items():
        low, high = bundle.errors.band(lead_s, name)
        own = known_only(errors[:, -1, list(members)].ravel())
        inside += int(((own >= low[0]) & (own <= high[0])).sum())
        told += len(own)
        highest = np.where(np.isfinite(above), above, -np.inf)[:, list(members)].max(axis=1)
        highest = known_only(highest)
        held += int((highest <= bundle.errors.margins(lead_s, name)[0]).sum())
        maxima += len(highest)
    if told == 0:
        return {}
    return {
        "band_90_coverage": inside / told,
        "margin_99_coverage": held / max(maxima, 1),
        **_upper(site, bundle, origins, errors[:, -1]),
    }


def _upper(site: Site, bundle: Bundle, origins: Origins, errors: Array) -> dict[str, float]:
    """How often the truth was below the tracked upper band, once it had half a day to learn."""
    start_k = np.zeros(errors.shape[1])
    for name, members in rack_groups(site).items():
        _, high = bundle.errors.band(np.array([LEADS_S[-1]]), name)
        start_k[list(members)] = UPPER_OF_BAND * high[0]
    upper = tracked_upper(errors, start_k, HORIZON_ROWS // ORIGIN_ROWS)
    rows = np.array(origins.rows)
    late = rows - rows[0] >= SETTLED_ROWS
    known = np.isfinite(errors) & late[:, None]
    if not known.any():
        return {}
    below = (np.where(known, errors, np.inf) <= upper) & known
    count = known.sum(axis=0)
    by_rack = below.sum(axis=0)[count > 0] / count[count > 0]
    return {
        "upper_90_coverage": float(below.sum() / known.sum()),
        "upper_90_worst_rack": float(by_rack.min()),
    }


def _some(origins: Origins, count: int) -> Origins:
    places = np.unique(np.linspace(0, len(origins.rows) - 1, count).astype(int))
    return Origins(tuple(origins.rows[i] for i in places), tuple(origins.states[i] for i in places))


def _signs(model: ThermalModel, history: History, origins: Origins) -> dict[str, float]:
    """Wrong signs on every rack and minute of an hour: warmer supplies, and more flow in common."""
    usual = predict(model, history, origins, HORIZON_ROWS)
    nodes = model.layout.nodes
    warmer, faster = history.setpoints.copy(), history.setpoints.copy()
    for group in {node.setpoint for node in nodes if node.setpoint >= 0}:
        warmer[:, group] += WARMER_K
    for group in {node.flow for node in nodes if node.flow >= 0}:
        faster[:, group] *= MORE_FLOW
    up = predict(model, replace(history, setpoints=warmer), origins, HORIZON_ROWS)
    more = predict(model, replace(history, setpoints=faster), origins, HORIZON_ROWS)
    free = ~_saturated(model, history, origins)
    wrong = int((up < usual - SIGN_TOLERANCE_K).sum())
    wrong += int(((more > usual + SIGN_TOLERANCE_K) & free[:, None, :]).sum())
    return {
        "wrong_signs": float(wrong),
        "signs_tried": float(up.size + free.sum() * HORIZON_ROWS),
        "saturated_share": float(1.0 - free.mean()),
    }


def _saturated(model: ThermalModel, history: History, origins: Origins) -> NDArray[np.bool_]:
    """(B, R): a unit of the rack is out of capacity at some time within the hour."""
    spans = np.array(origins.rows)[:, None] + 1 + np.arange(HORIZON_ROWS)

    def cut(values: Array) -> torch.Tensor:
        return torch.as_tensor(values[spans]).transpose(0, 1).contiguous()

    layout, supplies = model.layout, model.net.supplies
    wet = cut(history.wet_bulb_c).unsqueeze(-1)
    drive = SupplyDrive(
        *node_drive(layout, cut(history.setpoints), cut(history.it_power_kw)), wet_bulb_c=wet
    )
    start = torch.as_tensor(np.stack([s.nodes for s in origins.states], axis=1))
    offsets = torch.as_tensor(np.stack([s.supply_offsets.value_k for s in origins.states]))
    with torch.no_grad():
        supply, _ = supplies(drive, start, offsets)
        at_floor, _ = supplies.slopes(drive, start, supply)
    strained = (at_floor > AT_CAPACITY).any(0).numpy()
    answer = np.zeros((len(origins.rows), len(layout.racks)), dtype=bool)
    answer[:, layout.liquid] = strained[:, layout.liquid_unit]
    answer[:, layout.air] = strained[:, layout.air_units].any(axis=-1)
    return answer


def power_error(site: Site, bundle: Bundle, history: History) -> dict[str, float]:
    """Error of the cooling's power against its meters, over means of a quarter of an hour.

    With setpoints as far as the thermal model says that the plant gets to them: one below what
    can be reached costs no more. ``power_cv_rmse`` and ``power_nmbe`` are shares of the mean, as
    ASHRAE Guideline 14 defines them, with no degrees of freedom taken off; nothing where no
    component is metered whole.
    """
    steps = history.rows // POWER_ROWS
    rows = slice(0, steps * POWER_ROWS)

    def blocks(values: Array) -> Array:
        part = values[rows]
        return np.asarray(part.reshape(steps, POWER_ROWS, *part.shape[1:]).mean(axis=1))

    usable = blocks(history.usable.astype(float)) > 0.999
    meters = {**plant_meters(site), **unit_meters(site)}
    known = [
        name
        for name in bundle.power.components
        if name in meters and all(tag in history.meters for tag in meters[name])
    ]
    if not known:
        return {}
    measured = blocks(np.sum([sum_of(history, meters[name]) for name in known], axis=0))
    told = usable & np.isfinite(measured)
    if told.sum() < 4:
        return {}
    inputs = Inputs(
        start_s=float(history.time_s[0]),
        step_s=POWER_ROWS * STEP_S,
        setpoints=blocks(bundle.power.layout.staged_as_run(history))[told],
        it_power_kw=blocks(history.it_power_kw)[told],
        wet_bulb_c=blocks(history.wet_bulb_c)[told],
        dry_bulb_c=blocks(history.dry_bulb_c)[told],
    )
    predicted = bundle.power.predict(replace(inputs, setpoints=bundle.thermal.reached(inputs)))
    error = measured[told] - np.sum([predicted[name] for name in known], axis=0)
    mean = max(float(measured[told].mean()), 1e-6)
    return {
        "power_cv_rmse": float(np.sqrt((error**2).mean())) / mean,
        "power_nmbe": float(error.mean()) / mean,
    }
