"""Fitting power: pumps and fans unit by unit, the plant's meters as convex networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from facility.site import Site
from models.checkpoint import Checkpoint
from models.contract import Array
from models.dataset import History
from models.layout import Layout, tower_loop
from models.leakage import find_leakage
from models.power import EXPONENT_RANGE, SIGNS, PlantPower, PowerModel, UnitPower, new_plant
from models.power_features import PowerLayout, block_mean, rest_of

ITERATIONS = 1500
RATE = 0.08
CHECK_EVERY = 25
PATIENCE = 8
DECAY = 1e-5
STRETCH_BLOCKS = 36
"""Three hours."""
LEAST_KW = 0.01
"""A meter whose mean is below this has nothing to fit."""


@dataclass(frozen=True)
class _Blocks:
    """Means over `BLOCK_ROWS`."""

    features: Tensor
    exogenous: Tensor
    usable: Tensor
    weight: Tensor
    """Blocks in which the water's temperatures moved count less."""
    judging: Tensor
    """Blocks that are not fitted."""


def plant_meters(site: Site) -> dict[str, tuple[str, ...]]:
    """The meters of each component of the plant, by tag."""
    tower = tower_loop(site)
    found: dict[str, list[str]] = {name: [] for name in SIGNS}
    for point in site.points.values():
        if point.quantity == "power" and point.equipment in site.chillers:
            found["chillers"].append(point.tag)
        elif point.quantity == "fan_power" and point.equipment in site.towers:
            found["tower_fans"].append(point.tag)
        elif point.quantity == "pump_power" and point.equipment == tower:
            found["tower_pumps"].append(point.tag)
        elif point.quantity == "pump_power" and (
            point.equipment in site.loops or point.equipment in site.storage_tanks
        ):
            found["fws_pumps"].append(point.tag)
    return {name: tuple(tags) for name, tags in found.items() if tags}


def unit_meters(site: Site) -> dict[str, tuple[str, ...]]:
    """The meters of the components that are made of units, by tag."""
    found = {}
    for name, units, quantity in (
        ("cdu_pumps", site.cdus, "pump_power"),
        ("crah_fans", site.crahs, "fan_power"),
    ):
        tags = tuple(tag for unit in units if (tag := site.tag(unit, quantity)) is not None)
        if tags:
            found[name] = tags
    return found


def fit_power(
    site: Site,
    history: History,
    split: float,
    progress: Callable[[float], None],
    *,
    seed: int,
    effort: float = 1.0,
    checkpoint: Checkpoint | None = None,
) -> PowerModel:
    """Fit all components on ``split`` of the history; the rest stops the fit and is its error.

    Unlike a forecast, power depends on no yesterday, so that stretches of the rest lie between
    those that are fitted: at the end of the history alone they might all be of one season.
    """
    layout = PowerLayout.of(site, history.layout)
    blocks = _blocks(layout, history, split)
    _, late = history.split(split)
    meters = {
        name: tuple(tag for tag in tags if tag in history.meters)
        for name, tags in plant_meters(site).items()
    }
    meters = {name: tags for name, tags in meters.items() if tags}
    plant = nn.ModuleDict()
    errors: dict[str, float] = {}
    for number, (name, tags) in enumerate(meters.items()):
        net = new_plant(name, layout, seed + number)
        stage = checkpoint.stage(f"power.{name}") if checkpoint is not None else None
        if stage is not None and (last := stage.last()) is not None:
            net.load_state_dict(last["net"])
            errors[name] = last["error_kw"]
        else:
            errors[name] = _fit_plant(
                net,
                blocks,
                _block_mean(sum_of(history, tags)),
                max(round(ITERATIONS * effort), CHECK_EVERY),
            )
            if stage is not None:
                stage.keep({"net": net.state_dict(), "error_kw": errors[name]})
        plant[name] = net
        progress((number + 1) / (len(meters) + 1))
    units = _units(site, history.layout, history)
    for component in dict.fromkeys(unit.component for unit in units):
        errors[component] = _unit_error(site, [u for u in units if u.component == component], late)
    return PowerModel(layout, plant, units, find_leakage(history), errors)


def sum_of(history: History, tags: tuple[str, ...]) -> Array:
    """(N,) sum of meters; NaN where one is missing."""
    return np.asarray(sum(history.meters[tag] for tag in tags))


def _block_mean(values: Array) -> Tensor:
    return torch.as_tensor(block_mean(values))


