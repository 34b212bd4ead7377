"""``make mutation``: break `safety/` and the write gate in every way; every mutant must be caught.

Exit status 0 only where every mutant was killed or is listed in ``equivalent.toml`` with a
reason, and nothing there is stale. Mutants that take too long or crash the process count apart,
and never as killed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Set
from pathlib import Path

from tests.mutation.campaign import (
    CRASHED,
    KILLED,
    SURVIVED,
    TIMED_OUT,
    Campaign,
    CampaignError,
    Result,
    sample,
)
from tests.mutation.listed import Listed, read_listed
from tests.mutation.operators import Mutant

ROOT = Path(__file__).resolve().parents[2]
LISTED = Path(__file__).with_name("equivalent.toml")
SLOW = (
    # Walks every file of the repository, and every byte of a journal: other tests say the same.
    "tests/unit/test_gateway_write_gate.py::test_no_other_code_calls_a_drivers_write",
    "tests/unit/test_safety_journal.py::test_every_single_changed_byte_is_found",
    # Whole reference sites: what they show, small halls show digit by digit.
    "tests/unit/test_safety_backup_site.py::test_a_site_states_its_own_figures_and_slips_are_told",
)
# Whole reference sites again, several seconds of them: for what all other tests let pass.
SLOW_FILES = ("tests/unit/test_safety_backup_envelope.py",)


def envelope(
    workers: int = 2, *, known: Set[str] = frozenset(), quick: bool = False, tests: str = ""
) -> Campaign:
    """The campaign against everything that a value passes on its way to a device."""
    modules = [*sorted(ROOT.glob("safety/*.py")), ROOT / "adapters/gateway/write_gate.py"]
    files = (
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/unit/test_safety_*.py"))),
        "tests/unit/test_gateway_write_gate.py",
    )
    return Campaign(
        root=ROOT,
        modules=tuple(str(path.relative_to(ROOT)) for path in modules),
        files=tuple(
            name
            for name in files
            if name not in SLOW_FILES and any(part in name for part in tests.split(","))
        ),
        slow_files=() if tests else SLOW_FILES,
        deselected=SLOW,
        workers=workers,
        known=known,
        quick=quick,
    )


def main() -> int:
    """Run the campaign that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name contains A or B: A|B")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="about one in N")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--tests", default="", help="files of tests whose names contain one of A,B")
    parser.add_argument("--quick", action="store_true", help="functions only, for work on tests")
    parser.add_argument("--outside", action="store_true", help="what is outside functions only")
    parser.add_argument("--list", action="store_true", help="name the mutants, try none")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "mutation.json")
    args = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets must not decide what is noticed.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        again = [sys.executable, "-m", "tests.mutation", *sys.argv[1:]]
        os.execve(sys.executable, again, environment)
    listed = read_listed(LISTED)
    campaign = envelope(
        args.workers, known=listed.reasons.keys(), quick=args.quick, tests=args.tests
    )
    targets = campaign.targets()
    every = campaign.mutants(targets)
    chosen = [
        each
        for each in sample(every, args.sample, args.seed)
        if any(part in each.key for part in args.only.split("|"))
        and (each.function or not args.quick)
        and not (each.function and args.outside)
    ]
    if args.list:
        print("\n".join(each.key for each in chosen))
        return 0
    progress = _Progress(len(chosen), listed.reasons.keys())
    try:
        results = campaign.run(targets, chosen, progress.tell)
    except CampaignError as error:
        print(f"mutation: {error}", file=sys.stderr)
        return 2
    args.report.parent.mkdir(parents=True, exist_ok=True)
    args.report.write_text(json.dumps(_report(results, progress.took_s()), indent=1) + "\n")
    return judge(every, results, listed, progress.took_s())


def judge(every: list[Mutant], results: list[Result], listed: Listed, took_s: float) -> int:
    """Print what became of the mutants; 0 where nothing is left to be done."""
    counts = Counter(each.outcome for each in results)
    open_, stale = listed.compare(every, results)
    for each in open_:
        print(f"{each.outcome}: {each.mutant.key}  (line {each.mutant.line}) {_how(each)}")
    for text in stale:
        print(f"stale: {text}")
    equivalent = counts[SURVIVED] + counts[TIMED_OUT] + counts[CRASHED] - len(open_)
    print(
        f"{len(results)} mutants in {took_s:.0f} s: {counts[KILLED]} killed, "
        f"{counts[SURVIVED]} survived, {counts[TIMED_OUT]} timed out, {counts[CRASHED]} crashed; "
        f"{equivalent} of them listed with a reason, {len(open_)} open, {len(stale)} stale entries"
    )
    return 1 if open_ or stale else 0


def _how(result: Result) -> str:
    return result.by if result.outcome == CRASHED else ""


def _report(results: list[Result], took_s: float) -> dict[str, object]:
    return {
        "took_s": round(took_s, 1),
        "counts": dict(Counter(each.outcome for each in results)),
        "mutants": [
            {
                "mutant": each.mutant.key,
                "line": each.mutant.line,
                "outcome": each.outcome,
                "by": each.by,
                "took_s": round(each.took_s, 3),
            }
            for each in results
        ],
    }


class _Progress:
    def __init__(self, total: int, listed: Set[str]) -> None:
        self.total, self.done, self.started_s = total, 0, time.monotonic()
        self.listed = listed

    def took_s(self) -> float:
        return time.monotonic() - self.started_s

    def tell(self, result: Result) -> None:
        self.done += 1
        if result.outcome != KILLED and result.mutant.key not in self.listed:
            start = "\r\033[K" if sys.stderr.isatty() else ""
            text = f"{start}{result.outcome} after {result.took_s:.0f} s: {result.mutant.key}"
            print(text, file=sys.stderr, flush=True)
        if self.done % 250 == 0 or sys.stderr.isatty():
            end = "" if sys.stderr.isatty() else "\n"
            text = f"{self.done} of {self.total} after {self.took_s():.0f} s"
            print(f"\r{text}" if not end else text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
