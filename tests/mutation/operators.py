"""Every way to break a module: small edits of its syntax tree, one mutant each.

Left alone is what decides nothing: docstrings, annotations and type aliases, imports, protocols,
log lines, and texts for people (a string in which words follow one another). ``slots`` is a
matter of memory. All else is broken in every way of the table in docs/decisions/0005.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.mutation.edits import (
    UNORDERED_CALLS,
    Edits,
    Place,
    call_edits,
    condition_edits,
    display_edits,
    is_wording,
    new,
    operator_edits,
    statement_edits,
    text_of,
    value_edits,
)


@dataclass(frozen=True)
class Mutant:
    """One edit of one module, and where it is."""

    path: str
    where: str
    """Qualified name of the function or class; empty at the top of the module."""
    operator: str
    before: str
    after: str
    line: int
    last_line: int
    """Of the statement, or of the head of a compound one: what has to run to notice."""
    function: str
    """Qualified name of the outermost function whose code alone changes; else empty."""
    apply: Callable[[], None]
    """Edits the tree that this came from; there is no way back, so do it in a forked process."""
    repeat: int = 1
    """1 for the first of equal edits within one function, 2 for the second."""

    @property
    def key(self) -> str:
        """Names the mutant whatever lines come before it."""
        place = f"{self.path}::{self.where or '<module>'}"
        again = f" #{self.repeat}" if self.repeat > 1 else ""
        return f"{place} [{self.operator}] {self.before} -> {self.after}{again}"


def mutants_of(tree: ast.Module, path: str, enums: Mapping[str, Sequence[str]]) -> list[Mutant]:
    """All mutants of a module.

    Parameters
    ----------
    path
        As it is to be called in reports, relative to the repository.
    enums
        Members of the enums that the module knows, by the name of the class.
    """
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for each in _Walk(path, enums).module(tree):
        seen[each.key] = seen.get(each.key, 0) + 1
        found.append(_with_repeat(each, seen[each.key]))
    return found


def _with_repeat(mutant: Mutant, repeat: int) -> Mutant:
    return Mutant(**{**vars(mutant), "repeat": repeat})


class _Walk:
    def __init__(self, path: str, enums: Mapping[str, Sequence[str]]) -> None:
        self.path, self.enums = path, enums

    def module(self, tree: ast.Module) -> Iterator[Mutant]:
        yield from self.block(tree, "body", Place())

    # -- statements ------------------------------------------------------------------------------

    def block(self, holder: ast.AST, field: str, place: Place) -> Iterator[Mutant]:
        for index, statement in enumerate(getattr(holder, field)):
            if _decides_nothing(statement):
                continue
            body = getattr(statement, "body", None)
            last = statement.end_lineno or statement.lineno
            if isinstance(body, list):
                last = max(statement.lineno, body[0].lineno - 1)
            here = Place(place.names, place.function, statement.lineno, last, holder, field, index)
            yield from self.statement(statement, here)

    def statement(self, node: ast.stmt, place: Place) -> Iterator[Mutant]:
        if isinstance(node, ast.ClassDef):
            yield from self.klass(node, place)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self.function(node, place)
        else:
            if place.function:
                yield from self.edits(node, place, statement_edits(node))
            for name, value in ast.iter_fields(node):
                if name in ("body", "orelse", "finalbody") and isinstance(value, list):
                    yield from self.block(node, name, place)
                elif name == "handlers":
                    for handler in value:
                        yield from self.block(handler, "body", place)
                elif name not in ("annotation", "target", "targets", "type_comment", "cause"):
                    yield from self.field(node, name, value, place)

    def klass(self, node: ast.ClassDef, place: Place) -> Iterator[Mutant]:
        if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            return
        inner = Place((*place.names, node.name), line=node.lineno, last_line=node.lineno)
        for decorator in node.decorator_list:
            for keyword in getattr(decorator, "keywords", ()):
                if keyword.arg == "frozen":
                    yield from self.field(keyword, "value", keyword.value, inner)
        yield from self.block(node, "body", inner)

    def function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: Place
    ) -> Iterator[Mutant]:
        names = (*place.names, node.name)
        outer = Place(names, place.function, node.lineno, node.lineno)
        for name in ("defaults", "kw_defaults"):
            yield from self.field(node.args, name, getattr(node.args, name), outer)
        inner = Place(names, place.function or ".".join(names))
        yield from self.block(node, "body", inner)

    # -- expressions -----------------------------------------------------------------------------

    def field(self, holder: ast.AST, name: str, value: Any, place: Place) -> Iterator[Mutant]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from self.expression(item, _at(place, holder, name, index))
        elif isinstance(value, ast.AST):
            yield from self.expression(value, _at(place, holder, name, None))

    def expression(self, node: ast.AST, place: Place) -> Iterator[Mutant]:
        if is_wording(node) or isinstance(node, ast.expr_context | ast.operator):
            return
        yield from self.edits(node, place, self.expression_edits(node, place))
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "op", "ops", "target", "format_spec", "conversion"):
                continue
            if isinstance(node, ast.Call) and name == "func" and isinstance(value, ast.Name):
                continue
            yield from self.field(node, name, value, _ordering(node, place))

    def expression_edits(self, node: ast.AST, place: Place) -> Edits:
        yield from value_edits(node)
        yield from operator_edits(node)
        yield from display_edits(node, place.ordered)
        yield from condition_edits(node, place)
        if isinstance(node, ast.Call):
            yield from call_edits(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            members = self.enums.get(node.value.id, ())
            if node.attr in members:
                for other in members:
                    if other != node.attr:
                        yield "enum", *new(ast.Attribute(node.value, other, ast.Load()))
            if node.attr == "inf":
                yield "sign", *new(ast.UnaryOp(ast.USub(), node))

    def edits(self, node: ast.AST, place: Place, edits: Edits) -> Iterator[Mutant]:
        before = text_of(node)
        for operator, replacement, after in edits:
            if after == before:
                continue
            yield Mutant(
                self.path,
                ".".join(place.names),
                operator,
                _short(before),
                _short(after),
                place.line,
                place.last_line,
                place.function,
                _edit(node, place, replacement),
            )


# -- what is left alone --------------------------------------------------------------------------


def _decides_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True  # docstrings, and the ... of a body that is elsewhere
        return isinstance(node.value, ast.Call) and text_of(node.value.func).startswith("log.")
    if isinstance(node, ast.Assign):
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        union = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        alias = (union or isinstance(node.value, ast.Subscript)) and names and names[0][0].isupper()
        return bool(alias and not names[0].isupper()) or names in (["__all__"], ["log"])
    return isinstance(node, ast.If) and text_of(node.test) == "TYPE_CHECKING"


def _ordering(node: ast.AST, place: Place) -> Place:
    """Within a membership test or isinstance the order of a display means nothing."""
    unordered = (
        isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
    ) or (isinstance(node, ast.Call) and text_of(node.func) in UNORDERED_CALLS)
    return Place(**{**vars(place), "ordered": not unordered})


# -- trees ---------------------------------------------------------------------------------------


def _at(place: Place, holder: ast.AST, field: str, index: int | None) -> Place:
    return Place(**{**vars(place), "holder": holder, "field": field, "index": index})


def _edit(node: ast.AST, place: Place, replacement: ast.AST | None) -> Callable[[], None]:
    def apply() -> None:
        assert place.holder is not None
        assert replacement is not None
        for each in ast.walk(replacement):
            if "lineno" in each._attributes and not hasattr(each, "lineno"):
                ast.copy_location(each, node)
        ast.fix_missing_locations(replacement)
        if place.index is None:
            setattr(place.holder, place.field, replacement)
        else:
            getattr(place.holder, place.field)[place.index] = replacement

    return apply


def _short(text: str, most: int = 240) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."
