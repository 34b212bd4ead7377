"""A campaign: every mutant of some modules against a suite, and what became of each."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from tests.mutation.forks import Ended, in_forks
from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.suite import Suite, Target, Warm, load_libraries, run_cold, run_warm

KILLED, SURVIVED, TIMED_OUT, CRASHED = "killed", "survived", "timed out", "crashed"
LEAST_S = 10.0
"""Patience with a mutant beyond what its tests took without one."""
TIMES = 10.0
"""And so many times as long as they took."""
WHOLE_TIMES = 3.0
"""The same for the whole suite afresh, which takes long enough for chance to even out."""
LIKELY = 2
"""So many files of tests that noticed most of a module's mutants so far are tried first, and so
many that noticed most of what was tried afresh."""
AFRESH = ""


class CampaignError(Exception):
    """The campaign itself broke: no count of it means anything."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    outcome: str
    by: str = ""
    """The test that failed, or how the process ended."""
    took_s: float = 0.0


@dataclass
class _Noticed:
    """Which files of tests noticed the mutants of each module, or what was tried afresh."""

    files: tuple[str, ...]
    kills: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, result: Result) -> None:
        """Remember who noticed."""
        file = result.by.removesuffix(" (when it is loaded)").split("::")[0]
        if result.outcome != KILLED or file not in self.files:
            return
        afresh = () if result.mutant.function else (AFRESH,)
        for where in (result.mutant.path, *afresh):
            self.kills.setdefault(where, Counter())[file] += 1

    def likely(self, path: str) -> tuple[str, ...]:
        """The few files that are tried first for a mutant of the module at ``path``."""
        most = (*self._most(path), *self._most(AFRESH)) or self.files[:LIKELY]
        return tuple(dict.fromkeys(most))

    def order(self, path: str) -> tuple[str, ...]:
        """All files, the likely ones first."""
        return tuple(dict.fromkeys((*self.likely(path), *self.files)))

    def _most(self, where: str) -> list[str]:
        known = self.kills.get(where, Counter())
        return sorted(known, key=lambda file: (-known[file], file))[:LIKELY]


