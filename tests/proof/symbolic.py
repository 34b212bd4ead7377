"""Numbers that stand for every number: real functions are run on them, along every path.

`Whole` is any integer and `Real` any real number, as terms of Z3. Arithmetic builds terms. A
comparison is a `Truth`, and where the code asks whether it is true (``if``, ``max``, ``min``,
``and``) the run takes one side and remembers to take the other one too, unless what is known
already leaves only one. `runs_of` gives every path through a function with its condition; a
theorem is proved where it follows on each.

Real numbers stand for Python's floats: what rounds in floats is exact here (docs/proof.md says
how much that leaves open). `round` is Python's: to the nearest, ties to even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Union

import z3

Number = Union["Whole", "Real", int, float, Fraction]


@dataclass(frozen=True)
class Path:
    """One way through a function: when it is taken, and what comes out."""

    condition: z3.BoolRef
    result: Any


class _Run:
    """The run that is under way: choices to repeat, then new ones."""

    def __init__(self, choices: list[bool], premises: list[z3.BoolRef]) -> None:
        self.choices, self.taken = choices, 0
        self.solver = z3.Solver()
        self.solver.add(*premises)
        self.known: list[z3.BoolRef] = list(premises)
        self.open: list[list[bool]] = []
        self.rounded: dict[str, z3.ArithRef] = {}

    def assume(self, condition: z3.BoolRef) -> None:
        self.known.append(condition)
        self.solver.add(condition)

    def choose(self, condition: z3.BoolRef) -> bool:
        possible = self.solver.check(condition) != z3.unsat
        avoidable = self.solver.check(z3.Not(condition)) != z3.unsat
        if possible and avoidable:
            if self.taken < len(self.choices):
                choice = self.choices[self.taken]
            else:
                choice = True
                self.open.append([*self.choices[: self.taken], False])
                self.choices = [*self.choices, True]
            self.taken += 1
        else:
            choice = possible
        self.assume(condition if choice else z3.Not(condition))
        return choice


_current: list[_Run] = []


def runs_of(function: Callable[[], Any], *premises: Truth | z3.BoolRef) -> list[Path]:
    """Every path of ``function`` that ``premises`` leave open."""
    given = [_truth(each) for each in premises]
    waiting: list[list[bool]] = [[]]
    paths = []
    while waiting:
        run = _Run(waiting.pop(), given)
        _current.append(run)
        try:
            result = function()
        finally:
            _current.pop()
        paths.append(Path(z3.And(*run.known), result))
        waiting += run.open
    return paths


def counterexample(path: Path, claim: Truth | z3.BoolRef | bool) -> z3.ModelRef | None:
    """Values for which the path is taken and ``claim`` is false; None where there are none.

    Raises
    ------
    RuntimeError
        Z3 does not know: that is no proof.
    """
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.add(path.condition, z3.Not(_truth(claim)))
    answer = solver.check()
    if answer == z3.unknown:
        raise RuntimeError(f"Z3 does not know: {solver.reason_unknown()}")
    return solver.model() if answer == z3.sat else None


@dataclass(frozen=True, eq=False)
class Truth:
    """A proposition; asking whether it is true chooses a path."""

    term: z3.BoolRef

    def __bool__(self) -> bool:
        return _current[-1].choose(self.term)


class _Symbol:
    """Arithmetic and comparison that `Whole` and `Real` share."""

    term: z3.ArithRef
    __hash__ = None  # type: ignore[assignment]  # a symbol in a set would be compared by its name

    def __lt__(self, other: Number) -> Truth:
        return Truth(self.term < _term(other))

    def __le__(self, other: Number) -> Truth:
        return Truth(self.term <= _term(other))

    def __gt__(self, other: Number) -> Truth:
        return Truth(self.term > _term(other))

    def __ge__(self, other: Number) -> Truth:
        return Truth(self.term >= _term(other))

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]  # a proposition
        return Truth(self.term == _term(other))  # type: ignore[arg-type]  # whatever it is compared with

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]  # a proposition
        return Truth(self.term != _term(other))  # type: ignore[arg-type]  # whatever it is compared with

    def __format__(self, spec: str) -> str:
        return str(self.term)


class Whole(_Symbol):
    """Any integer."""

    def __init__(self, what: str | z3.ArithRef) -> None:
        self.term = z3.Int(what) if isinstance(what, str) else what

    def __add__(self, other: Whole | int) -> Whole:
        return Whole(self.term + _term(other))

    __radd__ = __add__

    def __sub__(self, other: Whole | int) -> Whole:
        return Whole(self.term - _term(other))

    def __rsub__(self, other: int) -> Whole:
        return Whole(_term(other) - self.term)

    def __neg__(self) -> Whole:
        return Whole(-self.term)

    def __mul__(self, other: Whole | int) -> Whole:
        return Whole(self.term * _term(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Whole:
        if other <= 0:
            raise TypeError("Z3's division is Python's for a positive number alone")
        return Whole(self.term / other)

    def __truediv__(self, other: int) -> Real:
        return Real(z3.ToReal(self.term) / other)


class Real(_Symbol):
    """Any real number."""

    def __init__(self, what: str | z3.ArithRef) -> None:
        self.term = z3.Real(what) if isinstance(what, str) else what

    def __mul__(self, other: float) -> Real:
        return Real(self.term * _term(other))

    __rmul__ = __mul__

    def __sub__(self, other: Real | float) -> Real:
        return Real(self.term - _term(other))

    def __round__(self) -> Whole:
        """The nearest whole number, of two the even one."""
        run = _current[-1]
        name = f"round({self.term.sexpr()})"
        if name not in run.rounded:
            whole = z3.Int(name)
            off = self.term - z3.ToReal(whole)
            half = z3.RealVal("1/2")
            run.assume(z3.And(-half <= off, off <= half))
            run.assume(z3.Implies(z3.Or(off == half, off == -half), whole % 2 == 0))
            run.rounded[name] = whole
        return Whole(run.rounded[name])


def _term(number: Number) -> z3.ArithRef:
    if isinstance(number, _Symbol):
        return number.term
    if isinstance(number, bool):
        raise TypeError("a truth value is no number here")
    if isinstance(number, int):
        return z3.IntVal(number)
    exact = Fraction(number)  # of a float: the number that it is, not the one that was meant
    return z3.RealVal(f"{exact.numerator}/{exact.denominator}")


def _truth(claim: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    if isinstance(claim, Truth):
        return claim.term
    return z3.BoolVal(claim) if isinstance(claim, bool) else claim


def both(*claims: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    """That all of them are true."""
    return z3.And(*(_truth(each) for each in claims))


def either(*claims: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    """That one of them is true."""
    return z3.Or(*(_truth(each) for each in claims))


def same(one: Truth | z3.BoolRef | bool, other: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    """That both are true or both false."""
    return _truth(one) == _truth(other)


def never(claim: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    """That it is false."""
    return z3.Not(_truth(claim))


def follows(premise: Truth | z3.BoolRef | bool, claim: Truth | z3.BoolRef | bool) -> z3.BoolRef:
    """That the claim is true where the premise is."""
    return z3.Implies(_truth(premise), _truth(claim))
