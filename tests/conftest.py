"""What all tests share: their kind, repeatable examples, and quiet libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import cluster

# Tests run side by side, so each process takes one thread; set before any library is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

KINDS = frozenset({"unit", "property", "contract", "scenario", "interop", "browser"})
TESTS = Path(__file__).parent
# Field data sets too large for the repository lie beside it.
SHARED_DATA = TESTS.parents[1] / "shared" / "data"

# No deadlines: a verdict must not depend on how busy the machine is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=5_000,
    suppress_health_check=[HealthCheck.too_slow],  # patience is the point of this profile
)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its kind, which is the folder it lies in."""
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of field data sets; skip the test where a checkout has none."""
    if not SHARED_DATA.is_dir() or not any(SHARED_DATA.iterdir()):
        pytest.skip("shared/data is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of a PostgreSQL cluster; skip the test where none can be had."""
    yield from cluster()
