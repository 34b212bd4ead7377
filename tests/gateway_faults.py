"""The faults that are injected into a gateway, each with the outcome that it must have.

`python -m tests.gateway_faults` injects all of them and writes docs/gateway-faults.md;
tests/interop/test_gateway_faults.py injects each and holds the page to what came of it.
"""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facility.commands import Mode
from tests.gateway_bench import Bench, limit_s, not_in_the_journal, outside_the_envelope
from tests.gateway_stage import Stage

PAGE = Path(__file__).parents[1] / "docs" / "gateway-faults.md"
Run = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A fault and what must come of it."""

    group: str
    what: str
    outcome: str
    run: Run
    back: frozenset[str] = frozenset()
    """Devices that must be in their own control afterwards; the others stay ours."""
    within: Mapping[str, float] = field(default_factory=dict)
    """Seconds by class, where the promise for a dead gateway is not the one that counts."""
    flaw: str = ""
    hurried: str = ""
    begins: str = "held"
    """`held`: everything armed; `settled`: connected, in automatic; `cold`: not started."""
    slow: bool = False
    sealed: bool = False
    """Whether the OPC UA device signs and encrypts."""

    @property
    def name(self) -> str:
        """Of the test."""
        return f"{self.group}: {self.what}"


FAULTS: list[Fault] = []


def fault(
    group: str,
    what: str,
    outcome: str,
    *,
    back: frozenset[str] | str = frozenset(),
    within: Mapping[str, float] | None = None,
    flaw: str = "",
    hurried: str = "",
    begins: str = "held",
    slow: bool = False,
    sealed: bool = False,
) -> Callable[[Run], Run]:
    """Enter a fault into the table."""

    def put(run: Run) -> Run:
        devices = frozenset({back}) if isinstance(back, str) else back
        FAULTS.append(
            Fault(
                group,
                what,
                outcome,
                run,
                devices,
                within or {},
                flaw,
                hurried,
                begins,
                slow,
                sealed,
            )
        )
        return run

    return put


async def inject(stage: Stage, each: Fault, folder: Path) -> dict[str, float]:
    """Inject a fault, hold it to its outcome, and answer the slowest hand-back by class.

    Raises
    ------
    AssertionError
        Something else came of it.
    """
    async with stage.bench(folder, each.hurried, sealed=each.sealed) as bench:
        if each.begins != "cold":
            await bench.start(each.flaw)
            if each.begins == "held":
                await bench.hold()
            else:
                await bench.set_mode(Mode.AUTOMATIC)
        await each.run(bench)
        assert set(bench.handed_back) == each.back, (bench.handed_back, bench.log.read_text())
        for device, seconds in bench.handed_back.items():
            kind = bench.site.devices[device].hand_back.value
            limit = each.within.get(kind, limit_s(bench.site, device))
            assert seconds <= limit, f"{device}: {seconds} s"
        assert outside_the_envelope(bench) == []
        if bench.journal.exists() and each.begins != "cold":
            assert not_in_the_journal(bench) == []
        return bench.slowest()


def row(each: Fault, slowest: Mapping[str, float]) -> str:
    """A fault as a row of the page."""
    times = [f"{slowest[kind]:g} s" if kind in slowest else "–" for kind in ("liquid", "air")]
    return f"| {each.what} | {each.outcome} | {times[0]} | {times[1]} |"


HEAD = """# Faults and what comes of them

{count} faults, each injected into the gateway as a process of its own, in front of \
simulated devices behind real Modbus TCP and OPC UA servers: two CDUs (liquid; their own \
watchdog is 4 s) and a CRAH with the building's sensors (air; 20 s). Written by `make \
faults`, which injects all of them; the tests inject each and compare its row.

In every one of them the devices' own record holds nothing outside the envelope (range, \
rates, dew point, take-over at the value in force) and nothing that was not in the journal \
first. The times are plant time from the fault until the slowest device of the class is in \
its own control, in quarters of a second; liquid must be back in 5 s and air in 30 s where \
gateway or controller are gone. Where readings are lost the clock is theirs: three missed \
scans of 5 s, or 300 s without a dew point.
"""


def page(rows: Mapping[str, str]) -> str:
    """The whole page; ``rows`` by the fault's name."""
    text = HEAD.format(count=len(rows))
    groups = dict.fromkeys(each.group for each in table())
    for group in groups:
        text += f"\n## {group}\n\n| fault | outcome | liquid | air |\n| --- | --- | --- | --- |\n"
        members = [each for each in FAULTS if each.group == group]
        text += "".join(rows[each.name] + "\n" for each in members)
    return text


async def _all(folder: Path) -> dict[str, str]:
    stage = Stage()
    rows: dict[str, str] = {}
    try:
        await stage.open(folder)
        for number, each in enumerate(FAULTS):
            try:
                begun = time.monotonic()
                slowest = await inject(stage, each, folder / str(number))
            except (AssertionError, TimeoutError) as error:
                sys.stderr.write(f"\n{each.name}: {type(error).__name__} {error}\n")
                continue
            rows[each.name] = row(each, slowest)
            sys.stderr.write(f"{time.monotonic() - begun:5.1f} s  {rows[each.name]}\n")
    finally:
        await stage.close()
    return rows


def table() -> tuple[Fault, ...]:
    """Every fault, in the order of the page."""
    for module in ("process", "client", "disk", "wire", "device", "opcua", "sealed"):
        importlib.import_module(f"tests.gateway_faults_{module}")
    order = {group: i for i, group in enumerate(sorted({f.group for f in FAULTS}))}
    return tuple(sorted(FAULTS, key=lambda each: order[each.group]))


def main() -> int:
    """Inject every fault and write the page; 1 where one had another outcome."""
    FAULTS[:] = table()
    folder = Path(tempfile.mkdtemp(prefix="faults"))
    rows = asyncio.run(_all(folder))
    shutil.rmtree(folder)
    if len(rows) < len(FAULTS):
        sys.stderr.write(f"{len(FAULTS) - len(rows)} of {len(FAULTS)} had another outcome\n")
        return 1
    PAGE.write_text(page(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    # Once under its own name, so that there is one table.
    from tests.gateway_faults import main as run

    sys.exit(run())
