"""``site.toml``: the table ``[worst_case]``, all of it with defaults."""

from __future__ import annotations

import dataclasses
from typing import Any

from facility.loading.table import TableReader
from facility.worst_case import WorstCase

RANGES = {
    "rise_s": (0.0, 3600.0),
    "idle_share": (0.0, 0.9),
    "answer_s": (10.0, 600.0),
    "tcs_holdup_s": (10.0, 3600.0),
    "fws_holdup_s": (10.0, 7200.0),
    "tower_holdup_s": (10.0, 7200.0),
    "air_holdup_s": (5.0, 3600.0),
    "restart_s": (30.0, 3600.0),
    "loading_per_min": (0.01, 5.0),
    "cdu_approach_k": (0.5, 20.0),
    "exchanger_approach_k": (0.5, 20.0),
    "coil_approach_k": (0.5, 30.0),
    "tower_approach_k": (1.1, 40.0),
    "tower_range_k": (1.1, 22.2),
    "design_wet_bulb_c": (-30.0, 40.0),
    "wet_bulb_rise_k": (0.0, 10.0),
    "rest_c": (5.0, 45.0),
    "case_rise_k": (5.0, 80.0),
    "case_tolerance": (0.0, 1.0),
    "air_rise_k": (3.0, 40.0),
    "server_air_share": (1.0, 3.0),
    "recirculation": (0.0, 0.8),
    "recirculation_gain": (0.0, 5.0),
}
"""What a figure may be: beyond it is a slip of the pen, or no plant of this kind."""


def read_worst_case(reader: TableReader) -> WorstCase:
    """The figures of the site's worst case; what is not stated is as in `WorstCase`."""
    normal = WorstCase()
    given: dict[str, Any] = {}
    for each in dataclasses.fields(WorstCase):
        low, high = RANGES[each.name]
        default = getattr(normal, each.name)
        bounds = {"minimum": low, "maximum": high}
        given[each.name] = (
            reader.optional_number(each.name, **bounds)
            if default is None
            else reader.number(each.name, default, **bounds)
        )
    reader.done()
    return dataclasses.replace(normal, **given)
