"""Functional tests by script: what people do, what they see, and what the points must say.

A script is TOML. A step with ``do`` is carried out and confirmed by a person; a step with ``tag``
is checked through the gateway. ``{name}`` in a text is filled in when the test is run::

    name = "A leak at {device}"
    purpose = "the device goes back to its own control when its leak rope is wet"

    [[steps]]
    do = "Wet the leak rope of {device}."

    [[steps]]
    expect = "the leak is seen"
    tag = "{device}.leak"
    equals = 1
    within_s = 30
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.site import Site

POLL_S = 1.0
_PLACE = re.compile(r"\{(\w+)\}")

Ask = Callable[[str], tuple[bool, str]]
"""Puts a step to a person: whether it was done and is as it should be, and a remark."""
Read = Callable[[str], float | None]
"""The good value of a tag now, or None."""


class ScriptError(Exception):
    """A script cannot be run; the message holds every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a person's where ``tag`` is empty, else a check."""

    text: str
    tag: str = ""
    at_least: float | None = None
    at_most: float | None = None
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """A test as it is run."""

    name: str
    purpose: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step."""

    text: str
    ok: bool
    seen: str


def read_script(text: str, file: str, site: Site, values: Mapping[str, str]) -> Script:
    """Parse a script and fill in ``values``.

    Raises
    ------
    ScriptError
        With every mistake: no TOML, unknown fields, tags the site has not, blanks left open.
    """
    problems: list[Problem] = []
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(
            [Problem(file, "", "", f"it is not TOML: {error}", "Mend that line.")]
        ) from None
    data = _filled(data, file, values, problems)
    head = TableReader(file, "", {**data, "steps": "present"}, problems)
    name, purpose = head.text("name"), head.text("purpose")
    head.text("steps")
    head.done()
    rows = data.get("steps")
    steps = []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
        problems.append(Problem(file, "[[steps]]", "", "there is none", "Add a step."))
        rows = []
    for number, row in enumerate(rows, start=1):
        steps.append(_step(TableReader(file, f"step {number}", row, problems), row, site))
    if problems:
        raise ScriptError(problems)
    return Script(name, purpose, tuple(steps))


def _filled(data: Any, file: str, values: Mapping[str, str], problems: list[Problem]) -> Any:
    if isinstance(data, dict):
        return {key: _filled(value, file, values, problems) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, file, values, problems) for value in data]
    if not isinstance(data, str):
        return data
    for name in _PLACE.findall(data):
        if name not in values:
            mend = f"Say --with {name}=VALUE."
            problem = Problem(file, "", name, "the test needs to know it", mend)
            if problem not in problems:
                problems.append(problem)
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), data)


def _step(reader: TableReader, row: Mapping[str, Any], site: Site) -> Step:
    if "tag" not in row:
        step = Step(reader.text("do"))
        reader.done()
        return step
    tag = reader.text("tag")
    if "{" not in tag:
        reader.known("tag", tag, site.points, "tag")
    equals = reader.optional_number("equals")
    at_least, at_most = reader.optional_number("at_least"), reader.optional_number("at_most")
    if equals is not None:
        at_least = at_most = equals
    if at_least is None and at_most is None:
        reader.problem("equals", "nothing is expected", "Add equals, at_least or at_most.")
    step = Step(
        reader.text("expect"),
        tag,
        at_least,
        at_most,
        reader.number("within_s", 10.0, minimum=0.0, maximum=86_400.0),
    )
    reader.done()
    return step


def run_script(
    script: Script,
    ask: Ask,
    read: Read,
    wait: Callable[[float], None],
    tell: Callable[[str, float], None],
    outcomes: list[Outcome],
) -> None:
    """Carry out a script; every step's outcome is in ``outcomes`` as soon as it is known.

    A step that fails ends the test: what comes after rests on it.
    """
    for number, step in enumerate(script.steps):
        if step.tag:
            outcome = _check(step, read, wait, tell, number / len(script.steps))
        else:
            ok, remark = ask(step.text)
            outcome = Outcome(step.text, ok, remark)
        outcomes.append(outcome)
        if not outcome.ok:
            return


def _check(
    step: Step,
    read: Read,
    wait: Callable[[float], None],
    tell: Callable[[str, float], None],
    share: float,
) -> Outcome:
    waited_s = 0.0
    while True:
        value = read(step.tag)
        shown = "no good value" if value is None else f"{value:g}"
        if value is not None and _is_as_expected(step, value):
            return Outcome(
                step.text, ok=True, seen=f"{step.tag} was {shown} after {waited_s:.0f} s"
            )
        if waited_s >= step.within_s:
            return Outcome(
                step.text, ok=False, seen=f"{step.tag} was {shown} after {waited_s:.0f} s"
            )
        tell(f"{step.text}: {step.tag} is {shown}, {waited_s:.0f} of {step.within_s:.0f} s", share)
        wait(POLL_S)
        waited_s += POLL_S


def _is_as_expected(step: Step, value: float) -> bool:
    low = step.at_least if step.at_least is not None else value
    high = step.at_most if step.at_most is not None else value
    return low <= value <= high
