"""``isotherm backtest``: another model or other settings over a recorded period."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli.base import CommandError, Commands, message, print_table
from controller.cli.sweep import add_engine, engine_of

if TYPE_CHECKING:
    from controller.backtest import Summary, Variant
    from facility.site import Site

FORMS = ("html", "pdf")
EVERY = (1, 120)
"""Minutes between steps, at least and at most."""


def register(commands: Commands) -> None:
    """Add ``backtest``."""
    parser = commands.add_parser(
        "backtest",
        help="run another model or other settings over a recorded period, without look-ahead",
        description="Every model under every settings file is a variant; each day of each is run "
        "by itself, and what is done already is not done again.",
    )
    parser.add_argument("--site", type=Path, required=True, help="folder of the site")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        action="append",
        help="folder of a trained model; may be given again",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        action="append",
        help="TOML of settings of the planner; may be given again (default: those that run live)",
    )
    record = parser.add_mutually_exclusive_group(required=True)
    record.add_argument(
        "--data", type=Path, help="CSV or Parquet: of `isotherm storage export`, or time and tags"
    )
    record.add_argument("--state", type=Path, help="of `isotherm serve`: its stored telemetry")
    parser.add_argument("--database", metavar="URL", help="where the telemetry lies there instead")
    parser.add_argument("--from", dest="start", help="use the record from this moment on")
    parser.add_argument("--to", dest="end", help="and until this one")
    parser.add_argument(
        "--every", type=int, default=5, metavar="MIN", help="minutes between steps (default 5)"
    )
    parser.add_argument(
        "--keep-steps",
        action="store_true",
        help="keep each step whole below steps/ of --out, where `isotherm replay --state` finds it",
    )
    add_engine(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and the page")
    parser.add_argument(
        "--form", choices=FORMS, action="append", help="of the page (default html); may be repeated"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write ``backtest.json``, the page and the tables."""
    from controller.backtest import BacktestError, keep_days, read_rows, tasks
    from controller.evaluation.shadow import ShadowError
    from controller.sweep import SweepError, run_sweep
    from facility.loading import SiteError, load_site

    low, high = EVERY
    if not low <= args.every <= high:
        raise CommandError(f"--every has to be from {low} to {high} minutes")
    if args.database and args.state is None:
        raise CommandError("--database goes with --state")
    try:
        site = load_site(args.site)
        variants = _variants(args, site)
        rows = read_rows(
            site, data=args.data, state=args.state, database=args.database, start=args.start,
            end=args.end,
        )  # fmt: skip
        days = keep_days(rows, args.out.resolve() / "record", start=args.start, end=args.end)
        todo = tasks(
            (args.site.resolve(), site),
            variants,
            days,
            every_s=60.0 * args.every,
            stands_s=rows.stands_s,
            keep=args.out.resolve() / "steps" if args.keep_steps else None,
        )
        results = run_sweep(
            todo,
            args.out / "runs",
            engine_of(args),
            lambda done, total: message(f"{done} of {total} days done"),
        )
    except (SiteError, ShadowError, BacktestError) as error:
        raise CommandError(str(error)) from None
    except SweepError as error:
        raise CommandError(str(error), status=1) from None
    except OSError as error:
        raise CommandError(f"{args.out} cannot be written: {error}") from None
    _conclude(args, site, variants, results)
    return 0


def _variants(args: argparse.Namespace, site: Site) -> list[Variant]:
    from controller.backtest import BacktestError, Variant, named, read_settings
    from controller.planning.settings import PlanningSettings
    from models.registry import Bundle, RegistryError

    chosen = [(path.stem, read_settings(path)) for path in args.settings or ()]
    found = []
    for path in args.model:
        try:
            version = Bundle.load(path, site).version
        except RegistryError as error:
            raise BacktestError(str(error)) from None
        name = path.resolve().name
        for label, settings in chosen or [("", PlanningSettings())]:
            full = named(f"{name}.{label}" if label else name)
            found.append(Variant(full, path.resolve(), version, settings))
    names = [variant.name for variant in found]
    if len(set(names)) < len(names):
        raise BacktestError(
            "variants are named after the folders of models and the files of settings; two have "
            f"the same name: {', '.join(sorted(n for n in set(names) if names.count(n) > 1))}"
        )
    return found


def _conclude(
    args: argparse.Namespace,
    site: Site,
    variants: list[Variant],
    results: dict[str, Any],
) -> None:
    from controller.backtest.report import backtest_report, page
    from controller.backtest.summary import proposals, summarise, table
    from controller.cli.report import write

    by_variant = {
        variant.name: {k: r for k, r in results.items() if k.rpartition("_")[0] == variant.name}
        for variant in variants
    }
    days = [
        summarise({key: result}, name, key.rpartition("_")[2])
        for name, part in by_variant.items()
        for key, result in part.items()
    ]
    first, last = days[0].day, days[-1].day
    totals = [summarise(part, name, f"{first} to {last}") for name, part in by_variant.items()]
    asked = {"from": args.start or first, "to": args.end or last, "every_s": 60.0 * args.every}
    report = backtest_report(site, totals, days, asked)
    write(args.out, "backtest", report, page(report, totals), args.form or ["html"])
    table(days).to_csv(args.out / "days.csv", index=False)
    table(totals).to_csv(args.out / "table.csv", index=False)
    proposals(results).to_csv(args.out / "proposals.csv", index=False)
    _show(totals)


def _show(totals: list[Summary]) -> None:
    from controller.backtest.score import LEADS_S

    hour = LEADS_S[2]
    head = ("variant", "planned", "fell back", "saving kW", "refused", "RMS K 1 h", "RMS power 1 h")
    print_table(
        head,
        [
            (
                one.variant,
                f"{one.planned}/{one.steps}",
                one.fallbacks,
                _figure(one.saving_kw, "{:.1f}"),
                f"{one.answers['refused']}/{one.judged}",
                _figure(one.rms("temperature_k", hour), "{:.2f}"),
                _figure(one.rms_share("power_kw", hour), "{:.1%}"),
            )
            for one in totals
        ],
    )


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
