"""``isotherm model``: the life of a site's model, from its data to its retirement."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli import _model_data
from controller.cli._model_shared import mistakes, read, registry_option, site_data
from controller.cli.base import CommandError, Commands, message, print_json, print_table

if TYPE_CHECKING:
    from controller.lifecycle.work import By
    from models.evaluation import Evaluation
    from models.versions import Versions

SHOWN = (
    "air_5min_over_persistence",
    "air_60min_over_persistence",
    "air_60min_rmse_k",
    "liquid_5min_over_persistence",
    "liquid_60min_over_persistence",
    "liquid_60min_rmse_k",
    "band_90_coverage",
    "margin_99_coverage",
    "upper_90_coverage",
    "upper_90_worst_rack",
    "wrong_signs",
    "power_cv_rmse",
    "power_nmbe",
)


def register(commands: Commands) -> None:
    """Add ``model`` and its parts."""
    parser = commands.add_parser("model", help="train, judge, promote and watch models of a site")
    parts = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    _model_data.add(parts)

    train = parts.add_parser("train", help="train a model, judge it on what was held out, keep it")
    site_data(train)
    registry_option(train)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--hold-out", type=float, default=0.2, help="last share of the time")
    _effort(train)
    _by(train, "trained")
    train.set_defaults(run=run_train)

    evaluate = parts.add_parser("evaluate", help="judge a version on a history")
    evaluate.add_argument("version", help="its name or the beginning of it, current or previous")
    site_data(evaluate)
    registry_option(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=run_evaluate)

    compare = parts.add_parser("compare", help="judge two versions on the same history")
    compare.add_argument("versions", nargs=2, metavar="VERSION")
    site_data(compare)
    registry_option(compare)
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(run=run_compare)

    promote = parts.add_parser("promote", help="put a version into use, if it passes the gates")
    promote.add_argument("version")
    registry_option(promote)
    promote.add_argument("--gates", type=Path, help="TOML with a table [gates] (see docs/model.md)")
    _by(promote)
    promote.set_defaults(run=run_promote)

    rollback = parts.add_parser("rollback", help="go back to the version that was in use before")
    registry_option(rollback)
    _by(rollback)
    rollback.set_defaults(run=run_rollback)

    listing = parts.add_parser("list", help="all versions, and which is in use")
    registry_option(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)

    show = parts.add_parser("show", help="a version's card, its evaluations and what was done")
    show.add_argument("version", nargs="?", default="current")
    registry_option(show)
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_show)

    drift = parts.add_parser("drift", help="whether a version still keeps what it claims")
    drift.add_argument("version", nargs="?", default="current")
    site_data(drift)
    registry_option(drift)
    drift.add_argument("--json", action="store_true", help="print JSON")
    drift.set_defaults(run=run_drift)

    refit = parts.add_parser("refit", help="train a challenger on recent days and those kept")
    site_data(refit)
    registry_option(refit)
    refit.add_argument("--if-due", action="store_true", help="only on drift, or by age")
    refit.add_argument("--every-days", type=float, default=14.0, help="age at which it is due")
    refit.add_argument("--seed", type=int, default=0)
    _effort(refit)
    _by(refit, "refitted")
    refit.set_defaults(run=run_refit)


def _effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--effort", type=float, default=1.0, help="share of the usual iterations, for a quick look"
    )


def _by(parser: argparse.ArgumentParser, why: str | None = None) -> None:
    parser.add_argument("--by", help="who does it (default: the name logged in)")
    parser.add_argument("--why", required=why is None, default=why, help="for the record")


def run_train(args: argparse.Namespace) -> int:
    """Train, judge, keep; exit 0."""
    from controller.lifecycle.work import Settings, train_version

    if not 0.05 <= args.hold_out <= 0.5:
        raise CommandError("--hold-out is a share from 0.05 to 0.5")
    with mistakes():
        site, frame = read(args)
        message("interrupt it as you like: the same command goes on where it was")
        trained = train_version(
            site,
            frame,
            _versions(args),
            _who(args),
            settings=Settings(args.seed, _effort_of(args), args.hold_out),
            progress=_bar("training"),
        )
    _figures([trained.name], [trained.evaluation])
    print(f"{trained.name}: {'kept' if trained.new else 'was there already'}")
    message(f"next: isotherm model promote {trained.name} --registry {args.registry} --why ...")
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """Judge one version; exit 0."""
    from controller.lifecycle.work import evaluate_version

    with mistakes():
        site, frame = read(args)
        found = evaluate_version(site, _versions(args), args.version, frame)
    if args.json:
        print_json(found.to_json())
    else:
        _figures([found.version[:16]], [found])
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Judge two versions on one history; exit 0."""
    from controller.lifecycle.work import evaluate_version

    with mistakes():
        site, frame = read(args)
        registry = _versions(args)
        found = [evaluate_version(site, registry, name, frame) for name in args.versions]
    if args.json:
        print_json([each.to_json() for each in found])
    else:
        _figures([each.version[:16] for each in found], found)
    return 0


