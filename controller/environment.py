"""What numbers depend on besides their inputs: the packages, this code, the kind of processor."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

CODE = ("controller", "facility", "models", "safety")
"""The packages that a plan is computed by."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Under which a result was computed; the same one gives the same bits."""

    packages: str
    """SHA-256 over the names and versions of the packages that are installed."""
    code: str
    """SHA-256 over the source of Isotherm's own packages."""
    processor: str
    """Its model, and how many of them there are: libraries choose their kernels by both."""
    python: str

    def differences(self, other: Environment) -> tuple[str, ...]:
        """What differs, in words."""
        names = {
            "packages": "other packages are installed",
            "code": "another version of Isotherm",
            "processor": f"another processor ({other.processor}, here {self.processor})",
            "python": f"another Python ({other.python}, here {self.python})",
        }
        return tuple(
            words for name, words in names.items() if getattr(self, name) != getattr(other, name)
        )


@cache
def environment() -> Environment:
    """Of this process."""
    return Environment(
        packages=packages_hash(),
        code=code_hash(),
        processor=f"{_model()} x{len(os.sched_getaffinity(0))}",
        python=platform.python_version(),
    )


def packages_hash() -> str:
    """SHA-256 over name and version of every installed package but Isotherm itself."""
    found = {f"{d.metadata['Name'].lower()}=={d.version}" for d in distributions()}
    lines = sorted(line for line in found if not line.startswith("isotherm=="))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def code_hash() -> str:
    """SHA-256 over the source files that a plan is computed by."""
    root, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for package in CODE:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
