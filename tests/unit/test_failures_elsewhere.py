"""What went wrong in other systems of the field and has no test of its own elsewhere here.

docs/hazards.md lists all of them.
"""

from __future__ import annotations

import pytest

from facility.loading import SiteError, parse_site
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts


def test_a_heartbeat_on_a_register_that_cannot_be_written_does_not_load() -> None:
    """evcc#22262: the heartbeat went to a read-only register, and the watchdog took over."""
    made = texts(DESIGNS["campus"](), 15000)
    header, *rows = made["points.csv"].splitlines()
    access = header.split(",").index("access")
    out = []
    for row in rows:
        cells = row.split(",")
        if cells[0] == "cdu1.heartbeat":
            cells[access] = "r"
        out.append(",".join(cells))
    with pytest.raises(SiteError, match="a heartbeat must be written"):
        parse_site(made["site.toml"], "\n".join([header, *out]))
