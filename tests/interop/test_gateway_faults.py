"""Every fault that docs/gateway-faults.md tells of, injected again: its outcome and its row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.gateway_faults import PAGE, Fault, inject, page, row, table
from tests.gateway_stage import Stage

# The servers of the devices take seconds to start: all faults share them, and one event loop.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
FAULTS = table()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.open(tmp_path_factory.mktemp("faults"))
    yield stage
    await stage.close()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(f, id=f.name.replace(" ", "-"), marks=[pytest.mark.slow] if f.slow else [])
        for f in FAULTS
    ],
)
async def test_a_fault_has_its_outcome(stage: Stage, tmp_path: Path, fault: Fault) -> None:
    slowest = await inject(stage, fault, tmp_path / "b")
    assert row(fault, slowest) in PAGE.read_text(encoding="utf-8"), "run `make faults`"


async def test_the_page_tells_of_every_fault_and_of_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line for line in lines if not line.startswith("| fault |")]
    assert len(rows) == len(FAULTS) >= 50
    told = {(line.split(" | ")[0][2:], line.split(" | ")[1]) for line in rows}
    assert told == {(f.what, f.outcome) for f in FAULTS}
    # Words, headings and count are those of the table.
    by_name = {}
    left = list(rows)
    for fault in FAULTS:
        found = next(r for r in left if r.startswith(f"| {fault.what} | {fault.outcome} |"))
        left.remove(found)
        by_name[fault.name] = found
    assert sorted(page(by_name).splitlines()) == sorted(text.splitlines())
