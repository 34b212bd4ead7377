"""``site.toml``: the table ``[go_no_go]``, all of it with defaults."""

from __future__ import annotations

import dataclasses

from facility.go_no_go import GoCriteria
from facility.loading.table import TableReader

RANGES = {
    "least_saving_share": (-1.0, 1.0),
    "least_slope": (0.0, 1.0),
    "most_slope": (1.0, 10.0),
    "least_hours": (0.0, 8784.0),
}
SHARE = (0.0, 1.0)


def read_go_no_go(reader: TableReader) -> GoCriteria:
    """The site's criteria; what is not stated is as in `GoCriteria`."""
    normal = GoCriteria()
    given = {}
    for each in dataclasses.fields(GoCriteria):
        low, high = RANGES.get(each.name, SHARE)
        given[each.name] = reader.number(
            each.name, getattr(normal, each.name), minimum=low, maximum=high
        )
    reader.done()
    return GoCriteria(**given)
