"""The tests against a mutant, in two ways: quickly in a warm process, or afresh in a cold one.

*Warm*: pytest has collected everything and every test has passed once, with the lines it ran
noted. A fork then gets the mutated function's code put in place of the real one, and runs only
the tests that run its lines. *Cold*: a fork of a process that has loaded the libraries, but
nothing that is mutated and no test, loads all of it with the mutant and runs every test. What
survives warm is tried cold before it counts as survived, since tests keep what was made once.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
import time
import types
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.operators import Mutant

MEMORY_BYTES = 3 << 30
"""A mutant that grows without end meets MemoryError before the machine does."""
LOADING = "loading "
"""Of the context in which the body of a module of tests runs, before its name."""
_Item = pytest.Function
FILE_BYTES = 5 << 20
"""And one that writes without end meets an OSError."""


@dataclass(frozen=True)
class Target:
    """A module to break: its file, its name, and its tree, which mutants edit."""

    path: Path
    module: str
    tree: ast.Module


@dataclass(frozen=True)
class Suite:
    """Which tests are run, and what has to be loaded anew for a mutant."""

    root: Path
    files: tuple[str, ...]
    deselected: tuple[str, ...]
    fresh: tuple[str, ...]
    """Packages that hold mutated modules, or import them."""
    scratch: Path

    def arguments(self, *more: str) -> list[str]:
        """What pytest is called with."""
        out = [f"--deselect={name}" for name in self.deselected]
        names = ("no:cacheprovider", "pytest_asyncio.plugin", "pytest_timeout")
        plugins = ["--disable-plugin-autoload", *(part for name in names for part in ("-p", name))]
        here = ["--noconftest", "-q", "-s", "--tb=no", f"--rootdir={self.root}"]
        kept = ["-o", "tmp_path_retention_policy=none", f"--basetemp={self.scratch / 'tests'}"]
        return [*here, *plugins, *kept, *out, *more, *self.files]

    def is_fresh(self, module: str) -> bool:
        """Whether a module must not be loaded before the mutant is in place."""
        return any(module == name or module.startswith(name + ".") for name in self.fresh)


@dataclass
class Verdicts:
    """A plugin that notes the first test that fails."""

    failed: str = ""
    why: str = ""
    ran: int = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure of a test, its fixtures or its end."""
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed, self.why = report.nodeid, str(report.longrepr)[-1500:]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module of tests that cannot even be loaded."""
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} (when it is loaded)"


# -- warm ----------------------------------------------------------------------------------------


@dataclass
class Warm:
    """A plugin that takes over once everything is collected.

    It runs every test once, noting lines and durations, and hands itself to ``then`` in place of
    a run of tests.
    """

    targets: Mapping[str, Target]
    then: Callable[[Warm], None]
    verdicts: Verdicts
    items: dict[str, pytest.Item] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)
    covering: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    error: str = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        if session.testsfailed:
            self.error = f"the tests cannot be collected: {self.verdicts.failed}"
            return True
        import coverage

        files = {str(target.path): name for name, target in self.targets.items()}
        watch = coverage.Coverage(data_file=None, include=list(files), config_file=False)
        watch.start()
        for item, following in _pairs(session.items):
            watch.switch_context(item.nodeid)
            began_s = time.perf_counter()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self.took_s[item.nodeid] = time.perf_counter() - began_s
            self.items[item.nodeid] = item
        for module in {item.module: None for item in session.items if isinstance(item, _Item)}:
            watch.switch_context(LOADING + module.__name__)
            load_again(module)
        watch.stop()
        forget_answers({target.module for target in self.targets.values()})
        if self.verdicts.failed:
            self.error = f"fails without any mutant: {self.verdicts.failed}\n{self.verdicts.why}"
            return True
        for file, name in files.items():
            lines = watch.get_data().contexts_by_lineno(file)
            self.covering[name] = {line: set(names) - {""} for line, names in lines.items()}
        self.then(self)
        return True

    def running(self, mutant: Mutant) -> set[str]:
        """Which tests, and loads of their modules, run the statement of a mutant."""
        lines = self.covering[mutant.path]
        names: set[str] = set()
        for line in range(mutant.line, mutant.last_line + 1):
            names |= lines.get(line, set())
        return names

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that a mutant may change: boundary tests first, and of these the quickest."""
        names = self.running(mutant)
        loads = {name.removeprefix(LOADING) for name in names if name.startswith(LOADING)}
        by_load = {
            name
            for name, item in self.items.items()
            if isinstance(item, _Item) and item.module.__name__ in loads
        }
        tests = by_load | {name for name in names if not name.startswith(LOADING)}
        return sorted(tests, key=lambda name: ("_boundary_" not in name, self.took_s[name], name))

    def try_out(self, mutant: Mutant, names: Sequence[str]) -> dict[str, Any]:
        """Put a mutant in place and run tests until one fails; for a forked process.

        Test modules that ran the statement as they were loaded are loaded again: what they made
        then for all their tests is made by the mutant.
        """
        bound_memory()
        loads = sorted(name for name in self.running(mutant) if name.startswith(LOADING))
        replace_code(self.targets[mutant.path], mutant)
        self.verdicts.failed, self.verdicts.ran = "", 0
        for name in loads:
            try:
                load_again(sys.modules[name.removeprefix(LOADING)])
            except Exception:  # noqa: BLE001  # however a module of tests fails, it fails
                return {"killed_by": f"{name} again", "ran": 0}
        for item, following in _pairs([self.items[name] for name in names]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.verdicts.failed:
                break
        return {"killed_by": self.verdicts.failed, "ran": self.verdicts.ran}


def run_warm(suite: Suite, targets: Mapping[str, Target], then: Callable[[Warm], None]) -> str:
    """Collect, run everything once, call ``then``; answers what went wrong, or nothing."""
    verdicts = Verdicts()
    warm = Warm(targets, then, verdicts)
    status = pytest.main(suite.arguments(), plugins=[warm, verdicts])
    if warm.error:
        return warm.error
    if not warm.items:
        return f"no test was run (pytest ends with {status}): {verdicts.failed}"
    return ""


def load_again(module: types.ModuleType) -> None:
    """Run the body of a module again: its tests see what it makes now."""
    path = Path(str(module.__file__))
    exec(compile(path.read_text("utf-8"), str(path), "exec"), vars(module))


def forget_answers(modules: Set[str]) -> None:
    """Empty what caches of functions hold: a mutant has to answer for itself."""
    for name in modules & sys.modules.keys():
        for value in vars(sys.modules[name]).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def replace_code(target: Target, mutant: Mutant) -> None:
    """Give the mutated function, wherever it is referred to, its new code."""
    mutant.apply()
    first = mutant.function.split(".")[0]
    wanted = [node for node in target.tree.body if getattr(node, "name", "") == first]
    future = [node for node in target.tree.body if _is_future(node)]
    module = ast.fix_missing_locations(ast.Module([*future, *wanted], []))
    code = _code_of(compile(module, str(target.path), "exec"), mutant.function)
    _function_of(sys.modules[target.module], mutant.function).__code__ = code


def _code_of(code: types.CodeType, name: str) -> types.CodeType:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            if each.co_qualname == name:
                return each
            if name.startswith(each.co_qualname + "."):
                return _code_of(each, name)
    raise LookupError(f"no code of {name}")


def _function_of(holder: Any, name: str) -> types.FunctionType:
    for part in name.split("."):
        holder = vars(holder)[part]
    for inner in ("__func__", "fget", "func", "__wrapped__"):
        if not isinstance(holder, types.FunctionType):
            holder = getattr(holder, inner, holder)
    assert isinstance(holder, types.FunctionType), name
    return holder


# -- cold ----------------------------------------------------------------------------------------


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree in place of its file."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.target.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.target.path, loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        tree = ast.fix_missing_locations(self.target.tree)
        exec(compile(tree, str(self.target.path), "exec"), vars(module))


def run_cold(suite: Suite, target: Target | None, mutant: Mutant | None) -> dict[str, Any]:
    """Load everything with a mutant in place and run every test; for a forked process."""
    bound_memory()
    if target is not None and mutant is not None:
        mutant.apply()
        sys.meta_path.insert(0, _Mutated(target))
    verdicts = Verdicts()
    here = Suite(**{**vars(suite), "scratch": suite.scratch / str(os.getpid())})
    here.scratch.mkdir()
    status: int | pytest.ExitCode = pytest.ExitCode.INTERNAL_ERROR
    try:
        status = pytest.main(here.arguments("-x"), plugins=[verdicts])
    except Exception:
        # A test that failed may leave a file open, which pytest complains of as it ends.
        if not verdicts.failed:
            raise
    loaded = sorted(sys.modules)
    if status == pytest.ExitCode.OK and not verdicts.failed:
        return {"killed_by": "", "ran": verdicts.ran, "loaded": loaded}
    if verdicts.failed:
        return {"killed_by": verdicts.failed, "ran": verdicts.ran}
    raise RuntimeError(f"pytest ended with {status} and no failed test")


def load_libraries(suite: Suite, names: Sequence[str]) -> None:
    """Load what the tests load, but for what has to be fresh."""
    for name in names:
        # Not what starts with an underscore: an accelerator that is loaded before the module that
        # it serves (`_asyncio`) is not used by it. Nor plugins of pytest, which it rewrites.
        if not suite.is_fresh(name) and not name.startswith(("_", "pytest")):
            try:
                importlib.import_module(name)
            except ImportError:
                continue  # made by another module as it was loaded


def bound_memory() -> None:
    """Keep a mutant that runs away within bounds."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def _pairs(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    return list(zip(items, [*items[1:], None], strict=True))


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
