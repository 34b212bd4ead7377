"""A request ready for arithmetic, and the models as planning asks them.

Everything the learned models are asked during planning goes through `Predictor`, so that the
tests can put an analytic plant in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from controller.planning.corridor import Corridor
from controller.planning.layout import Ints, Layout
from controller.planning.settings import PlanningSettings
from controller.planning.words import PlanRequest
from facility.site import Site
from models.contract import Array, Inputs, PowerCuts, Sensitivities, Trajectory, UnitCuts


class Predictor(Protocol):
    """What the planner asks of the models, for one site."""

    @property
    def version(self) -> str:
        """Content hash of the models."""
        ...

    def roll_out(self, state: Any, inputs: Inputs) -> Trajectory:
        """Every rack over the inputs."""
        ...

    def trace(self, state: Any, inputs: Inputs, step_s: Array) -> Array:
        """(len(step_s), R) limited temperatures at the ends of steps that fill the inputs.

        ``step_s`` are parts of a minute that make whole minutes, and minutes after them.
        """
        ...

    def linearise(
        self,
        state: Any,
        inputs: Inputs,
        blocks: tuple[int, ...],
        racks: Sequence[int],
        weight: Array | None = None,
    ) -> tuple[Sensitivities, Array]:
        """About the roll-out of the inputs; ``gain`` is (N, T, B) for moves held over blocks.

        Of some racks; and (B, G) the derivative of ``sum(weight * limited_c)`` over all of them,
        with ``weight`` (T, R).
        """
        ...

    def power(self, inputs: Inputs) -> dict[str, Array]:
        """(T,) kW by component, without the leakage of IT."""
        ...

    def cuts(self, inputs: Inputs, n: int = 3) -> PowerCuts:
        """``n`` affine under-estimates of each of the plant's components and steps.

        The first is at the inputs.
        """
        ...

    def unit_cuts(self, inputs: Inputs, n: int = 3) -> UnitCuts:
        """The same of the units' pumps and fans."""
        ...

    def leakage(self, it_power_kw: Array, limited_c: Array) -> tuple[Array, Array]:
        """What IT draws for its temperature: kW above an arbitrary level, and kW a K; (T, R)."""
        ...

    def margins(self, lead_s: Array) -> Array:
        """(leads, R) K kept below the limits, one-sided."""
        ...

    def band(self, lead_s: Array) -> tuple[Array, Array]:
        """(leads, R) lower and upper end of the 90 % band, added to a prediction."""
        ...

    @property
    def power_basis(self) -> Array:
        """(F, G) features of the setpoints that span the slopes of the plant's components."""
        ...

    @property
    def power_error_kw(self) -> float:
        """Standard error of the total of `power`."""
        ...

    def state(self, record: str) -> Any:
        """The thermal state that a request carries."""
        ...


