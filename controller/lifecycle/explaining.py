"""Why a rack is expected to be as warm as it is, with everything held as it is now."""

from __future__ import annotations

from facility.site import Site
from models.dataset import History
from models.explain import Explanation, explain, hold
from models.fit_thermal import repeatable
from models.registry import Bundle

USUAL_ROWS = 1440
"""The last day gives the usual conditions that now is compared with."""
STATE_ROWS = 240
MOST_AHEAD_MIN = 240


def explain_rack(
    site: Site, bundle: Bundle, history: History, rack: str, ahead_min: int
) -> Explanation:
    """Explain ``rack`` as it is expected ``ahead_min`` minutes after the end of ``history``.

    Raises
    ------
    DatasetError
        The history has no two unbroken hours at its end.
    """
    recent = history.part(max(history.rows - USUAL_ROWS, 0), history.rows)
    with repeatable():
        state = bundle.thermal.start_from(
            recent.part(max(recent.rows - STATE_ROWS, 0), recent.rows)
        )
        coming = hold(recent, ahead_min)
        return explain(bundle.thermal, state, recent, coming, site.racks[rack])
