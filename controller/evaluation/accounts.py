"""The accounts of a run against its baselines (the architecture's definitions).

Energy of a variant: electricity of chillers, towers, pumps, fans and CDUs; plus the signed
difference of its IT energy from that of the fixed-setpoint run (leakage and server fans answer to
temperature, work does not); plus, for heat that it has left in the plant beyond what the
fixed-setpoint run left, the electricity that removing it would cost at the variant's own mean
rate: cooling electricity for each kWh of heat. All variants start from one state. Throttled work
fails a run: energy saved by not computing is no saving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from controller.evaluation.files import FIXED, VARIANTS, EvaluationError, read_object


@dataclass(frozen=True, slots=True)
class Account:
    """What the simulator counted of one variant, all on noise-free truth."""

    components_kwh: Mapping[str, float]
    """Electricity of cooling by component."""
    it_energy_kwh: float
    heat_kwh: float
    """Heat put into air and water: IT, pumps, fans and compressors."""
    stored_at_start_kwh: float
    stored_at_end_kwh: float
    """Heat in water, metal and air."""
    throttled_kwh: float
    """IT energy not delivered because racks throttled or tripped."""
    limit_violation_degree_minutes: float
    """Above the named limits, summed over racks."""
    peak_excess_k: float
    """Highest excess of any rack over its limit; 0 where there was none."""
    over_recommended_degree_minutes: float
    """The same sum above the recommended temperatures; reported besides."""
    peak_cooling_kw: float
    water_m3: float
    """Evaporated by the towers."""

    @property
    def cooling_kwh(self) -> float:
        """Electricity of all cooling, as metered."""
        return sum(self.components_kwh.values())

    @property
    def pue(self) -> float:
        """(IT + cooling) / IT, as metered over the run."""
        return 1.0 + self.cooling_kwh / self.it_energy_kwh


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant's energy as the accounts define it, with its parts, kWh."""

    energy_kwh: float
    cooling_kwh: float
    it_difference_kwh: float
    stored_heat_kwh: float
    """Electricity for the heat left behind, relative to the fixed-setpoint run."""


def compare(accounts: Mapping[str, Account]) -> dict[str, Comparison]:
    """The energy of each variant, with the fixed-setpoint run as the zero of differences."""
    zero = accounts[FIXED]
    return {name: _comparison(account, zero) for name, account in accounts.items()}


def _comparison(account: Account, zero: Account) -> Comparison:
    cooling = account.cooling_kwh
    it_difference = account.it_energy_kwh - zero.it_energy_kwh
    left_kwh = account.stored_at_end_kwh - zero.stored_at_end_kwh
    stored = left_kwh * cooling / account.heat_kwh
    return Comparison(cooling + it_difference + stored, cooling, it_difference, stored)


def read_accounts(paths: Mapping[str, Path]) -> dict[str, Account]:
    """The accounts of all variants.

    Raises
    ------
    EvaluationError
        One is missing, lacks a figure, or counts no IT energy.
    """
    return {name: read_account(paths[name]) for name in VARIANTS}


def read_account(path: Path) -> Account:
    """One variant's accounts from the simulator's file."""
    return account_of(read_object(path), str(path))


def account_of(data: Mapping[str, Any], where: str) -> Account:
    """One variant's accounts from the simulator's figures; ``where`` they stand, for errors.

    Raises
    ------
    EvaluationError
        A figure is missing or none, or no IT energy is counted.
    """
    names = [field.name for field in fields(Account) if field.name != "components_kwh"]
    try:
        account = Account(
            components_kwh={str(k): float(v) for k, v in data["energy_kwh"].items()},
            **{name: float(data[name]) for name in names},
        )
    except KeyError as error:
        raise EvaluationError(f"{where} has no {error}: it is not the accounts of a run") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(f"{where} is not the accounts of a run: {error}") from None
    if account.it_energy_kwh <= 0.0 or account.heat_kwh <= 0.0:
        raise EvaluationError(f"{where} counts no IT energy, so there is nothing to compare")
    return account


def device_requests(path: Path) -> int:
    """Requests to write that the devices of a run received, malformed ones included."""
    data = read_object(path)
    try:
        return sum(int(count) for count in data["writes"]["requests"].values())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(f"{path} does not count the devices' requests: {error!r}") from None
