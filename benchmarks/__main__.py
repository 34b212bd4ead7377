"""``python -m benchmarks [NAME] [--json] [--full] [--ablations]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks import document
from benchmarks.harness import ROOT, Bench, BenchmarkError
from benchmarks.machine import machine, versions
from benchmarks.registry import Benchmark, benchmarks, named

PAGE = ROOT / "docs" / "benchmarks.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Answer 0: measured; 1: one failed, or with ``--check`` missed a goal; 2: asked wrongly."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.list:
        for benchmark in benchmarks().values():
            print(f"{benchmark.name.ljust(14)}{benchmark.about}")
        return 0
    if args.json and not args.name:
        parser.error("--json prints one benchmark: name it")
    try:
        chosen = named([args.name] if args.name else _defaults())
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    if args.ablations and not (args.name and chosen[0].has_ablations):
        able = ", ".join(b.name for b in benchmarks().values() if b.has_ablations)
        parser.error(f"--ablations goes with one benchmark that has parts to take away: {able}")
    results, failed = {}, False
    for benchmark in chosen:
        try:
            results[benchmark.name] = run(
                benchmark, full=args.full, work=args.work, ablations=args.ablations
            )
        except BenchmarkError as error:
            say(f"{benchmark.name}: {error}")
            failed = True
        except Exception:  # noqa: BLE001 - one that breaks must not hide the others' figures
            say(f"{benchmark.name} broke:\n{traceback.format_exc()}")
            failed = True
        else:
            _show(results[benchmark.name], as_json=args.json)
    if not args.name and results:
        _renew(results)
    missed = any(m["met"] is False for r in results.values() for m in r["measures"])
    return 1 if failed or (args.check and missed) else 0


def run(benchmark: Benchmark, *, full: bool, work: Path, ablations: bool = False) -> dict[str, Any]:
    """Measure one and answer the object that ``--json`` prints."""
    folder = work / benchmark.name
    bench = Bench(benchmark.name, full, folder, lambda text: say(f"  {text}"), ablations)
    say(f"{benchmark.name}: {benchmark.about}")
    began = time.monotonic()
    with _stdout_is_data():
        measure, scope = benchmark.load()
        measures = [taken.to_json() for taken in measure(bench)]
    return {
        "benchmark": benchmark.name,
        "about": benchmark.about,
        "full": full,
        "measures": measures,
        "machine": machine(),
        "versions": versions(),
        "seconds": round(time.monotonic() - began, 3),
        "scope": scope,
    }


def say(text: str) -> None:
    """Tell a person; stdout is for figures."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help="one benchmark (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--full", action="store_true", help="the study; resumed where it stopped")
    parser.add_argument(
        "--ablations", action="store_true", help="what parts are worth, by taking them away"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "var" / "benchmarks",
        help="where studies keep their steps",
    )
    return parser


def _defaults() -> list[str]:
    return [benchmark.name for benchmark in benchmarks().values() if benchmark.default]


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
        return
    head = ("measure", "value", "unit", "goal", "met")
    rows = [
        (
            m["name"],
            document.figure(m["value"]),
            m["unit"],
            document.goal(m),
            document.met(m).strip("*"),
        )
        for m in result["measures"]
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    print(f"{result['benchmark']} ({result['seconds']:.0f} s): {result['scope']}")
    for row in (head, *rows):
        cells = (
            cell.rjust(w) if i == 1 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def _renew(results: dict[str, dict[str, Any]]) -> None:
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    try:
        renewed = document.renew(text, results)
    except document.DocumentError as error:
        say(f"{error}; the figures above were not written there")
        return
    unfinished = PAGE.with_suffix(".md.new")
    unfinished.write_text(renewed, encoding="utf-8")
    unfinished.replace(PAGE)
    say(f"renewed {PAGE.relative_to(ROOT)}")


@contextmanager
def _stdout_is_data() -> Iterator[None]:
    """Whatever is measured may print, and its children too; that goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


if __name__ == "__main__":
    sys.exit(main())