@dataclass(frozen=True)
class Campaign:
    """What is broken, by which tests it has to be noticed, and by how many processes at a time."""

    root: Path
    modules: tuple[str, ...]
    """Paths, relative to ``root``."""
    files: tuple[str, ...]
    slow_files: tuple[str, ...] = ()
    """Files of tests that only what all others let pass is tried by."""
    deselected: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ("safety", "adapters.gateway", "tests")
    workers: int = 2
    known: Set[str] = frozenset()
    """Names of mutants that are listed with a reason: one that survives warm is left at that."""
    quick: bool = False
    """Leave out what needs everything loaded anew: for work on the tests, not for a verdict."""

    def targets(self) -> dict[str, Target]:
        """The modules with their trees, by path."""
        return {
            name: Target(
                self.root / name,
                name.removesuffix(".py").replace("/", "."),
                ast.parse((self.root / name).read_text("utf-8")),
            )
            for name in self.modules
        }

    def mutants(self, targets: Mapping[str, Target]) -> list[Mutant]:
        """Every mutant of every module."""
        own = {name: members for each in targets.values() for name, members in _enums_in(each.tree)}
        found = []
        for path, target in targets.items():
            enums = {**own, **_enums_imported(target.tree, self.fresh)}
            found += mutants_of(target.tree, path, enums)
        return found

    def run(
        self,
        targets: Mapping[str, Target],
        mutants: Sequence[Mutant],
        tell: Callable[[Result], None] = lambda _: None,
    ) -> list[Result]:
        """Try every mutant.

        Raises
        ------
        CampaignError
            The suite fails by itself, or a mutant has no result.
        """
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        scratch = Path(tempfile.mkdtemp(prefix="mutation-", dir=place))
        suite = Suite(self.root, self.files, self.deselected, self.fresh, scratch)
        try:
            results = dict(self._run(suite, targets, mutants, tell))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if len(results) != len(mutants):
            raise CampaignError(f"{len(mutants)} mutants, but {len(results)} results")
        return [results[index] for index in range(len(mutants))]

    def _run(
        self,
        suite: Suite,
        targets: Mapping[str, Target],
        mutants: Sequence[Mutant],
        tell: Callable[[Result], None],
    ) -> Iterator[tuple[int, Result]]:
        loaded, whole_s = self._baseline(replace(suite, files=(*suite.files, *self.slow_files)))
        load_libraries(suite, loaded)
        noticed = _Noticed(suite.files)
        left = [i for i, mutant in enumerate(mutants) if not mutant.function]
        quick = [i for i, mutant in enumerate(mutants) if mutant.function]
        for index, result in self._warm(suite, targets, mutants, quick):
            if result is None and not self.quick:
                left.append(index)
            else:
                known = result or Result(mutants[index], SURVIVED)
                noticed.count(known)
                tell(known)
                yield index, known
        for index, result in self._afresh(suite, targets, mutants, left, whole_s, noticed):
            tell(result)
            yield index, result

    def _afresh(
        self,
        suite: Suite,
        targets: Mapping[str, Target],
        mutants: Sequence[Mutant],
        left: Sequence[int],
        whole_s: float,
        noticed: _Noticed,
    ) -> Iterator[tuple[int, Result]]:
        """Results of mutants with everything loaded anew: by the likeliest files, then by all."""

        def by_likely(index: int) -> dict[str, Any]:
            mutant = mutants[index]
            few = replace(suite, files=noticed.likely(mutant.path))
            return run_cold(few, targets[mutant.path], mutant)

        def by_all(index: int) -> dict[str, Any]:
            mutant = mutants[index]
            every = replace(suite, files=(*noticed.order(mutant.path), *self.slow_files))
            return run_cold(every, targets[mutant.path], mutant)

        few_s, all_s = LEAST_S + whole_s, LEAST_S + WHOLE_TIMES * whole_s
        jobs: Sequence[int] = left
        for work, workers, patience_s, final in (
            (by_likely, self.workers, few_s, {KILLED}),
            (by_all, self.workers, all_s, {KILLED, SURVIVED}),
            # A busy machine is no verdict: once more, alone.
            (by_all, 1, 2 * all_s, {KILLED, SURVIVED, TIMED_OUT, CRASHED}),
        ):
            again: list[int] = []
            for ended in in_forks(jobs, work, workers=workers, limit_s=_always(patience_s)):
                result = _result(mutants[ended.job], ended)
                if result.outcome in final:
                    noticed.count(result)
                    yield ended.job, result
                else:
                    again.append(ended.job)
            jobs = again

    def _baseline(self, suite: Suite) -> tuple[list[str], float]:
        """The suite without a mutant, afresh: what it loads and how long it takes."""

        def alone(_: int) -> dict[str, Any]:
            return run_cold(suite, None, None)

        (ended,) = in_forks([0], alone, workers=1, limit_s=lambda _: 300.0)
        if ended.answer is None or ended.answer["killed_by"] or not ended.answer["ran"]:
            failed = ended.answer["killed_by"] if ended.answer else ended.why
            raise CampaignError(f"the suite fails without any mutant: {failed}")
        return ended.answer["loaded"], ended.took_s

    def _warm(
        self,
        suite: Suite,
        targets: Mapping[str, Target],
        mutants: Sequence[Mutant],
        quick: Sequence[int],
    ) -> Iterator[tuple[int, Result | None]]:
        """Results of the mutants of functions; None for those to be tried afresh.

        A process of its own holds the warm suite, so that this one stays free of all that a
        mutant could change.
        """
        if not quick:
            return
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            status = 70
            try:
                os.close(reading)
                status = _warm_process(suite, targets, mutants, quick, writing, self.workers)
            except BaseException:  # noqa: BLE001  # a forked process must not run on as its parent
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writing)
        heard: set[int] = set()
        error = ""
        with os.fdopen(reading, encoding="utf-8") as lines:
            for line in lines:
                data = json.loads(line)
                if "error" in data:
                    error = data["error"]
                    continue
                index = data["index"]
                heard.add(index)
                by = data["killed_by"]
                mutant = mutants[index]
                if by:
                    yield index, Result(mutant, KILLED, by, data["took_s"])
                elif data["why"] and self.quick:
                    outcome = TIMED_OUT if data["why"] == "timed out" else CRASHED
                    yield index, Result(mutant, outcome, data["why"], data["took_s"])
                elif not data["why"] and mutant.key in self.known:
                    yield index, Result(mutant, SURVIVED, "", data["took_s"])
                else:
                    yield index, None
        _, status = os.waitpid(process, 0)
        if error or status or len(heard) != len(quick):
            how = os.waitstatus_to_exitcode(status)
            raise CampaignError(
                error or f"the warm process ended with {how} after {len(heard)} of {len(quick)}"
            )


