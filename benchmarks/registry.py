"""Which benchmarks there are: the modules of this package that can measure."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Bench, BenchmarkError, Measure


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module that measures, not yet imported."""

    name: str
    about: str
    """The first line of its docstring."""
    default: bool
    """Whether it runs where no name is given."""
    has_ablations: bool = False
    """Whether it can say what its parts are worth (``--ablations``)."""

    def load(self) -> tuple[Callable[[Bench], Iterable[Measure]], str]:
        """Its function ``measure`` and its scope."""
        module = importlib.import_module(f"benchmarks.{self.name}")
        return module.measure, module.SCOPE


def benchmarks() -> dict[str, Benchmark]:
    """All of them by name; read from their source, so that nothing heavy is loaded."""
    folder = Path(__file__).parent
    found = {}
    for info in sorted(pkgutil.iter_modules([str(folder)]), key=lambda info: info.name):
        if info.ispkg:  # a study with a command of its own, such as benchmarks.validation
            continue
        tree = ast.parse((folder / f"{info.name}.py").read_text(encoding="utf-8"))
        if not any(
            isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body
        ):
            continue
        about = (ast.get_docstring(tree) or "").split("\n")[0]
        found[info.name] = Benchmark(
            info.name,
            about,
            _constant(tree, "DEFAULT") is not False,
            _constant(tree, "HAS_ABLATIONS") is True,
        )
    return found


def named(names: Iterable[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of these names.

    Raises
    ------
    BenchmarkError
        There is none of such a name; the message lists those there are.
    """
    known = benchmarks()
    if unknown := [name for name in names if name not in known]:
        rows = "\n".join(f"  {b.name.ljust(14)}{b.about}" for b in known.values())
        raise BenchmarkError(f"there is no benchmark {unknown[0]!r}; there are\n{rows}")
    return tuple(known[name] for name in names)


def _constant(tree: ast.Module, name: str) -> object:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=value)) if (
                found == name
            ):
                return value
    return None
