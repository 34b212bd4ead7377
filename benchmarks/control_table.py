"""The figures of the control benchmark: rows as the days end, then the measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from benchmarks.control_agents import AGENTS, BASELINES, OURS
from benchmarks.control_days import SEED, Day
from benchmarks.harness import Measure
from controller.evaluation.accounts import Account, Comparison, account_of, compare
from models.contract import Array

RESAMPLED = 2000
HEAD = (
    f"{'day':30}{'load':24}{'agent':14}{'kWh':>8}{'vs G36':>8}{'vs fixed':>9}{'K min':>8}"
    f"{'peak K':>7}{'moves/h':>8}{'fallback':>9}{'PUE':>7}{'water m3':>9}"
)


@dataclass
class Table:
    """What every agent made of the days it ran, by day and agent; filled by several threads."""

    days: Sequence[Day]
    say: Callable[[str], None]
    _raw: dict[tuple[int, str], Mapping[str, Any]] = field(default_factory=dict)
    _shown: set[tuple[int, str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def add(self, day: int, agent: str, result: Mapping[str, Any]) -> None:
        """Take a result, and show each row that can be compared now."""
        with self._lock:
            self._raw[day, agent] = result
            if not all((day, name) in self._raw for name in BASELINES):
                return
            if not self._shown:
                self.say(HEAD)
            for at, name in self._raw:
                if at == day and (at, name) not in self._shown:
                    self._shown.add((at, name))
                    self.say(self._row(day, name))

    def ran(self, agent: str) -> list[int]:
        """The days that an agent ran."""
        return [day for day in range(len(self.days)) if (day, agent) in self._raw]

    def account(self, day: int, agent: str) -> Account:
        """The plant's own account."""
        return account_of(self._raw[day, agent]["account"], f"{self.days[day].name}, {agent}")

    def counted(self, agent: str, name: str, days: Sequence[int]) -> list[float]:
        """What the controller counted, by day."""
        return [float(self._raw[day, agent][name]) for day in days]

    def energy_kwh(self, agent: str, days: Sequence[int]) -> Array:
        """(days,) as accounted, on the terms of each day's fixed run."""
        return np.array([self._compared(day, agent).energy_kwh for day in days])

    def saving(self, agent: str, baseline: str, days: Sequence[int]) -> float:
        """Share of the baseline's energy, summed over days."""
        ours, theirs = self.energy_kwh(agent, days), self.energy_kwh(baseline, days)
        return float(1.0 - ours.sum() / theirs.sum())

    def unstored_saving(self, agent: str, baseline: str, days: Sequence[int]) -> float:
        """The same share without what heat left behind is worth."""

        def used_kwh(name: str) -> float:
            found = [self._compared(day, name) for day in days]
            return sum(each.cooling_kwh + each.it_difference_kwh for each in found)

        return 1.0 - used_kwh(agent) / used_kwh(baseline)

    def total(self, agent: str, days: Sequence[int], of: Callable[[Account], float]) -> float:
        """A figure of the accounts summed over days."""
        return sum(of(self.account(day, agent)) for day in days)

    def _compared(self, day: int, agent: str) -> Comparison:
        return compare({name: self.account(day, name) for name in {agent, "fixed"}})[agent]

    def _row(self, number: int, agent: str) -> str:
        day, account, raw = self.days[number], self.account(number, agent), self._raw[number, agent]
        saved = [self.saving(agent, baseline, [number]) for baseline in BASELINES]
        if agent in BASELINES:
            controlled = " " * 17
        else:
            share = f"{raw['fallbacks'] / max(raw['ticks'], 1):.3f}" if "ticks" in raw else ""
            controlled = f"{raw['moves_per_point_hour']:8.2f}{share:>9}"
        return (
            f"{day.name:30}{f'{day.mix}, {day.site}':24}{agent:14}"
            f"{self.energy_kwh(agent, [number])[0]:8.0f}{saved[0]:8.1%}{saved[1]:9.1%}"
            f"{account.limit_violation_degree_minutes:8.2f}{account.peak_excess_k:7.2f}"
            f"{controlled}{account.pue:7.3f}{account.water_m3:9.1f}"
        )


def measures(table: Table, tariffs: Mapping[str, Any]) -> Iterator[Measure]:
    """Ours against both baselines; ``tariffs`` by site."""
    days = table.ran(OURS)
    what = f"{len(days)} paired days of {table.days[days[0]].hours:g} h each"
    for baseline, goal in (("guideline36", 0.12), ("fixed", 0.30)):
        low, high = _interval(table.energy_kwh(OURS, days), table.energy_kwh(baseline, days))
        by_day = ", ".join(
            f"{table.days[day].name} {table.saving(OURS, baseline, [day]):.1%}" for day in days
        )
        yield Measure(
            f"saving_vs_{baseline}",
            round(table.saving(OURS, baseline, days), 4),
            "of the energy",
            goal,
            "at_least",
            how=f"{what}, energy as accounted summed over the days; 90 % interval over days "
            f"{low:.1%} to {high:.1%} (bootstrap); {by_day}",
        )
    yield Measure(
        "saving_vs_guideline36_unstored",
        round(table.unstored_saving(OURS, "guideline36", days), 4),
        "of the energy",
        how=f"{what}; the same without the heat that each has left behind: electricity of cooling "
        "and the difference of IT alone. Who ends colder than the baseline has paid for it here, "
        "who ends warmer has not; in short windows the two differ",
    )
    yield from _limits(table, days, what)
    ticks, fallbacks = (int(sum(table.counted(OURS, n, days))) for n in ("ticks", "fallbacks"))
    yield Measure(
        "moves_per_point_hour",
        round(float(np.mean(table.counted(OURS, "moves_per_point_hour", days))), 2),
        "1/h",
        3.0,
        "at_most",
        how=f"{what}, setpoints that devices accepted over actuators and hours",
    )
    yield Measure(
        "fallback_share",
        round(fallbacks / max(ticks, 1), 4),
        "of the steps",
        0.02,
        "at_most",
        how=f"{what}, {fallbacks} of {ticks} steps without a verified answer of a solver",
    )
    yield from _besides(table, tariffs, days, what)