def _warm_process(
    suite: Suite,
    targets: Mapping[str, Target],
    mutants: Sequence[Mutant],
    quick: Sequence[int],
    writing: int,
    workers: int,
) -> int:
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:

        def tell(data: dict[str, Any]) -> None:
            pipe.write(json.dumps(data) + "\n")
            pipe.flush()

        def loop(warm: Warm) -> None:
            killers: dict[str, list[str]] = {}
            chosen: dict[int, list[str]] = {}

            def order(index: int) -> list[str]:
                mutant = mutants[index]
                names = warm.tests_of(mutant)
                # What noticed the neighbours is likely to notice this one too.
                known = [n for n in killers.get(mutant.where, ())[:8] if n in names]
                return list(dict.fromkeys([*known, *names]))

            def jobs() -> Iterator[int]:
                for index in quick:
                    chosen[index] = order(index)
                    if chosen[index]:
                        yield index
                    else:
                        tell({"index": index, "killed_by": "", "why": "", "took_s": 0.0})

            def patience_s(index: int) -> float:
                return LEAST_S + TIMES * sum(warm.took_s[name] for name in chosen[index])

            def work(index: int) -> dict[str, Any]:
                return warm.try_out(mutants[index], chosen[index])

            for ended in in_forks(jobs(), work, workers=workers, limit_s=patience_s):
                by = ended.answer["killed_by"] if ended.answer else ""
                if by:
                    before = killers.setdefault(mutants[ended.job].where, [])
                    if by in before:
                        before.remove(by)
                    before.insert(0, by)
                tell(
                    {
                        "index": ended.job,
                        "killed_by": by,
                        "why": ended.why,
                        "took_s": ended.took_s,
                    }
                )

        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        error = run_warm(suite, targets, loop)
        if error:
            tell({"error": error})
    return 0


def _always(seconds: float) -> Callable[[int], float]:
    return lambda _: seconds


def _result(mutant: Mutant, ended: Ended[int]) -> Result:
    if ended.answer is None:
        outcome = TIMED_OUT if ended.why == "timed out" else CRASHED
        return Result(mutant, outcome, ended.why, ended.took_s)
    by = ended.answer["killed_by"]
    return Result(mutant, KILLED if by else SURVIVED, by, ended.took_s)


def sample(mutants: Iterable[Mutant], one_in: int, seed: int) -> list[Mutant]:
    """About one in so many, chosen by the names of the mutants alone."""
    return [
        each
        for each in mutants
        if int(hashlib.sha256(f"{seed} {each.key}".encode()).hexdigest(), 16) % one_in == 0
    ]


def _enums_in(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases
        ):
            yield (
                node.name,
                [
                    target.id
                    for each in node.body
                    if isinstance(each, ast.Assign)
                    for target in each.targets
                    if isinstance(target, ast.Name)
                ],
            )


def _enums_imported(tree: ast.Module, fresh: tuple[str, ...]) -> dict[str, list[str]]:
    """Enums that a module takes from libraries (those of mutated modules are read, not loaded)."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module.startswith(fresh) or node.module == "__future__":
            continue
        module = importlib.import_module(node.module)
        for name in node.names:
            value = getattr(module, name.name, None)
            if inspect.isclass(value) and issubclass(value, Enum):
                found[name.asname or name.name] = [member.name for member in value]
    for loaded in sys.modules:
        own = loaded == "tests" or loaded.startswith("tests.mutation")
        if loaded.startswith(fresh) and not own:
            raise CampaignError(f"{loaded} is loaded already: mutants would go unnoticed")
    return found
