"""Trim and respond, ASHRAE Guideline 36-2021 section 5.1.14.

Every ``step_s`` the setpoint is trimmed away from cooling by a little; requests beyond the
ignored ones answer towards cooling, each by ``respond``, together by ``max_respond``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TrimAndRespond:
    """One reset variable; larger is more cooling where ``respond`` is positive."""

    value: float
    low: float
    high: float
    trim: float
    respond: float
    max_respond: float
    ignored: int = 0
    step_s: float = 120.0
    waited_s: float = 0.0

    def update(self, requests: int, dt_s: float) -> float:
        """The value after ``dt_s`` with ``requests`` standing at the end of it."""
        self.waited_s += dt_s
        if self.waited_s < self.step_s:
            return self.value
        self.waited_s = 0.0
        change = self.trim
        beyond = requests - self.ignored
        if beyond > 0:
            answer = beyond * self.respond
            limit = abs(self.max_respond)
            change += min(max(answer, -limit), limit)
        self.value = min(max(self.value + change, self.low), self.high)
        return self.value


@dataclass
class Held:
    """How long a condition has held: for delays on enabling and disabling."""

    seconds: float = 0.0

    def update(self, condition: bool, dt_s: float) -> float:
        """Seconds that ``condition`` has been true without a break."""
        self.seconds = self.seconds + dt_s if condition else 0.0
        return self.seconds