def _limits(table: Table, days: Sequence[int], what: str) -> Iterator[Measure]:
    for name, unit in (("violation_degree_minutes", "K min"), ("peak_excess_k", "K")):

        def of(agent: str, name: str = name) -> float:
            found = [table.account(day, agent) for day in days]
            if name == "peak_excess_k":
                return round(max(account.peak_excess_k for account in found), 3)
            return round(sum(a.limit_violation_degree_minutes for a in found), 3)

        yield Measure(
            name,
            of(OURS),
            unit,
            of("fixed"),
            "at_most",
            how=f"{what}, noise-free truth above the named limits; the goal is what the same days "
            f"under fixed setpoints have; under Guideline 36 {of('guideline36'):g}",
        )
    yield Measure(
        "throttled_kwh",
        round(table.total(OURS, days, lambda account: account.throttled_kwh), 3),
        "kWh",
        0.0,
        "at_most",
        how=f"{what}, IT energy not delivered because racks throttled",
    )


def _besides(
    table: Table, tariffs: Mapping[str, Any], days: Sequence[int], what: str
) -> Iterator[Measure]:
    """Cost, carbon, water and PUE: ours, with the baselines' beside them."""

    def priced(agent: str, of: Callable[[Any], float]) -> float:
        energies = table.energy_kwh(agent, days)
        return sum(
            float(kwh) * of(tariffs[table.days[day].site])
            for day, kwh in zip(days, energies, strict=True)
        )

    def pue(agent: str) -> float:
        cooling = table.total(agent, days, lambda account: account.cooling_kwh)
        return 1.0 + cooling / table.total(agent, days, lambda account: account.it_energy_kwh)

    currency = next(iter(tariffs.values())).currency
    for name, unit, digits, of, how in (
        ("cooling_cost", currency, 1, lambda a: priced(a, lambda t: t.energy_per_kwh),
         "energy as accounted at each site's tariff"),
        ("cooling_carbon_kg", "kg", 0, lambda a: priced(a, lambda t: t.carbon_g_per_kwh / 1e3),
         "energy as accounted at each site's carbon intensity"),
        ("water_m3", "m3", 1, lambda a: table.total(a, days, lambda account: account.water_m3),
         "evaporated by the towers"),
        ("pue", "1", 4, pue, "IT and cooling over IT, as metered"),
    ):  # fmt: skip
        theirs = ", ".join(f"{agent} {round(of(agent), digits):g}" for agent in BASELINES)
        yield Measure(name, round(of(OURS), digits), unit, how=f"{what}; {how}; {theirs}")


def ablated(table: Table) -> Iterator[Measure]:
    """What each agent that is not the whole of ours makes of the days that it ran."""
    for agent in AGENTS.values():
        days = table.ran(agent.name)
        if agent.name == OURS or not days:
            continue
        named = ", ".join(table.days[day].name for day in days)

        def kept(name: str, days: Sequence[int] = days) -> str:
            accounts = [table.account(day, name) for day in days]
            return (
                f"{sum(a.limit_violation_degree_minutes for a in accounts):.2f} K min above the "
                f"limits, {max(a.peak_excess_k for a in accounts):.2f} K at most"
            )

        counted = ""
        if agent.plans:
            of = {n: sum(table.counted(agent.name, n, days)) for n in ("fallbacks", "ticks")}
            counted = (
                f", {of['fallbacks']:.0f} of {of['ticks']:.0f} steps without a solver's verified "
                "answer"
            )
        yield Measure(
            f"saving_vs_guideline36.{agent.name}",
            round(table.saving(agent.name, "guideline36", days), 4),
            "of the energy",
            how=f"{agent.about}: {kept(agent.name)}{counted}; on the same days ({named}) the whole "
            f"of ours {table.saving(OURS, 'guideline36', days):.1%}, {kept(OURS)}",
        )


def share_of_best(table: Table, found: Mapping[int, Mapping[str, Any]]) -> Measure:
    """Of what a clairvoyant search found by day, the share that ours got."""
    days = list(found)
    theirs, ours = table.energy_kwh("guideline36", days), table.energy_kwh(OURS, days)
    # Who does better than the search has shown it to be weak: then ours is the best found.
    best = np.minimum([found[day]["energy_kwh"] for day in days], ours)
    saved, there_was = theirs - ours, theirs - best
    by_day = ", ".join(
        f"{table.days[day].name} {a:.0f} of {b:.0f} kWh (search after {found[day]['tried']} runs)"
        for day, a, b in zip(days, saved, there_was, strict=True)
    )
    share = float(saved.sum() / there_was.sum()) if there_was.sum() > 0.0 else 1.0
    return Measure(
        "share_of_best_found",
        round(share, 3),
        "of the saving",
        0.85,
        "at_least",
        how="of the saving over Guideline 36 of the best that a search found which knows the load, "
        f"the weather and the plant itself, one level a quantity: {by_day}",
    )


def _interval(ours: Array, theirs: Array) -> tuple[float, float]:
    """5 and 95 % of the saving over days drawn again."""
    draw = np.random.default_rng(SEED).integers(0, len(ours), (RESAMPLED, len(ours)))
    savings = 1.0 - ours[draw].sum(axis=1) / theirs[draw].sum(axis=1)
    low, high = np.quantile(savings, (0.05, 0.95))
    return float(low), float(high)
