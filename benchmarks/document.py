"""``docs/benchmarks.md``: renews the measured sections, leaves all other text alone.

A section lies between ``<!-- begin NAME ... -->`` and ``<!-- end NAME -->``. Sections may be
moved about and written around; a benchmark without one gets it at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NOTE = "measured by `python -m benchmarks`; changes made here are lost"
HEAD = """# Benchmarks

`make bench` measures these figures and renews the sections below; text outside them stays.
`python -m benchmarks NAME --full` runs the study behind a section.
"""


class DocumentError(Exception):
    """The page's markers are damaged; it is left as it is."""


def renew(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with the sections of ``results`` (by name) renewed.

    Raises
    ------
    DocumentError
        A section begins without an end, or twice.
    """
    page = text or HEAD
    for name, result in results.items():
        page = _replace(page, name, section(result))
    return page


def _replace(page: str, name: str, body: str) -> str:
    begin = re.findall(rf"^<!-- begin {re.escape(name)}\b.*-->$", page, re.MULTILINE)
    end = f"<!-- end {name} -->"
    block = f"<!-- begin {name}: {NOTE} -->\n{body}{end}"
    if not begin and end not in page:
        return page.rstrip("\n") + f"\n\n{block}\n"
    if len(begin) != 1 or page.count(end) != 1 or page.index(begin[0]) > page.index(end):
        raise DocumentError(
            f"docs/benchmarks.md: the section of {name} has to begin once with "
            f"`<!-- begin {name} -->` and to end once with `{end}`, each on a line of its own"
        )
    start, stop = page.index(begin[0]), page.index(end) + len(end)
    return page[:start] + block + page[stop:]


def section(result: Mapping[str, Any]) -> str:
    """A benchmark's result in Markdown."""
    machine = result["machine"]
    rows = [
        [m["name"], figure(m["value"]), m["unit"], goal(m), met(m), _cell(m["how"])]
        for m in result["measures"]
    ]
    lines = [
        f"## {result['benchmark']}",
        "",
        f"{result['about']}",
        "",
        f"Scope: {result['scope']}",
        "",
        *_table(["measure", "value", "unit", "goal", "met", "how"], rows),
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}; Python {result['versions']['python']}, "
        f"Isotherm {result['versions']['isotherm']} at "
        f"{result['versions'].get('revision', 'no known revision')}; "
        f"taken in {result['seconds']:.0f} s.",
    ]
    return "\n".join(lines) + "\n"


def figure(value: Any) -> str:
    """A value as people read it: four significant digits, thousands set apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0.0 or not 1e-4 <= abs(value) < 1e15:
            return f"{value:.4g}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def goal(measure: Mapping[str, Any]) -> str:
    """A goal with its relation, or nothing."""
    if measure["goal"] is None:
        return ""
    sign = "≤" if measure["relation"] == "at_most" else "≥"
    return f"{sign} {figure(measure['goal'])}"


def met(measure: Mapping[str, Any]) -> str:
    """Whether the goal is met, in a word that a missed one shouts."""
    return "" if measure["met"] is None else "yes" if measure["met"] else "**NO**"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "|".join("---" for _ in head) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
