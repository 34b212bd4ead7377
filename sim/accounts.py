"""The accounts of a run: energy by component, violations and peaks, on noise-free truth.

The definitions are the architecture's: energy is the electricity of chillers, towers, pumps,
fans and CDUs; the signed difference of IT energy between two runs counts besides, so does
the heat that one of them leaves stored; throttled work fails a run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a run used, rejected and broke since its account was opened."""

    seconds: float
    it_energy_kwh: float
    """IT with its own fans; leakage makes it depend on temperature."""
    energy_kwh: dict[str, float]
    """Cooling electricity: `chillers`, `towers`, `pumps` (facility and tower water),
    `fans` (CRAHs), `cdus`."""
    limit_violation_degree_minutes: float
    """Sum over racks of degree-minutes above their named limits."""
    peak_excess_k: float
    """Highest excess of any rack over its limit, 0 where there was none."""
    over_recommended_degree_minutes: float
    """Sum over racks of degree-minutes above the recommended temperature; reported besides."""
    throttled_kwh: float
    """IT energy taken back by throttling."""
    peak_cooling_kw: float
    peak_facility_kw: float
    """Highest power of IT and cooling together."""
    heat_kwh: float
    """Heat put into air and water: IT, pumps, fans and compressors."""
    rejected_kwh: float
    """Heat rejected by the towers."""
    stored_at_start_kwh: float
    stored_at_end_kwh: float
    """Heat stored in water, metal and air above 0 °C."""
    water_m3: float
    """Water evaporated."""
    make_up_water_m3: float
    """Water fed to the towers: evaporation, drift and blow-down."""

    @property
    def cooling_energy_kwh(self) -> float:
        """Electricity of all cooling."""
        return sum(self.energy_kwh.values())

    @property
    def pue(self) -> float | None:
        """Facility over IT energy (cooling alone counted); None without IT energy."""
        if self.it_energy_kwh <= 0.0:
            return None
        return 1.0 + self.cooling_energy_kwh / self.it_energy_kwh

    @property
    def stored_gain_kwh(self) -> float:
        """Heat that the plant holds more at the end than at the start."""
        return self.stored_at_end_kwh - self.stored_at_start_kwh

    @property
    def balance_error(self) -> float:
        """Share of the heat that is neither rejected nor stored: what the integration lost."""
        if self.heat_kwh <= 0.0:
            return 0.0
        return (self.heat_kwh - self.rejected_kwh - self.stored_gain_kwh) / self.heat_kwh


def compared_energy_kwh(run: Accounts, reference: Accounts) -> float:
    """Energy of ``run`` on the terms of ``reference``: what a saving is computed from.

    Cooling electricity, plus the IT energy beyond the reference's (leakage, server fans),
    plus the electricity that removing the heat left stored beyond the reference's would
    take at the run's own mean effort.
    """
    effort = run.cooling_energy_kwh / run.heat_kwh if run.heat_kwh > 0.0 else 0.0
    return (
        run.cooling_energy_kwh
        + (run.it_energy_kwh - reference.it_energy_kwh)
        + effort * (run.stored_at_end_kwh - reference.stored_at_end_kwh)
    )
