"""The limits that people have agreed to, kept beside the modes: wider ones wait for two people.

The site file can be edited by anybody who may edit files. So the gateway keeps the limits it last
ran with, and on each start compares the site's with them. What only became tighter counts at once
and makes a new version. What became wider anywhere stops every write until two different people
have approved exactly these limits. The first limits of a site count as version 1: a new gateway is
in shadow, and leaving that is a person's act of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.gateway.modes import write_atomically
from safety.guards import Limits
from safety.versions import Change, changes, tree

PEOPLE = 2
"""So many different people must approve wider limits."""
SHOWN = 3


class LimitBookError(Exception):
    """The file of limits cannot be used; the message names the mend."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to wider limits."""

    who: str
    why: str
    time_s: float


class LimitBook:
    """The agreed limits of a site, and what the site file asks for beyond them.

    Parameters
    ----------
    wanted
        The limits of the site as its files are now.
    path
        ``limits.json``; None keeps them in memory only (tests, benchmarks, demonstrations).

    Raises
    ------
    LimitBookError
        The file is damaged.
    OSError
        It cannot be read or written.
    """

    def __init__(self, wanted: Limits, path: Path | None = None) -> None:
        self._wanted, self._path = json.loads(json.dumps(tree(wanted))), path
        self.hash = wanted.hash
        kept = _load(path) if path is not None and path.exists() else None
        self.version: int = 1 if kept is None else kept["version"]
        self.changes: tuple[Change, ...] = (
            () if kept is None else changes(kept["limits"], self._wanted)
        )
        self._agreed: Mapping[str, Any] = self._wanted if kept is None else kept["limits"]
        self._approvals: list[Approval] = []
        if self.widened:
            waiting = (kept or {}).get("waiting", {})
            # A yes is to these very limits: after one more edit it counts for nothing.
            if waiting.get("hash") == self.hash:
                self._approvals = [Approval(**each) for each in waiting["approvals"]]
        elif kept is None or self.changes:
            self.version += kept is not None
            self._agreed = self._wanted
            self._keep()

    @property
    def widened(self) -> tuple[Change, ...]:
        """What became wider than anybody has agreed to."""
        return tuple(change for change in self.changes if change.widens)

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Who has said yes to the wider limits so far."""
        return tuple(self._approvals)

    @property
    def doubt(self) -> str:
        """Why nothing may be written, or nothing."""
        wider = self.widened
        if not wider:
            return ""
        shown = "; ".join(str(change) for change in wider[:SHOWN])
        more = f" and {len(wider) - SHOWN} more" if len(wider) > SHOWN else ""
        missing = PEOPLE - len(self._approvals)
        return (
            f"the site's limits are wider than version {self.version}: {shown}{more}; "
            f"{missing} more {'person' if missing == 1 else 'people'} must approve them "
            "(`isotherm limits approve`), or restore the site files and restart the gateway"
        )

    def approve(self, who: str, why: str, now_s: float) -> bool:
        """One person's yes; answer whether the limits are agreed to now.

        Raises
        ------
        ValueError
            There is nothing to approve, or this person has approved already.
        OSError
            It could not be kept; nothing has changed.
        """
        if not self.widened:
            raise ValueError(f"nothing waits for approval: limits version {self.version} holds")
        if any(each.who == who for each in self._approvals):
            raise ValueError(f"{who} has approved already; another person must, too")
        self._approvals.append(Approval(who, why, now_s))
        agreed = len(self._approvals) >= PEOPLE
        before = (self.version, self._agreed, self.changes)
        if agreed:
            self.version, self._agreed, self.changes = self.version + 1, self._wanted, ()
        try:
            self._keep()
        except OSError:
            self.version, self._agreed, self.changes = before
            self._approvals.pop()
            raise
        return agreed

    def told(self) -> dict[str, Any]:
        """For `status`, JSON-ready."""
        return {
            "version": self.version,
            "hash": self.hash,
            "doubt": self.doubt,
            "changes": [
                {
                    "where": change.where,
                    "before": change.before,
                    "after": change.after,
                    "widens": change.widens,
                }
                for change in self.changes
            ],
            "approvals": [_told(each) for each in self._approvals],
        }

    def _keep(self) -> None:
        if self._path is None:
            return
        text = json.dumps(
            {
                "version": self.version,
                "limits": self._agreed,
                "waiting": {
                    "hash": self.hash,
                    "approvals": [_told(each) for each in self._approvals],
                },
            },
            separators=(",", ":"),
        )
        write_atomically(self._path, text + "\n")


def _told(approval: Approval) -> dict[str, Any]:
    return {"who": approval.who, "why": approval.why, "time_s": approval.time_s}


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found["limits"], dict) or not isinstance(found["version"], int):
            raise ValueError("its limits or its version are missing")
        for each in found["waiting"]["approvals"]:
            Approval(**each)
    except (ValueError, KeyError, TypeError) as error:
        raise LimitBookError(
            f"{path} is damaged ({error}): without it nobody knows which limits people agreed "
            "to; restore it, or delete it to take the site's limits as they are for a new version 1"
        ) from None
    return dict(found)