def _blocks(layout: PowerLayout, history: History, split: float) -> _Blocks:
    exogenous = layout.exogenous(history.it_power_kw, layout.staged_as_run(history))
    usable = _block_mean(history.usable.astype(float)) > 0.999
    seen = _block_mean(layout.seen(history))
    weight = torch.as_tensor(rest_of(history))
    stretch = torch.arange(len(seen)) // STRETCH_BLOCKS
    judging = (stretch * (1.0 - split)) % 1.0 >= split
    return _Blocks(seen, _block_mean(exogenous), usable, weight, judging)


def _fit_plant(
    net: PlantPower,
    blocks: _Blocks,
    target: Tensor,
    iterations: int,
) -> float:
    """Adam; answers the RMSE on the blocks that were not fitted, kW."""
    told = blocks.usable & ~torch.isnan(target) & ~blocks.judging
    scale = float(target[told].abs().mean()) if bool(told.any()) else 0.0
    cast(Tensor, net.scale_kw).fill_(max(scale, LEAST_KW))
    if scale < LEAST_KW:
        return 0.0
    spread = float(target[told].std().clamp_min(0.02 * scale))
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=iterations)
    best, kept, idle = float("inf"), _copy(net), 0
    for iteration in range(iterations):
        optimiser.zero_grad()
        found = net(blocks.features[told], blocks.exogenous[told])
        error = (found - target[told]) / spread
        each = torch.nn.functional.huber_loss(
            error, torch.zeros_like(error), delta=1.5, reduction="none"
        )
        loss = (each * blocks.weight[told]).sum() / blocks.weight[told].sum()
        loss = loss + DECAY * (net.weights().square().mean() + net.outdoor.square().mean())
        loss.backward()
        optimiser.step()
        schedule.step()
        if (iteration + 1) % CHECK_EVERY == 0:
            now = _rmse(net, blocks, target)
            idle = 0 if now < best else idle + 1
            if now < best:
                best, kept = now, _copy(net)
            if idle >= PATIENCE and iteration > iterations // 2:
                break
    net.load_state_dict(kept)
    return best


def _copy(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def _rmse(net: PlantPower, blocks: _Blocks, target: Tensor) -> float:
    told = blocks.usable & ~torch.isnan(target) & blocks.judging
    if not bool(told.any()):
        return 0.0
    with torch.no_grad():
        error = net(blocks.features[told], blocks.exogenous[told]) - target[told]
    weight = blocks.weight[told]
    return float(((error.square() * weight).sum() / weight.sum()).sqrt())


def _units(site: Site, layout: Layout, history: History) -> tuple[UnitPower, ...]:
    found = []
    for node in layout.nodes:
        component, quantity = {
            "cdu": ("cdu_pumps", "pump_power"),
            "crah": ("crah_fans", "fan_power"),
        }.get(node.kind, ("", ""))
        tag = site.tag(node.id, quantity) if component else None
        if tag is None or tag not in history.meters or node.flow < 0:
            continue
        actuator = site.groups[layout.groups[node.flow]][0]
        share = history.setpoints[:, node.flow] / node.flow_scale
        told = np.isfinite(share) & np.isfinite(history.meters[tag])
        constant, factor, exponent = _power_law(share[told], history.meters[tag][told])
        found.append(
            UnitPower(
                unit=node.id,
                component=component,
                group=node.flow,
                scale=node.flow_scale,
                minimum=actuator.minimum,
                maximum=actuator.maximum,
                constant_kw=constant,
                factor_kw=factor,
                exponent=exponent,
            )
        )
    return tuple(found)


def _power_law(share: Array, power: Array) -> tuple[float, float, float]:
    """Constant, factor and exponent by least squares; constant and factor are not below 0."""
    if len(share) == 0:
        return 0.0, 0.0, 3.0
    best = (np.inf, 0.0, 0.0, 3.0)
    for exponent in np.linspace(*EXPONENT_RANGE, 26):
        basis = np.stack([np.ones_like(share), np.maximum(share, 0.0) ** exponent], axis=1)
        (constant, factor), residual = nnls(basis, np.maximum(power, 0.0))
        if residual < best[0]:
            best = (float(residual), float(constant), float(factor), float(exponent))
    return best[1:]


def _unit_error(site: Site, units: list[UnitPower], history: History) -> float:
    error = np.zeros(history.rows)
    for unit in units:
        quantity = "pump_power" if unit.component == "cdu_pumps" else "fan_power"
        seen = history.meters[str(site.tag(unit.unit, quantity))]
        error += seen - unit.kw(history.setpoints[:, unit.group])
    means = _block_mean(error).numpy()
    means = means[np.isfinite(means)]
    return float(np.sqrt((means**2).mean())) if len(means) else 0.0