def run_promote(args: argparse.Namespace) -> int:
    """Exit 0 where it is in use now, 1 where a gate was missed."""
    from controller.lifecycle.gates import read_gates
    from controller.lifecycle.work import promote

    with mistakes():
        gates = read_gates(args.gates)
        passed, verdicts = promote(_versions(args), args.version, gates, _who(args))
    rows = [(v.gate, "passed" if v.passed else "MISSED", v.text) for v in verdicts]
    print_table(("gate", "", "figure"), rows)
    print(f"{args.version}: {'in use' if passed else 'refused, and that is on record'}")
    if passed:
        message("isotherm serve reads it when it starts: restart it")
    return 0 if passed else 1


def run_rollback(args: argparse.Namespace) -> int:
    """Exit 0: the version before is in use again."""
    with mistakes():
        state = _versions(args).roll_back(_who(args).action("rolled back"))
    print(f"{state.current}: in use again; {state.previous} can be gone back to")
    message("isotherm serve reads it when it starts: restart it")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print all versions; exit 0."""
    from facility.clock import iso

    with mistakes():
        registry = _versions(args)
        state = registry.state
        added = [action for action in state.actions if action.what == "added"]
        judged = {a.version: registry.evaluations(a.version) for a in added}
    if args.json:
        print_json({**state.to_json(), "evaluations": {k: list(v) for k, v in judged.items()}})
        return 0
    use = {state.current: "in use", state.previous: "previous"}
    rows = []
    for action in added:
        last = judged[action.version][-1]["metrics"] if judged[action.version] else {}
        rows.append(
            (
                action.version,
                use.get(action.version, ""),
                iso(action.at_s),
                action.who,
                *(_cell(last.get(f"{kind}_60min_rmse_k")) for kind in ("air", "liquid")),
            )
        )
    print_table(("version", "", "added", "by", "air 60 min, K", "liquid 60 min, K"), rows)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print the card and the record; exit 0."""
    import json

    from facility.clock import iso

    with mistakes():
        registry = _versions(args)
        name = registry.name_of(args.version)
        folder = registry.folder_of(name)
        done = [action for action in registry.state.actions if action.version == name]
        if args.json:
            card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
            told = {"version": name, "card": card, "evaluations": registry.evaluations(name)}
            history = [{k: getattr(a, k) for k in a.__slots__} for a in done]
            print_json({**told, "actions": history})
            return 0
        print((folder / "card.md").read_text(encoding="utf-8"))
    print("## What was done")
    for action in done:
        print(f"- {iso(action.at_s)} {action.what} by {action.who}: {action.why}")
    return 0


def run_drift(args: argparse.Namespace) -> int:
    """Exit 0 where the claims are kept, 1 where a group drifted."""
    import dataclasses

    from controller.lifecycle.work import drift_of

    with mistakes():
        site, frame = read(args)
        registry = _versions(args)
        found = drift_of(site, registry, frame, args.version)
        name = registry.name_of(args.version)
    if args.json:
        print_json([dataclasses.asdict(each) for each in found])
    for each in found if not args.json else ():
        condition = each.condition(name)
        print(f"{condition.text}\n  {condition.action}")
    if not found and not args.json:
        print(f"{name} keeps what it claims")
    return 1 if found else 0


def run_refit(args: argparse.Namespace) -> int:
    """Exit 0: a challenger was trained, or none was due."""
    import pandas as pd

    from controller.lifecycle.work import Settings, refit, why_refit

    with mistakes():
        site, frame = read(args)
        registry = _versions(args)
        if args.if_due:
            now_s = pd.DatetimeIndex(frame.index)[-1].timestamp()
            due = why_refit(site, registry, frame, now_s, args.every_days)
            if due is None:
                print("no refit is due")
                return 0
            message(f"due: {due}")
        trained, champion = refit(
            site,
            registry,
            frame,
            _who(args),
            settings=Settings(args.seed, _effort_of(args)),
            progress=_bar("training the challenger"),
        )
    names, found = [trained.name], [trained.evaluation]
    if champion is not None:
        names, found = [*names, f"{champion.version[:16]} (in use)"], [*found, champion]
    _figures(names, found)
    message(f"not in use yet: isotherm model promote {trained.name} ...")
    return 0


def _versions(args: argparse.Namespace) -> Versions:
    from models.versions import Versions

    return Versions(args.registry)


def _who(args: argparse.Namespace) -> By:
    from controller.lifecycle.work import By

    return By(args.by or getpass.getuser(), args.why, time.time())


def _effort_of(args: argparse.Namespace) -> float:
    if not 0.01 <= args.effort <= 4.0:
        raise CommandError("--effort is a number from 0.01 to 4")
    return float(args.effort)


def _bar(what: str) -> Callable[[float], None]:
    """Tells the share done on stderr: in place on a terminal, by tenths elsewhere."""
    told = -1

    def tell(share: float) -> None:
        nonlocal told
        percent = int(100 * share)
        if percent <= told or (not sys.stderr.isatty() and percent // 10 == told // 10):
            return
        told = percent
        end = "\n" if percent >= 100 or not sys.stderr.isatty() else ""
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}{what}: {percent:3d} %", end=end, file=sys.stderr, flush=True)

    return tell


def _figures(names: list[str], found: list[Evaluation]) -> None:
    rows = [
        (name, *(_cell(each.metrics.get(name)) for each in found))
        for name in SHOWN
        if any(name in each.metrics for each in found)
    ]
    rows.append(("held out", *("yes" if each.held_out else "NO" for each in found)))
    print_table(("figure", *names), rows)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
