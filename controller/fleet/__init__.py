"""Several sites side by side, from their stores alone: no controller is asked, none is touched."""

from controller.fleet.sites import FleetError, SiteEntry, read_sites
from controller.fleet.view import SiteView, view_of

__all__ = ["FleetError", "SiteEntry", "SiteView", "read_sites", "view_of"]
