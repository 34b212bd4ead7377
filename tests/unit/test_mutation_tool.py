"""The tool that breaks the envelope: it breaks everything, and never takes a loss for a kill."""

from __future__ import annotations

import ast
import os
import signal
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.mutation.campaign import CRASHED, KILLED, SURVIVED, TIMED_OUT, Result, sample
from tests.mutation.forks import in_forks
from tests.mutation.listed import Listed, read_listed
from tests.mutation.operators import Mutant, mutants_of


def edits(source: str, **enums: list[str]) -> set[tuple[str, str, str]]:
    found = mutants_of(ast.parse(dedent(source)), "m.py", enums)
    return {(each.operator, each.before, each.after) for each in found}


def test_a_comparison_is_moved_turned_and_cut() -> None:
    assert edits("def f(a):\n    return 1 <= a < b") >= {
        ("compare", "1 <= a < b", "1 < a < b"),
        ("compare", "1 <= a < b", "1 > a < b"),
        ("compare", "1 <= a < b", "1 <= a <= b"),
        ("half", "1 <= a < b", "1 <= a"),
        ("half", "1 <= a < b", "a < b"),
        ("constant", "1", "2"),
        ("constant", "1", "0"),
        ("return", "return 1 <= a < b", "return None"),
    }


def test_conditions_statements_and_handlers_are_taken_out() -> None:
    source = """
    def f(a):
        if a and not b:
            g(a)
        try:
            x = 1.5
        except ValueError:
            raise
    """
    assert edits(source) >= {
        ("condition", "a and (not b)", "True"),
        ("condition", "a and (not b)", "False"),
        ("condition", "a and (not b)", "not (a and (not b))"),
        ("boolean", "a and (not b)", "a or not b"),
        ("operand", "a and (not b)", "a"),
        ("unary", "not b", "b"),
        ("delete", "g(a)", "pass"),
        ("delete", "x = 1.5", "pass"),
        ("constant", "1.5", "1.5001"),
        ("constant", "1.5", "0.5"),
        ("delete", "raise", "pass"),
    }
    assert any(operator == "handler" for operator, _, _ in edits(source))


def test_tables_calls_and_enums() -> None:
    found = edits(
        "CHECKS = (a, b)\ndef f():\n    return min(g(x, y, k=Mode.OFF), abs(z))\n",
        Mode=["OFF", "ON"],
    )
    assert found >= {
        ("entry", "(a, b)", "(b,)"),
        ("order", "(a, b)", "(b, a)"),
        ("call", "min(g(x, y, k=Mode.OFF), abs(z))", "max(g(x, y, k=Mode.OFF), abs(z))"),
        ("arguments", "g(x, y, k=Mode.OFF)", "g(y, x, k=Mode.OFF)"),
        ("without k", "g(x, y, k=Mode.OFF)", "g(x, y)"),
        ("enum", "Mode.OFF", "Mode.ON"),
        ("unwrap", "abs(z)", "z"),
    }


def test_what_decides_nothing_is_left_alone() -> None:
    source = '''
    """Words."""
    from __future__ import annotations
    Kind = Callable[[int], str]
    Either = Kind | Port
    class Port(Protocol):
        def f(self) -> int:
            return 1
    def f(a: Literal[1]) -> Literal[2]:
        """Words."""
        log.info("to %s", a)
        raise ValueError(f"there is no {a + 1}")
    '''
    assert edits(source) == {("delete", "raise ValueError(f'there is no {a + 1}')", "pass")}


def test_equal_edits_have_names_of_their_own() -> None:
    found = mutants_of(ast.parse("def f():\n    return g(1) + g(1)"), "m.py", {})
    keys = [each.key for each in found]
    assert len(keys) == len(set(keys))
    assert "m.py::f [constant] 1 -> 2 #2" in keys


def test_a_mutant_is_what_it_says() -> None:
    tree = ast.parse("def f(a):\n    return a < 1")
    (mutant,) = [m for m in mutants_of(tree, "m.py", {}) if m.after == "a <= 1"]
    mutant.apply()
    scope: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(tree), "m.py", "exec"), scope)
    assert scope["f"](1) is True


def work(job: str) -> dict[str, Any]:
    if job == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "leaves":
        os._exit(0)  # without an answer, and as if all were well
    if job == "raises":
        raise ValueError
    if job == "hangs":
        time.sleep(60)
    return {"did": job}


def test_only_an_answer_is_an_answer() -> None:
    jobs = ["one", "dies", "leaves", "raises", "hangs", "two"]
    found = {e.job: e for e in in_forks(jobs, work, workers=2, limit_s=lambda _: 2.0)}
    assert {job: each.answer for job, each in found.items()} == {
        "one": {"did": "one"},
        "two": {"did": "two"},
        **dict.fromkeys(("dies", "leaves", "raises", "hangs")),
    }
    assert found["hangs"].why == "timed out"
    assert found["dies"].why == "crashed: signal 9"
    assert found["leaves"].why == "crashed: exit status 0"
    assert found["raises"].why == "crashed: exit status 70"


def mutants() -> list[Mutant]:
    return mutants_of(ast.parse("def f(a):\n    return a < 1"), "m.py", {})


def test_open_and_stale_entries(tmp_path: Path) -> None:
    every = mutants()
    outcomes = [KILLED, SURVIVED, TIMED_OUT, CRASHED]
    results = [Result(each, outcome, "x") for each, outcome in zip(every, outcomes, strict=False)]
    open_, stale = Listed({}).compare(every, results)
    assert [each.outcome for each in open_] == outcomes[1:]
    assert stale == []
    listed = {every[1].key: "why", every[0].key: "why", "m.py::gone": "why"}
    open_, stale = Listed(listed).compare(every, results)
    assert [each.outcome for each in open_] == outcomes[2:]
    assert [text.split(":")[0] for text in stale] == [
        "there is no such mutant",
        "it is killed (by x)",
    ]
    path = tmp_path / "e.toml"
    path.write_text('[[equivalent]]\nreason = " "\nmutants = ["a"]\n')
    with pytest.raises(ValueError, match="no reason is given for a"):
        read_listed(path)


def test_a_sample_is_the_same_each_time() -> None:
    every = mutants()
    assert sample(every, 1, 7) == every
    assert [m.key for m in sample(every, 3, 7)] == [m.key for m in sample(mutants(), 3, 7)]
