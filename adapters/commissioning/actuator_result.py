"""What is asked of an actuator's check, and what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the check looked at."""

    name: str
    ok: bool | None
    """None where it could not be told."""
    detail: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who checks, why, and who watches."""

    who: str
    why: str
    witness: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How an actuator is to be checked."""

    step: float | None = None
    """In the actuator's unit, without sign; None for the usual one."""
    effect_s: float = 60.0
    """So long an effect is waited for."""
    measure_time_out: bool = True


@dataclass
class Result:
    """What was seen, in the actuator's unit and plant time."""

    actuator: str
    device: str
    unit: str
    person: Person
    started_s: float
    findings: list[Finding] = field(default_factory=list)
    before: float | None = None
    stepped_to: float | None = None
    effect_after_s: float | None = None
    time_out_s: float | None = None
    hand_back: str = ""
    """``ramp`` or ``jump``; empty where it could not be told."""
    hand_back_per_min: float | None = None
    after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing that was looked at failed."""
        return bool(self.findings) and all(finding.ok is not False for finding in self.findings)

    def note(self, name: str, ok: bool | None, detail: str) -> None:
        """Take down a finding."""
        self.findings.append(Finding(name, ok, detail))
