"""A generator of commands and telemetry that means harm, in `tests.safety_world`."""

from __future__ import annotations

import math
import random

from facility.commands import Mode, Move, Origin
from facility.telemetry import Quality
from tests.safety_kit import (
    DEW_POINTS,
    LEAK,
    MEASURED_FLOW,
    QUIET,
    SUPPLY,
    read_back,
)
from tests.safety_world import (
    DEVICE,
    HIGHEST,
    LOWEST,
    NAMES,
    World,
)

WILD = (math.nan, math.inf, -math.inf, 1e308, -1e12, 0.0, -0.0, 5e-324)


def adversary(seed: int, steps: int) -> World:
    """A world after ``steps`` commands of a generator that means harm."""
    dice, world = random.Random(seed), World()
    authorities = ["nobody"]
    for _ in range(steps):
        name = dice.choice(NAMES)
        _mishap(dice, world)
        if dice.random() < 0.3:
            world.arm(DEVICE[name])
        if dice.random() < 0.02:
            value = dice.uniform(LOWEST[name] - 1.0, HIGHEST[name] + 1.0)
            authorities.append(world.override(name, round(value, 1), 600.0))
        if dice.random() < 0.8:
            held, ahead = world.held[name], dice.choice((-1, 1)) * dice.choice((0.3, 2.0, 50.0))
            back = -math.copysign(dice.choice((0.0, 0.3, 50.0)), ahead)
            origin = dice.choice((Origin.OPTIMISER, Origin.OPTIMISER, *Origin))
            moves = (Move(name, held + back, held + ahead),)
            authorities.append(world.decide(moves, origin, 1800.0))
        authority = authorities[-1] if dice.random() < 0.8 else dice.choice(authorities[-6:])
        held_by = world.holders(name)
        if held_by and dice.random() < 0.7:
            authority = held_by[-1].id
        value = _value(dice, world, name, authority)
        world.command(name, value, _origin(dice, world, authority), authority)
        if held_by and dice.random() < 0.1:
            world.end_override(held_by[-1].id)
        if dice.random() < 0.3:
            world.scan()
    return world


def _value(dice: random.Random, world: World, name: str, authority: str) -> float:
    if authority in world.overrides and dice.random() < 0.8:
        return world.overrides[authority].value
    kind = dice.random()
    if kind < 0.05:
        return dice.choice(WILD)
    if kind < 0.3:
        edge = dice.choice((LOWEST[name], HIGHEST[name], world.held[name]))
        return edge + dice.choice((-1, 1)) * dice.choice((0.0, 1e-12, 5e-5, 1e-4, 0.05, 0.1))
    return world.held[name] + dice.gauss(0.0, 1.0)


def _origin(dice: random.Random, world: World, authority: str) -> Origin:
    if dice.random() < 0.1:
        return dice.choice(list(Origin))
    if authority in world.overrides:
        return Origin.PERSON
    made = world.decisions.get(authority)
    return made.origin if made else Origin.OPTIMISER


def _mishap(dice: random.Random, world: World) -> None:
    kind = dice.random()
    world.pass_time(dice.choice((0.0, 0.5, 5.0, 60.0, 300.0, 301.0)), fresh=kind > 0.03)
    if kind < 0.10:
        world.show(dice.choice(DEW_POINTS), dice.uniform(10.0, 30.0))
    elif kind < 0.14:
        tag = dice.choice(list(world.readings))
        world.show(tag, world.readings[tag].value, dice.choice(list(Quality)))
    elif kind < 0.34:
        _mend(world)
    elif kind < 0.35:
        world.show(LEAK, float(dice.random() < 0.3))
    elif kind < 0.37:
        world.show(MEASURED_FLOW, dice.uniform(8.0, 20.0))
    elif kind < 0.39:
        world.show("r2.case_temperature", dice.uniform(60.0, 80.0))
    elif kind < 0.40:
        world.show(SUPPLY, dice.uniform(10.0, 30.0))
    elif kind < 0.42:
        world.release(dice.choice(("cdu_1", "crah_1", "ch_1")))
    elif kind < 0.43:
        world.modes[dice.choice(NAMES)] = dice.choice(list(Mode))
    elif kind < 0.44:
        world.restart()
    elif kind < 0.47:
        _other_hand(dice, world)


def _mend(world: World) -> None:
    for tag, value in QUIET.items():
        world.show(tag, value)
    for name in NAMES:
        world.show(read_back(name), world.held[name])
        world.modes[name] = Mode.AUTOMATIC


def _other_hand(dice: random.Random, world: World) -> None:
    """Local control or a person at the panel moves a setpoint that is not ours."""
    name = dice.choice(NAMES)
    if not world.armed[DEVICE[name]]:
        world.held[name] = round(dice.uniform(LOWEST[name] - 2.0, HIGHEST[name] + 2.0), 1)
        world.show(read_back(name), world.held[name])
