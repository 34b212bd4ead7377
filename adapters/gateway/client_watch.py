"""The dead man: whether somebody who knows what he is doing still holds the other end."""

from __future__ import annotations

from dataclasses import dataclass

from facility.site import GatewayLimits


@dataclass
class ClientWatch:
    """The one client that beats, and how old its plan is. All times are plant time."""

    limits: GatewayLimits
    holder: int | None = None
    """The connection that beats; the others may look, and release."""
    name: str = ""
    beat_at_s: float = 0.0
    plan_at_s: float | None = None
    """When the plan in force was made, as told with the last beat."""
    passed_at_s: float = 0.0
    """When a command last passed; stands in where the client has no plan."""

    def beat(self, connection: int, name: str, plan_age_s: float | None, now_s: float) -> str:
        """Take a heartbeat; answer why it is not taken, or nothing.

        The first connection that beats holds the gateway until it goes silent or closes.
        """
        if self.holder not in (None, connection) and self.is_alive(now_s):
            return f"another client holds the gateway: {self.name or 'without a name'}"
        if self.holder != connection:
            self.passed_at_s = now_s
        self.holder, self.name, self.beat_at_s = connection, name, now_s
        self.plan_at_s = None if plan_age_s is None else now_s - plan_age_s
        return ""

    def left(self, connection: int) -> bool:
        """A connection closed; answer whether it was the holder's."""
        if connection != self.holder:
            return False
        self.holder = None
        return True

    def is_alive(self, now_s: float) -> bool:
        """Whether the holder beats."""
        silent_s = now_s - self.beat_at_s
        return self.holder is not None and silent_s <= self.limits.beat_timeout_s

    def doubt(self, now_s: float) -> str:
        """Why nothing may stay armed, or nothing."""
        if self.holder is None:
            return "the client is gone"
        if not self.is_alive(now_s):
            return f"the client has been silent for more than {self.limits.beat_timeout_s:g} s"
        since_s = self.passed_at_s if self.plan_at_s is None else self.plan_at_s
        if now_s - since_s > self.limits.plan_max_age_s:
            return f"the plan is older than {self.limits.plan_max_age_s:g} s"
        return ""
