"""Every way to break a module: small edits of its syntax tree, one mutant each.

Left alone is what decides nothing: docstrings, annotations and type aliases, imports, protocols,
log lines, and texts for people (a string in which words follow one another). ``slots`` is a
matter of memory. All else is broken in every way of the table in docs/decisions/0005.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

GRAIN = 1e-4
"""Of the envelope's arithmetic: the least change of a constant that means anything."""

WORDS = re.compile(r"[A-Za-z],? [A-Za-z]|[a-z]: |^ | $")
"""A text for people."""

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.Mult, ast.FloorDiv),
    ast.Pow: (ast.Mult, ast.Add),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "startswith": "endswith",
    "endswith": "startswith",
    "removesuffix": "removeprefix",
    "removeprefix": "removesuffix",
}
TRANSPARENT = {"abs", "round", "float", "int", "sorted", "grains", "units", "milliseconds", "set"}
"""Functions of one argument that are left out with the argument kept."""
UNORDERED_CALLS = {"isinstance", "issubclass", "frozenset", "set"}
DELETABLE = (
    ast.Expr,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Raise,
    ast.Return,
    ast.Delete,
    ast.Continue,
    ast.Break,
    ast.For,
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


@dataclass(frozen=True)
class _Place:
    """Where the walk is: names around it, the statement's lines, and the slot of the node."""

    names: tuple[str, ...] = ()
    function: str = ""
    line: int = 0
    last_line: int = 0
    holder: ast.AST | None = None
    field: str = ""
    index: int | None = None
    ordered: bool = True
    """Whether the order of a display matters here."""


Edits = Iterator[tuple[str, ast.AST | None, str]]
"""Operator, replacement (None deletes an element), and how the replacement reads."""


class _Walk:
    def __init__(self, path: str, enums: Mapping[str, Sequence[str]]) -> None:
        self.path, self.enums = path, enums

    def module(self, tree: ast.Module) -> Iterator[Mutant]:
        yield from self.block(tree, "body", _Place())

    # -- statements ------------------------------------------------------------------------------

    def block(self, holder: ast.AST, field: str, place: _Place) -> Iterator[Mutant]:
        for index, statement in enumerate(getattr(holder, field)):
            if _decides_nothing(statement):
                continue
            body = getattr(statement, "body", None)
            last = statement.end_lineno or statement.lineno
            if isinstance(body, list):
                last = max(statement.lineno, body[0].lineno - 1)
            here = _Place(place.names, place.function, statement.lineno, last, holder, field, index)
            yield from self.statement(statement, here)

    def statement(self, node: ast.stmt, place: _Place) -> Iterator[Mutant]:
        if isinstance(node, ast.ClassDef):
            yield from self.klass(node, place)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self.function(node, place)
        else:
            if place.function:
                yield from self.edits(node, place, _statement_edits(node))
            for name, value in ast.iter_fields(node):
                if name in ("body", "orelse", "finalbody") and isinstance(value, list):
                    yield from self.block(node, name, place)
                elif name == "handlers":
                    for handler in value:
                        yield from self.block(handler, "body", place)
                elif name not in ("annotation", "target", "targets", "type_comment", "cause"):
                    yield from self.field(node, name, value, place)

    def klass(self, node: ast.ClassDef, place: _Place) -> Iterator[Mutant]:
        if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            return
        inner = _Place((*place.names, node.name), line=node.lineno, last_line=node.lineno)
        for decorator in node.decorator_list:
            for keyword in getattr(decorator, "keywords", ()):
                if keyword.arg == "frozen":
                    yield from self.field(keyword, "value", keyword.value, inner)
        yield from self.block(node, "body", inner)

    def function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: _Place
    ) -> Iterator[Mutant]:
        names = (*place.names, node.name)
        outer = _Place(names, place.function, node.lineno, node.lineno)
        for name in ("defaults", "kw_defaults"):
            yield from self.field(node.args, name, getattr(node.args, name), outer)
        inner = _Place(names, place.function or ".".join(names))
        yield from self.block(node, "body", inner)

    # -- expressions -----------------------------------------------------------------------------

    def field(self, holder: ast.AST, name: str, value: Any, place: _Place) -> Iterator[Mutant]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from self.expression(item, _at(place, holder, name, index))
        elif isinstance(value, ast.AST):
            yield from self.expression(value, _at(place, holder, name, None))

    def expression(self, node: ast.AST, place: _Place) -> Iterator[Mutant]:
        if _is_wording(node) or isinstance(node, ast.expr_context | ast.operator):
            return
        yield from self.edits(node, place, self.expression_edits(node, place))
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "op", "ops", "target", "format_spec", "conversion"):
                continue
            if isinstance(node, ast.Call) and name == "func" and isinstance(value, ast.Name):
                continue
            yield from self.field(node, name, value, _ordering(node, place))

    def expression_edits(self, node: ast.AST, place: _Place) -> Edits:
        yield from _value_edits(node)
        yield from _operator_edits(node)
        yield from _display_edits(node, place.ordered)
        yield from _condition_edits(node, place)
        if isinstance(node, ast.Call):
            yield from _call_edits(node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            members = self.enums.get(node.value.id, ())
            if node.attr in members:
                for other in members:
                    if other != node.attr:
                        yield "enum", *_new(ast.Attribute(node.value, other, ast.Load()))
            if node.attr == "inf":
                yield "sign", *_new(ast.UnaryOp(ast.USub(), node))

    def edits(self, node: ast.AST, place: _Place, edits: Edits) -> Iterator[Mutant]:
        before = _text(node)
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


# -- the operators -----------------------------------------------------------------------------


def _statement_edits(node: ast.stmt) -> Edits:
    if isinstance(node, ast.Return):
        if node.value is not None and not _is_none(node.value):
            yield "return", *_new(ast.Return(ast.Constant(None)))
    elif isinstance(node, DELETABLE):
        yield "delete", ast.Pass(), "pass"
    if isinstance(node, ast.Try):
        for index in range(len(node.handlers)):
            left = [each for i, each in enumerate(node.handlers) if i != index]
            kind = node.handlers[index].type
            name = f"without except {_text(kind) if kind else ''}"
            if left or node.finalbody:
                smaller = ast.Try(node.body, left, node.orelse if left else [], node.finalbody)
                yield "handler", smaller, name
            else:
                yield "handler", ast.If(ast.Constant(True), [*node.body, *node.orelse], []), name


def _value_edits(node: ast.AST) -> Edits:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield "constant", *_new(ast.Constant(not value))
    elif isinstance(value, int):
        for step in (1, -1):
            yield "constant", *_new(ast.Constant(value + step))
    elif isinstance(value, float):
        for change in (1.0, -1.0, GRAIN, -GRAIN):
            yield "constant", *_new(ast.Constant(value + change))
    elif isinstance(value, str):
        yield "constant", *_new(ast.Constant(value + "_"))


def _operator_edits(node: ast.AST) -> Edits:
    if isinstance(node, ast.Compare):
        for index, old in enumerate(node.ops):
            for kind in SWAPS.get(type(old), ()):
                ops = [kind() if i == index else each for i, each in enumerate(node.ops)]
                yield "compare", *_new(ast.Compare(node.left, ops, node.comparators))  # type: ignore[arg-type]  # comparison kinds map to comparison kinds
        if len(node.ops) > 1:
            parts = [node.left, *node.comparators]
            for index in range(len(node.ops)):
                pair = ast.Compare(parts[index], [node.ops[index]], [parts[index + 1]])
                yield "half", *_new(pair)
    elif isinstance(node, ast.BinOp):
        for kind in SWAPS.get(type(node.op), ()):
            yield "arithmetic", *_new(ast.BinOp(node.left, kind(), node.right))  # type: ignore[arg-type]  # arithmetic kinds map to arithmetic kinds
        for side in (node.left, node.right):
            yield "operand", side, _text(side)
    elif isinstance(node, ast.BoolOp):
        for kind in SWAPS[type(node.op)]:
            yield "boolean", *_new(ast.BoolOp(kind(), node.values))  # type: ignore[arg-type]  # and, or
        for index in range(len(node.values)):
            left = [each for i, each in enumerate(node.values) if i != index]
            yield "operand", *_new(left[0] if len(left) == 1 else ast.BoolOp(node.op, left))
    elif isinstance(node, ast.UnaryOp):
        yield "unary", node.operand, _text(node.operand)


def _display_edits(node: ast.AST, ordered: bool) -> Edits:
    if isinstance(node, ast.Dict):
        for index in range(len(node.keys)):
            keys = [each for i, each in enumerate(node.keys) if i != index]
            values = [each for i, each in enumerate(node.values) if i != index]
            yield "entry", *_new(ast.Dict(keys, values))
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        if isinstance(node, ast.Set) and len(node.elts) == 1:
            return
        for index in range(len(node.elts)):
            yield "entry", *_new(_like(node, [e for i, e in enumerate(node.elts) if i != index]))
        if ordered and not isinstance(node, ast.Set):
            for index, (one, other) in enumerate(pairwise(node.elts)):
                if _text(one) != _text(other):
                    swapped = [*node.elts[:index], other, one, *node.elts[index + 2 :]]
                    yield "order", *_new(_like(node, swapped))


def _condition_edits(node: ast.AST, place: _Place) -> Edits:
    is_test = place.field == "test" or (
        place.field == "ifs" and isinstance(place.holder, ast.comprehension)
    )
    if not is_test:
        return
    if not isinstance(place.holder, ast.While):
        yield "condition", *_new(ast.Constant(True))
    yield "condition", *_new(ast.Constant(False))
    simple = isinstance(node, ast.Compare) and len(node.ops) == 1
    if not simple and not isinstance(node, ast.UnaryOp):
        yield "condition", *_new(ast.UnaryOp(ast.Not(), _expr(node)))


def _call_edits(node: ast.Call) -> Edits:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in CALLS:
        func: ast.expr = ast.Name(CALLS[name], ast.Load())
        if isinstance(node.func, ast.Attribute):
            func = ast.Attribute(node.func.value, CALLS[name], ast.Load())
        yield "call", *_new(ast.Call(func, node.args, node.keywords))
    if name in TRANSPARENT and len(node.args) == 1 and not node.keywords:
        yield "unwrap", node.args[0], _text(node.args[0])
    if name in ("min", "max") and len(node.args) > 1:
        for argument in node.args:
            yield "unwrap", argument, _text(argument)
    elif not any(isinstance(each, ast.Starred) for each in node.args) and name != "isinstance":
        for index, (one, other) in enumerate(pairwise(node.args)):
            if not (_is_wording(one) or _is_wording(other)):
                swapped = [*node.args[:index], other, one, *node.args[index + 2 :]]
                yield "arguments", *_new(ast.Call(node.func, swapped, node.keywords))
    for index, keyword in enumerate(node.keywords):
        if not _is_wording(keyword.value):
            kept = [each for i, each in enumerate(node.keywords) if i != index]
            yield f"without {keyword.arg or '**'}", *_new(ast.Call(node.func, node.args, kept))


# -- what is left alone --------------------------------------------------------------------------


def _decides_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True  # docstrings, and the ... of a body that is elsewhere
        return isinstance(node.value, ast.Call) and _text(node.value.func).startswith("log.")
    if isinstance(node, ast.Assign):
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        union = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        alias = (union or isinstance(node.value, ast.Subscript)) and names and names[0][0].isupper()
        return bool(alias and not names[0].isupper()) or names in (["__all__"], ["log"])
    return isinstance(node, ast.If) and _text(node.test) == "TYPE_CHECKING"


def _is_wording(node: ast.AST) -> bool:
    """Whether a string is for people, with all that is put into it."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(WORDS.search(node.value))
    if isinstance(node, ast.JoinedStr):
        return any(_is_wording(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_wording(node.left) or _is_wording(node.right)
    return False


def _ordering(node: ast.AST, place: _Place) -> _Place:
    """Within a membership test or isinstance the order of a display means nothing."""
    unordered = (
        isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
    ) or (isinstance(node, ast.Call) and _text(node.func) in UNORDERED_CALLS)
    return _Place(**{**vars(place), "ordered": not unordered})


# -- trees ---------------------------------------------------------------------------------------


def _at(place: _Place, holder: ast.AST, field: str, index: int | None) -> _Place:
    return _Place(**{**vars(place), "holder": holder, "field": field, "index": index})


def _edit(node: ast.AST, place: _Place, replacement: ast.AST | None) -> Callable[[], None]:
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


def _like(node: ast.Tuple | ast.List | ast.Set, elements: Iterable[ast.expr]) -> ast.expr:
    if isinstance(node, ast.Set):
        return ast.Set(list(elements))
    return type(node)(list(elements), ast.Load())


def _new(node: ast.AST) -> tuple[ast.AST, str]:
    return node, _text(node)


def _text(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def _expr(node: ast.AST) -> ast.expr:
    assert isinstance(node, ast.expr)
    return node


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _short(text: str, most: int = 240) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."
