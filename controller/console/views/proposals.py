"""A proposal as a person judges it: now, proposed and limit side by side, with what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.authority.inbox import PENDING, proposal_of
from controller.charts import Band as Shade
from controller.charts import Chart, Line
from controller.console import words
from controller.planning.standing import MoveNow, as_it_stands
from controller.storage.ports import Record
from facility.commands import Band, Mode, Proposal
from facility.devices import Actuator
from facility.site import Site
from facility.telemetry import Snapshot


@dataclass(frozen=True, slots=True)
class MoveLine:
    """One setpoint that would move."""

    actuator: str
    name: str
    unit: str
    digits: int
    now: float
    proposed: float
    minimum: float
    maximum: float
    cools_more: bool
    in_advisory: bool
    is_left: bool
    """Whether there is anything left of it to do, from where the setpoint is now."""

    @property
    def asked(self) -> bool:
        """Whether an approval would write it."""
        return self.in_advisory and self.is_left

    @property
    def change(self) -> float:
        """Proposed less now, in the setpoint's unit (degrees: K)."""
        return self.proposed - self.now

    @property
    def from_percent(self) -> float:
        """Where ``now`` lies in the range of the envelope, 0 to 100."""
        return _percent(self.now, self.minimum, self.maximum)

    @property
    def to_percent(self) -> float:
        """Where ``proposed`` lies in it."""
        return _percent(self.proposed, self.minimum, self.maximum)


@dataclass(frozen=True, slots=True)
class BoundLine:
    """A reading that must stay within bounds while the proposal holds."""

    name: str
    unit: str
    value: float | None
    lower: float
    upper: float

    @property
    def holds(self) -> bool:
        """Whether it does now."""
        return self.value is not None and self.lower <= self.value <= self.upper


@dataclass(frozen=True, slots=True)
class Peak:
    """The worst of a band over the horizon, for the proposal and for holding still."""

    name: str
    unit: str
    limit: float | None
    proposed: float
    proposed_upper: float
    holding: float
    holding_upper: float


@dataclass(frozen=True, slots=True)
class ProposalPage:
    """All that the page shows of one proposal."""

    id: str
    state: str
    outcome: Mapping[str, Any] | None
    proposal: Proposal
    currency: str
    moves: tuple[MoveLine, ...]
    bounds: tuple[BoundLine, ...]
    reasons: tuple[str, ...]
    """Without what binds, which has a table of its own."""
    peaks: tuple[Peak, ...]
    charts: tuple[Chart, ...]

    @property
    def asked(self) -> tuple[MoveLine, ...]:
        """What an approval would move."""
        return tuple(move for move in self.moves if move.asked)

    @property
    def outside(self) -> tuple[BoundLine, ...]:
        """Readings that have left the proposal's region: it cannot be approved then."""
        return tuple(bound for bound in self.bounds if not bound.holds)

    @property
    def saving_mwh_a_day(self) -> float:
        """Predicted saving if the day went on like the horizon, MWh."""
        return self.saving_kw * 24.0 / 1000.0

    @property
    def saving_kw(self) -> float:
        """Predicted, as looked at last."""
        recheck = self.proposal.recheck
        return self.proposal.saving_kw if recheck is None else recheck.saving_kw

    @property
    def saving_per_day(self) -> float:
        """The same in the site's currency, a day."""
        recheck = self.proposal.recheck
        return self.proposal.saving_per_day if recheck is None else recheck.saving_per_day


def proposal_page(site: Site, record: Record, snapshot: Snapshot | None) -> ProposalPage:
    """A record of a proposal, for the page."""
    proposal = proposal_of(record)
    modes = snapshot.modes if snapshot else {}
    waits = record.state == PENDING
    moves = [
        _move(site.actuators[line.move.actuator], line, modes)
        for line in as_it_stands(proposal, site, snapshot if waits else None)
    ]
    bounds = []
    for bound in proposal.region:
        point = site.points.get(bound.tag)
        bounds.append(
            BoundLine(
                name=words.actuator(bound.tag),
                unit=words.unit(_unit(point.quantity)) if point else "",
                value=snapshot.good(bound.tag) if snapshot else None,
                lower=bound.lower,
                upper=bound.upper,
            )
        )
    pairs = _pairs(proposal)
    return ProposalPage(
        id=record.id,
        state=record.state,
        outcome=record.body.get("outcome"),
        proposal=proposal,
        currency=site.tariff.currency,
        moves=tuple(moves),
        bounds=tuple(bounds),
        reasons=tuple(reason for reason in proposal.reasons if " binds: " not in reason),
        peaks=tuple(_peak(band, hold) for band, hold in pairs),
        charts=tuple(_chart(band, hold) for band, hold in pairs),
    )


def waiting(site: Site, record: Record | None) -> dict[str, Any] | None:
    """A proposal in one line, or None."""
    if record is None:
        return None
    told = record.body["proposal"]  # as kept: bands and bounds are not asked for here
    saved = told.get("recheck") or told
    return {
        "points": len(told["moves"]),
        "saving_kw": saved["saving_kw"],
        "saving_per_day": saved["saving_per_day"],
        "currency": site.tariff.currency,
        "expires_at_s": told["expires_at_s"],
    }


def _unit(quantity: str) -> str:
    from facility.quantities import QUANTITIES

    return QUANTITIES[quantity].kind.unit


def _move(actuator: Actuator, line: MoveNow, modes: Mapping[str, Mode]) -> MoveLine:
    now, proposed = line.move.now, line.move.proposed
    return MoveLine(
        actuator=actuator.id,
        name=words.actuator(actuator.id),
        unit=words.unit(actuator.unit),
        digits=1,
        now=now,
        proposed=proposed,
        minimum=actuator.minimum,
        maximum=actuator.maximum,
        cools_more=actuator.is_more_cooling(proposed, now),
        in_advisory=modes.get(actuator.id) is Mode.ADVISORY,
        is_left=line.is_left,
    )


def _percent(value: float, low: float, high: float) -> float:
    share = 100.0 * (value - low) / (high - low) if high > low else 0.0
    return round(min(100.0, max(0.0, share)), 1)


def _pairs(proposal: Proposal) -> list[tuple[Band, Band]]:
    """The bands of the proposal beside those of holding still, by name."""
    holding = {band.name: band for band in proposal.bands_now}
    return [(band, holding[band.name]) for band in proposal.bands if band.name in holding]


def _peak(band: Band, hold: Band) -> Peak:
    return Peak(
        name=band.name,
        unit=words.unit(band.unit),
        limit=band.limit,
        proposed=max(band.expected),
        proposed_upper=max(band.upper),
        holding=max(hold.expected),
        holding_upper=max(hold.upper),
    )


def _chart(band: Band, hold: Band) -> Chart:
    unit = words.unit(band.unit)
    return Chart(
        title=band.name[:1].upper() + band.name[1:],
        unit=unit,
        times_s=np.array(band.times_s),
        lines=(
            Line("if nothing moves", np.array(hold.expected), "fixed"),
            Line("as proposed", np.array(band.expected), "isotherm"),
        ),
        bands=(
            Shade(np.array(hold.lower), np.array(hold.upper), "fixed"),
            Shade(np.array(band.lower), np.array(band.upper), "isotherm"),
        ),
        limits=() if band.limit is None else ((f"limit {band.limit:g} {unit}", band.limit),),
        from_zero=band.unit == "kW",
    )
