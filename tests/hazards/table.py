"""Hazards by check: what the code can name, what the table says, and whether the two fit.

The names of checks are found in the code itself: whatever is called a finding, an interval, a
condition, a wait or a bound there has a name, and that name is what a verdict shows.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.operators import mutants_of

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs" / "hazards.toml"
PAGE = ROOT / "docs" / "hazards.md"
NAMED = {
    *("Finding", "Interval", "Active", "Wait", "Bound", "Interlock", "Swing", "Redundancy"),
    *("_contact", "_wait"),
}
"""What takes the name of a check first."""
NO_CHECKS = {"interlocks", "overcooled"}
"""Names of limiters that a condition gives its own name to."""


@dataclass(frozen=True)
class Row:
    """A hazard, the checks against it, where their defaults come from, and their tests."""

    hazard: str
    checks: tuple[str, ...]
    default: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Elsewhere:
    """What went wrong in another system, and the test that it does not here."""

    what: str
    where: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The hazard table as people write it."""

    rows: tuple[Row, ...]
    elsewhere: tuple[Elsewhere, ...]


def read_table(path: Path = DATA) -> Table:
    """The data of the table."""
    data = tomllib.loads(path.read_text("utf-8"))
    return Table(
        tuple(
            Row(each["hazard"], tuple(each["checks"]), each["default"], tuple(each["tests"]))
            for each in data["hazard"]
        ),
        tuple(
            Elsewhere(each["what"], each["where"], tuple(each["tests"]))
            for each in data["elsewhere"]
        ),
    )


def checks_in_code() -> dict[str, set[str]]:
    """By name of a check: the functions that name it, as ``FILE::FUNCTION``."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "safety").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = dict(_constants(tree))
        for function, call in _calls(tree):
            for name in _names(call, constants):
                if name not in NO_CHECKS:
                    place = f"{path.relative_to(ROOT)}::{function}"
                    found.setdefault(name, set()).add(place)
    return found


def problems(table: Table) -> list[str]:
    """How the table and the repository differ, each with the mend; nothing where they fit."""
    found = []
    in_code, in_table = checks_in_code(), {name for row in table.rows for name in row.checks}
    for name in sorted(set(in_code) - in_table):
        places = ", ".join(sorted(in_code[name]))
        found.append(f"the check {name!r} ({places}) has no hazard: add it to docs/hazards.toml")
    found += [
        f"no code names the check {name!r}: take it out of docs/hazards.toml"
        for name in sorted(in_table - set(in_code))
    ]
    entries = [(row.hazard, row.tests) for row in table.rows]
    entries += [(each.what, each.tests) for each in table.elsewhere]
    for title, tests in entries:
        if not tests:
            found.append(f"{title!r} has no test: name one in docs/hazards.toml")
        found += [
            f"{title!r} names a test that does not exist: {test}"
            for test in tests
            if not _exists(test)
        ]
    return found


def page(table: Table) -> str:
    """The page that the table becomes."""
    in_code, counts = checks_in_code(), _mutants()
    lines = [HEAD]
    for row in table.rows:
        places = {place for name in row.checks for place in in_code.get(name, ())}
        count = sum(counts[place] for place in places)
        cells = (
            row.hazard,
            ", ".join(f"`{name}`" for name in row.checks),
            row.default,
            _links(row.tests),
            str(count),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [ELSEWHERE]
    lines += [f"| {each.what} | {each.where} | {_links(each.tests)} |" for each in table.elsewhere]
    return "\n".join(lines) + "\n"


def without_counts(text: str) -> str:
    """The page without the numbers of mutants, which change with every edit of the code."""
    return re.sub(r"\| \d+ \|$", "| |", text, flags=re.MULTILINE)


HEAD = """# Hazards

Written by `make hazards` from [hazards.toml](hazards.toml) and the code; a test fails where a check has no hazard, where a row names a check or a test that does not exist, and where this page is not what the command writes. *Mutants*: in how many ways `make mutation` breaks the functions that name these checks; each has to be noticed by a test.

The order in which checks are asked, and what each does, is in [safety.md](safety.md). Marks: [S] read in the source named, [P] our choice.

| hazard | checks | default and source | tests | mutants |
| --- | --- | --- | --- | --- |"""  # noqa: E501 - a page, whose paragraphs are lines

ELSEWHERE = """
## What went wrong elsewhere
Failures of other systems in the field, each with the test that shows that it does not happen here.

| what happened | where | tests |
| --- | --- | --- |"""


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            if isinstance(child, ast.Call):
                yield ".".join(names), child
            yield from walk(child, inner)

    yield from walk(tree, ())


def _names(call: ast.Call, constants: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    called = call.func.id if isinstance(call.func, ast.Name) else ""
    if called in NAMED and call.args:
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value
        elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
            yield f"{ast.literal_eval(first.values[0])}..."
        elif isinstance(first, ast.Name) and first.id == "quantity":
            yield from constants.get("SITE_CONTACTS", ())
    if called == "Verdict" and len(call.args) > 2 and isinstance(call.args[2], ast.Name):
        yield from constants.get(call.args[2].id, ())


def _constants(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Texts that stand in the constants of a module, those of rows of tables first of all."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            rows: Sequence[ast.AST] = value.elts if isinstance(value, ast.Tuple) else [value]
            firsts = [
                row.elts[0] if isinstance(row, ast.Tuple) and row.elts else row for row in rows
            ]
            texts = [each.value for each in firsts if isinstance(each, ast.Constant)]
            yield node.targets[0].id, tuple(text for text in texts if isinstance(text, str))


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and f"def {name}(" in path.read_text("utf-8")


def _mutants() -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in sorted((ROOT / "safety").glob("*.py")):
        name = str(path.relative_to(ROOT))
        for mutant in mutants_of(ast.parse(path.read_text("utf-8")), name, {}):
            counts[f"{name}::{mutant.where}"] += 1
    return counts


def _links(tests: Sequence[str]) -> str:
    return "<br>".join(
        f"[{test.partition('::')[2].removeprefix('test_').replace('_', ' ')}]"
        f"(../tests/{test.partition('::')[0]})"
        for test in tests
    )
