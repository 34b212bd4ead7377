"""Days summed up: a row a variant and day, totals by variant, and what was proposed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.backtest.day import ANSWERS
from controller.backtest.score import LEADS_S, QUANTITIES
from facility.clock import iso

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Summary:
    """What some days of a variant say together."""

    variant: str
    day: str
    """Or the period, of totals."""
    steps: int
    planned: int
    fallbacks: int
    saving_kw: float | None
    """Mean over the planned steps, as expected then; None where nothing was planned."""
    saving_share: float | None
    """Of the power expected if everything were held."""
    moved_share: float | None
    """Of the planned steps: those that would have moved a setpoint."""
    answers: Mapping[str, int]
    """Commands by the envelope's answer."""
    by_check: Mapping[str, int]
    errors: Mapping[str, Mapping[str, Mapping[str, float]]]
    """By quantity and lead in seconds: the sums of `score`."""
    notes: Mapping[str, int]
    """Why steps were not planned."""

    @property
    def judged(self) -> int:
        """Commands."""
        return sum(self.answers.values())

    @property
    def refused_share(self) -> float | None:
        """Of the commands, those that the envelope would have refused."""
        return self.answers["refused"] / self.judged if self.judged else None

    def rms(self, quantity: str, lead_s: float) -> float | None:
        """RMS error at a lead; None where nothing was recorded to hold it against."""
        sums = self.errors[quantity][f"{lead_s:g}"]
        return math.sqrt(sums["square"] / sums["count"]) if sums["count"] else None

    def bias(self, quantity: str, lead_s: float) -> float | None:
        """Mean of predicted less recorded."""
        sums = self.errors[quantity][f"{lead_s:g}"]
        return sums["error"] / sums["count"] if sums["count"] else None

    def rms_share(self, quantity: str, lead_s: float) -> float | None:
        """RMS error over the mean of what was recorded."""
        sums, rms = self.errors[quantity][f"{lead_s:g}"], self.rms(quantity, lead_s)
        if rms is None or sums["recorded"] <= 0.0:
            return None
        return rms / (sums["recorded"] / sums["count"])

    def inside(self, lead_s: float) -> float | None:
        """Share of recorded temperatures within the model's 90 % band."""
        sums = self.errors["temperature_k"][f"{lead_s:g}"]
        return sums["inside"] / sums["count"] if sums["count"] else None


def summarise(results: Mapping[str, Mapping[str, Any]], variant: str, day: str) -> Summary:
    """Of the results of one variant's days, by key."""
    steps = [step for result in results.values() for step in result["steps"]]
    planned = [step for step in steps if step["saving_kw"] is not None]
    saving = _mean(step["saving_kw"] for step in planned)
    power = _mean(step["power_now_kw"] for step in planned)
    answers, checks = Counter[str](), Counter[str]()
    for result in results.values():
        answers.update({name: result["envelope"][name] for name in ANSWERS})
        checks.update(result["envelope"]["by_check"])
    return Summary(
        variant=variant,
        day=day,
        steps=len(steps),
        planned=len(planned),
        fallbacks=sum(step["fallback"] for step in steps),
        saving_kw=saving,
        saving_share=saving / power if saving is not None and power else None,
        moved_share=_mean(float(bool(step["moves"])) for step in planned),
        answers={name: answers[name] for name in ANSWERS},
        by_check=dict(checks.most_common()),
        errors={
            name: {f"{lead:g}": _added(results.values(), name, f"{lead:g}") for lead in LEADS_S}
            for name in QUANTITIES
        },
        notes=dict(Counter(step["note"] for step in steps if step["note"]).most_common()),
    )


def table(summaries: Sequence[Summary]) -> pd.DataFrame:
    """A row a summary, in their order; empty cells where nothing is known."""
    import pandas as pd

    return pd.DataFrame([_row(one) for one in summaries])


def proposals(results: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each setpoint that a step would have moved."""
    import pandas as pd

    rows = [
        (key.rpartition("_")[0], iso(step["time_s"]), group, now, aim, step["saving_kw"])
        for key, result in results.items()
        for step in result["steps"]
        for group, (now, aim) in step["moves"].items()
    ]
    head = ["variant", "time_utc", "setpoint", "in_force", "proposed", "expected_saving_kw"]
    return pd.DataFrame(rows, columns=head)


def _row(one: Summary) -> dict[str, Any]:
    row: dict[str, Any] = {
        "variant": one.variant,
        "day": one.day,
        "steps": one.steps,
        "planned": one.planned,
        "fallbacks": one.fallbacks,
        "expected_saving_kw": one.saving_kw,
        "expected_saving_share": one.saving_share,
        "moved_share": one.moved_share,
    }
    row |= {f"commands_{name}": one.answers[name] for name in ANSWERS}
    for lead in LEADS_S:
        minutes = f"{lead / 60.0:g}min"
        row |= {
            f"temperature_rms_k_{minutes}": one.rms("temperature_k", lead),
            f"temperature_bias_k_{minutes}": one.bias("temperature_k", lead),
            f"temperature_inside_band_{minutes}": one.inside(lead),
            f"power_rms_share_{minutes}": one.rms_share("power_kw", lead),
            f"load_forecast_rms_share_{minutes}": one.rms_share("it_power_kw", lead),
            f"wet_bulb_forecast_rms_k_{minutes}": one.rms("wet_bulb_k", lead),
        }
    return row


def _added(results: Iterable[Mapping[str, Any]], name: str, lead: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for result in results:
        for part, value in result["errors"][name][lead].items():
            found[part] = found.get(part, 0) + value
    return found


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None
