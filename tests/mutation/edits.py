"""Every way to break a statement or an expression: the table in docs/decisions/0005, as code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

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
class Place:
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


def statement_edits(node: ast.stmt) -> Edits:
    if isinstance(node, ast.Return):
        if node.value is not None and not is_none(node.value):
            yield "return", *new(ast.Return(ast.Constant(None)))
    elif isinstance(node, DELETABLE):
        yield "delete", ast.Pass(), "pass"
    if isinstance(node, ast.Try):
        for index in range(len(node.handlers)):
            left = [each for i, each in enumerate(node.handlers) if i != index]
            kind = node.handlers[index].type
            name = f"without except {text_of(kind) if kind else ''}"
            if left or node.finalbody:
                smaller = ast.Try(node.body, left, node.orelse if left else [], node.finalbody)
                yield "handler", smaller, name
            else:
                yield "handler", ast.If(ast.Constant(True), [*node.body, *node.orelse], []), name


def value_edits(node: ast.AST) -> Edits:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield "constant", *new(ast.Constant(not value))
    elif isinstance(value, int):
        for step in (1, -1):
            yield "constant", *new(ast.Constant(value + step))
    elif isinstance(value, float):
        for change in (1.0, -1.0, GRAIN, -GRAIN):
            yield "constant", *new(ast.Constant(value + change))
    elif isinstance(value, str):
        yield "constant", *new(ast.Constant(value + "_"))


def operator_edits(node: ast.AST) -> Edits:
    if isinstance(node, ast.Compare):
        for index, old in enumerate(node.ops):
            for kind in SWAPS.get(type(old), ()):
                ops = [kind() if i == index else each for i, each in enumerate(node.ops)]
                yield "compare", *new(ast.Compare(node.left, ops, node.comparators))  # type: ignore[arg-type]  # comparison kinds map to comparison kinds
        if len(node.ops) > 1:
            parts = [node.left, *node.comparators]
            for index in range(len(node.ops)):
                pair = ast.Compare(parts[index], [node.ops[index]], [parts[index + 1]])
                yield "half", *new(pair)
    elif isinstance(node, ast.BinOp):
        for kind in SWAPS.get(type(node.op), ()):
            yield "arithmetic", *new(ast.BinOp(node.left, kind(), node.right))  # type: ignore[arg-type]  # arithmetic kinds map to arithmetic kinds
        for side in (node.left, node.right):
            yield "operand", side, text_of(side)
    elif isinstance(node, ast.BoolOp):
        for kind in SWAPS[type(node.op)]:
            yield "boolean", *new(ast.BoolOp(kind(), node.values))  # type: ignore[arg-type]  # and, or
        for index in range(len(node.values)):
            left = [each for i, each in enumerate(node.values) if i != index]
            yield "operand", *new(left[0] if len(left) == 1 else ast.BoolOp(node.op, left))
    elif isinstance(node, ast.UnaryOp):
        yield "unary", node.operand, text_of(node.operand)


def display_edits(node: ast.AST, ordered: bool) -> Edits:
    if isinstance(node, ast.Dict):
        for index in range(len(node.keys)):
            keys = [each for i, each in enumerate(node.keys) if i != index]
            values = [each for i, each in enumerate(node.values) if i != index]
            yield "entry", *new(ast.Dict(keys, values))
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        if isinstance(node, ast.Set) and len(node.elts) == 1:
            return
        for index in range(len(node.elts)):
            yield "entry", *new(like(node, [e for i, e in enumerate(node.elts) if i != index]))
        if ordered and not isinstance(node, ast.Set):
            for index, (one, other) in enumerate(pairwise(node.elts)):
                if text_of(one) != text_of(other):
                    swapped = [*node.elts[:index], other, one, *node.elts[index + 2 :]]
                    yield "order", *new(like(node, swapped))


def condition_edits(node: ast.AST, place: Place) -> Edits:
    is_test = place.field == "test" or (
        place.field == "ifs" and isinstance(place.holder, ast.comprehension)
    )
    if not is_test:
        return
    if not isinstance(place.holder, ast.While):
        yield "condition", *new(ast.Constant(True))
    yield "condition", *new(ast.Constant(False))
    simple = isinstance(node, ast.Compare) and len(node.ops) == 1
    if not simple and not isinstance(node, ast.UnaryOp):
        yield "condition", *new(ast.UnaryOp(ast.Not(), expression_of(node)))


def call_edits(node: ast.Call) -> Edits:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in CALLS:
        func: ast.expr = ast.Name(CALLS[name], ast.Load())
        if isinstance(node.func, ast.Attribute):
            func = ast.Attribute(node.func.value, CALLS[name], ast.Load())
        yield "call", *new(ast.Call(func, node.args, node.keywords))
    if name in TRANSPARENT and len(node.args) == 1 and not node.keywords:
        yield "unwrap", node.args[0], text_of(node.args[0])
    if name in ("min", "max") and len(node.args) > 1:
        for argument in node.args:
            yield "unwrap", argument, text_of(argument)
    elif not any(isinstance(each, ast.Starred) for each in node.args) and name != "isinstance":
        for index, (one, other) in enumerate(pairwise(node.args)):
            if not (is_wording(one) or is_wording(other)):
                swapped = [*node.args[:index], other, one, *node.args[index + 2 :]]
                yield "arguments", *new(ast.Call(node.func, swapped, node.keywords))
    for index, keyword in enumerate(node.keywords):
        if not is_wording(keyword.value):
            kept = [each for i, each in enumerate(node.keywords) if i != index]
            yield f"without {keyword.arg or '**'}", *new(ast.Call(node.func, node.args, kept))


def is_wording(node: ast.AST) -> bool:
    """Whether a string is for people, with all that is put into it."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(WORDS.search(node.value))
    if isinstance(node, ast.JoinedStr):
        return any(is_wording(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_wording(node.left) or is_wording(node.right)
    return False


def like(node: ast.Tuple | ast.List | ast.Set, elements: Iterable[ast.expr]) -> ast.expr:
    if isinstance(node, ast.Set):
        return ast.Set(list(elements))
    return type(node)(list(elements), ast.Load())


def new(node: ast.AST) -> tuple[ast.AST, str]:
    return node, text_of(node)


def text_of(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def expression_of(node: ast.AST) -> ast.expr:
    assert isinstance(node, ast.expr)
    return node


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
