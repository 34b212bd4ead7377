"""The architecture as tests: who may import whom, and which packages there are.

The contracts between packages stand in pyproject.toml under [tool.importlinter].
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"controller", "models", "adapters", "safety", "sim", "facility", "benchmarks"}
NOT_SHIPPED = {"tests", "docs", "deploy"}
# Written by tools; .gitignore names them.
GENERATED = {"build", "dist", "htmlcov", "node_modules", "reports", "var"}

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys

for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""


def test_imports_keep_the_contracts() -> None:
    outcome = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_top_level_packages_are_exactly_these() -> None:
    assert {folder.name for folder in top_level_folders() if holds(folder, "__init__.py")} - {
        "tests"
    } == PACKAGES


def test_no_other_folder_holds_code() -> None:
    with_code = {folder.name for folder in top_level_folders() if any(folder.rglob("*.py"))}
    assert with_code <= PACKAGES | NOT_SHIPPED


def test_no_module_lies_beside_the_packages() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == []


@pytest.mark.parametrize(
    ("package", "may_import"),
    [("facility", {"facility"}), ("safety", {"safety", "facility"})],
)
def test_needs_only_the_standard_library(package: str, may_import: set[str]) -> None:
    allowed = may_import | sys.stdlib_module_names
    strangers = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, line in absolute_imports(path.read_text(encoding="utf-8"))
        if name.split(".")[0] not in allowed
    ]
    assert strangers == []


def test_field_side_loads_no_learning_no_optimiser_no_web_server() -> None:
    """What the contracts cannot see: imports at run time, by name, or inside a library."""
    outcome = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, "adapters", "safety", "facility"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    loaded = {name.split(".")[0] for name in json.loads(outcome.stdout)}
    assert "facility" in loaded
    assert loaded & {"torch", "cvxpy", "fastapi", "starlette", "uvicorn", "controller"} == set()


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import os, numpy.linalg\n"
        "from . import sibling\n"
        "def lazily():\n"
        "    from torch import nn\n"
        "    __import__('pandas')\n"
        "    importlib.import_module('scipy.optimize')\n"
    )
    assert sorted(absolute_imports(source)) == [
        ("numpy.linalg", 1),
        ("os", 1),
        ("pandas", 5),
        ("scipy.optimize", 6),
        ("torch", 4),
    ]


def absolute_imports(source: str) -> Iterator[tuple[str, int]]:
    """Yield the name and the line of each import, at the top or within a function, or by name.

    Relative imports are left out: they stay within their package (ruff forbids those that climb).
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module, node.lineno
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name, node.lineno


def top_level_folders() -> list[Path]:
    return [
        path
        for path in ROOT.iterdir()
        if path.is_dir()
        and not path.name.startswith((".", "__"))
        and not path.name.endswith(".egg-info")
        and path.name not in GENERATED
    ]


def holds(folder: Path, name: str) -> bool:
    return (folder / name).is_file()