@dataclass(frozen=True)
class Situation:
    """A request with its state and its limits; what is asked often is worked out once."""

    site: Site
    request: PlanRequest
    state: Any
    layout: Layout
    corridor: Corridor
    predictor: Predictor
    worth: Mapping[str, float] = field(default_factory=dict)
    """By group that sets a storage tank's charge: what a kWh of cold in it is worth at the end of
    the horizon, in the site's currency."""

    @cached_property
    def limit_c(self) -> Array:
        """(R,) named limits."""
        return np.array([rack.limit_c for rack in self.site.racks.values()])

    @cached_property
    def recommended_c(self) -> Array:
        """(R,) where operators like the racks to stay; kept softly."""
        return np.array([rack.recommended_c for rack in self.site.racks.values()])

    @cached_property
    def rated_kw(self) -> Array:
        """(R,)."""
        return np.array([rack.rated_kw for rack in self.site.racks.values()])

    @cached_property
    def fine_step_s(self) -> Array:
        """(fine steps,) lengths of the steps of the roll-out that verifies."""
        return fine_steps(self.layout.settings, self.request.steps * self.request.step_s)

    @cached_property
    def fine_lead_s(self) -> Array:
        """(fine steps,) their ends."""
        return np.cumsum(self.fine_step_s)

    @cached_property
    def step_of_fine(self) -> Ints:
        """(fine steps,) the step of the request in which each lies."""
        middle_s = self.fine_lead_s - 0.5 * self.fine_step_s
        return np.asarray(middle_s // self.request.step_s, dtype=np.int64)

    @cached_property
    def fine_ends(self) -> Ints:
        """(T,) the last fine step of each step of the request."""
        return np.searchsorted(self.step_of_fine, np.arange(self.request.steps), side="right") - 1

    @cached_property
    def allowed_c(self) -> Array:
        """(fine steps, R) limits less margins."""
        return np.asarray(self.limit_c - self.predictor.margins(self.fine_lead_s))

    @cached_property
    def wished_c(self) -> Array:
        """(fine steps, R) the same, and no warmer than recommended."""
        return np.minimum(self.allowed_c, self.recommended_c)

    @cached_property
    def allowed_worst_c(self) -> Array:
        """(R,) limits less margins after the worst credible step."""
        settings = self.layout.settings
        margins = self.predictor.margins(np.array([settings.worst_step_s]))[0]
        return np.asarray(self.limit_c - settings.worst_margin_share * margins)

    def factor(self, component: str) -> float:
        """Measured over expected power of a component, ``name`` or ``name/unit``."""
        return self.request.power_factors.get(component.partition("/")[0], 1.0)

    @cached_property
    def mean_price(self) -> float:
        """Mean price of a kWh over the horizon; 1 where that is not above 0."""
        mean = float(np.mean(self.request.price_per_kwh))
        return mean if mean > 0.0 else 1.0

    @cached_property
    def hours(self) -> Array:
        """(T,) hours times relative price of each step, the last with the terminal cost."""
        request, settings = self.request, self.layout.settings
        price = np.array(request.price_per_kwh)
        relative = price / self.mean_price if price.mean() > 0.0 else np.ones_like(price)
        hours = np.maximum(relative, 0.0) * request.step_s / 3600.0
        # Spread over the last block, whose setpoint is the one that stays in force.
        last = settings.blocks[-1]
        hours[-last:] += settings.terminal_h * max(float(relative.mean()), 0.0) / last
        return hours

    def inputs(self, blocks: Array) -> Inputs:
        """The horizon's inputs under setpoints by block."""
        return self.request.inputs(self.corridor.steps(blocks))

    @cached_property
    def _block_means(self) -> tuple[Array, Array, Array]:
        """(B, R) load, (B,) wet bulb, (B,) dry bulb."""
        request, layout = self.request, self.layout
        mean = (layout.blocking / layout.blocking.sum(axis=0)).T
        return (
            mean @ request.it_power,
            mean @ np.array(request.wet_bulb_c),
            mean @ np.array(request.dry_bulb_c),
        )

    def block_inputs(self, blocks: Array) -> Inputs:
        """One row a block, with its mean load and weather: enough for static power models."""
        it_power_kw, wet_bulb_c, dry_bulb_c = self._block_means
        return Inputs(
            start_s=self.request.now_s,
            step_s=self.request.step_s,
            setpoints=blocks,
            it_power_kw=it_power_kw,
            wet_bulb_c=wet_bulb_c,
            dry_bulb_c=dry_bulb_c,
        )

    def worst_inputs(self, setpoints: Array) -> Inputs:
        """Every rack to its rated power in a minute, under ``setpoints`` (G,) held."""
        settings, request = self.layout.settings, self.request
        count = max(1, round(settings.worst_step_s / request.step_s))
        return Inputs(
            start_s=request.now_s,
            step_s=request.step_s,
            setpoints=np.tile(setpoints, (count, 1)),
            # The rise of a minute at the start of a 5-minute step is on the safe side as a jump.
            it_power_kw=np.tile(self.rated_kw, (count, 1)),
            wet_bulb_c=np.full(count, max(request.wet_bulb_c)),
            dry_bulb_c=np.full(count, max(request.dry_bulb_c)),
        )


def fine_steps(settings: PlanningSettings, horizon_s: float) -> Array:
    """Lengths of the steps of a roll-out that verifies: fine at first, then a minute each."""
    first_s = min(settings.verify_first_s, horizon_s)
    count = round(first_s / settings.verify_first_step_s)
    rest = round((horizon_s - first_s) / settings.verify_step_s)
    return np.repeat([settings.verify_first_step_s, settings.verify_step_s], [count, rest])
