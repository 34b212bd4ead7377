"""A model's card, for people: what it is for, what it learned from, how good it is, its limits."""

from __future__ import annotations

from facility.clock import iso
from models.evaluation import Evaluation
from models.registry import Bundle


def card_text(bundle: Bundle, evaluation: Evaluation) -> str:
    """Markdown."""
    card = bundle.card
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in evaluation.metrics.items())
    notes = "\n".join(f"- {note}" for note in card.notes) or "- none"
    kind = "held out from its training" if evaluation.held_out else "NOT held out"
    return f"""# Model {bundle.version[:16]} of site {card.site}

**For** predicting rack temperatures up to four hours ahead and the cooling's electric power, for
Isotherm's optimiser and for people. **Not for** protection: the envelope does not use it.

| | |
|---|---|
| version | {bundle.version} |
| trained on | {iso(card.first_s)} to {iso(card.last_s)}, SHA-256 {card.data_hash} |
| code | SHA-256 {card.code_hash} |
| seed | {card.seed} |
| processor time | {card.trained_s:.0f} s |
| judged on | {iso(evaluation.first_s)} to {iso(evaluation.last_s)}, {kind} |

## Figures
Temperatures with the future inputs known; «forecast» with the loads forecast. RMSE in K, ratios to
persistence (the last five minutes' mean).

| figure | value |
|---|---|
{rows}

## Limits
- It knows the weather, loads and setpoints of its history. Outside them only its signs are promised
  (warmer supply never cools a rack; more flow in common never warms one while units have capacity),
  not its figures.
- A change of the plant (fouling, a replaced pump, moved racks) ends what it claims: `isotherm model
  drift` tells.

## Set aside in the history
{notes}
"""
