"""``isotherm sim``: the simulated facility's scenarios: list, show, run."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli.base import CommandError, Commands, message, print_json, print_table

if TYPE_CHECKING:
    from controller.cli.demo import ProgressLine
    from sim.scenarios import Prepared, Scenario, ScenarioRun
    from sim.scenarios.scenario import PlannedFault

MODEL_SEED = 1
LOCAL = ("guideline36", "fixed")


def register(commands: Commands) -> None:
    """Add ``sim list``, ``sim show`` and ``sim run``."""
    parser = commands.add_parser("sim", help="scenarios of the simulated facility")
    parts = parser.add_subparsers(title="sim commands", metavar="COMMAND", required=True)

    listed = parts.add_parser("list", help="all scenarios, each in a line")
    listed.add_argument("--tag", help="only those with this tag, such as weather or grid")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=run_list)

    show = parts.add_parser("show", help="what a scenario is made of")
    show.add_argument("name", help="of the list, or the path of a scenario's TOML file")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=run_show)

    run = parts.add_parser("run", help="run a scenario and write its tables and accounts")
    run.add_argument("name", help="of the list, or the path of a scenario's TOML file")
    run.add_argument("--local", choices=LOCAL, default=LOCAL[0], help="the plant's own control")
    run.add_argument("--seed", type=int, help="of load, weather and sensors (default: its own)")
    run.add_argument("--hours", type=float, help="of plant time (default: its own)")
    run.add_argument("--data", type=Path, help="folder of data files (default: ../shared/data)")
    run.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="of the tables"
    )
    run.add_argument(
        "--controller",
        action="store_true",
        help="under the whole controller, in this process, beside both local controls",
    )
    run.add_argument("--model", type=Path, help="with --controller: of a trained model")
    run.add_argument(
        "--mode",
        choices=("shadow", "advisory", "automatic"),
        default="automatic",
        help="with --controller: of all actuators",
    )
    run.add_argument("--out", type=Path, required=True, help="folder to write")
    run.add_argument("--json", action="store_true", help="print the accounts as JSON")
    run.set_defaults(run=run_run)


def run_list(args: argparse.Namespace) -> int:
    """List the library; needs no data files."""
    from sim.scenarios import library

    found = [s for s in library() if args.tag is None or args.tag in s.tags]
    if not found:
        known = sorted({tag for s in library() for tag in s.tags})
        raise CommandError(f"no scenario has the tag {args.tag!r}; there are {', '.join(known)}")
    if args.json:
        print_json([asdict(scenario) for scenario in found])
        return 0
    rows = [
        (s.name, s.site, f"{s.hours:g}", ",".join(s.tags), "yes" if s.data_files else "", s.title)
        for s in found
    ]
    print_table(("scenario", "site", "hours", "tags", "data", "what it is"), rows)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Show one scenario."""
    scenario = _found(args.name)
    if args.json:
        print_json(asdict(scenario))
        return 0
    print(f"{scenario.name}: {scenario.title}\n\n{scenario.description}\n")
    print_table(("", ""), _lines(scenario))
    return 0


def _lines(scenario: Scenario) -> list[tuple[str, str]]:
    load, weather = scenario.load, scenario.weather
    lines = [
        ("site", scenario.site),
        ("start", scenario.start),
        ("hours", f"{scenario.hours:g}"),
        ("seed", str(scenario.seed)),
        ("tags", ", ".join(scenario.tags)),
        (
            "load",
            {
                "generated": f"generated, {load.mix}, peak {load.peak:g}",
                "constant": f"{100.0 * load.share:g} % of the ratings",
                "trace": f"trace {load.file}",
            }[load.kind],
        ),
    ]
    lines += [
        (
            "  job",
            f"{job.power_kw:g} kW within {job.ramp_s:g} s after {job.start_h:g} h, "
            f"for {job.hours:g} h, on {', '.join(job.places) or 'all racks'}",
        )
        for job in load.jobs
    ]
    lines.append(
        (
            "weather",
            {
                "generated": f"generated, {weather.climate}",
                "constant": f"{weather.dry_bulb_c:g} °C dry, {weather.wet_bulb_c:g} °C wet bulb",
                "epw": weather.file,
                "swept": "swept from winter to a heat wave",
            }[weather.kind],
        )
    )
    lines += [
        (
            "  spell",
            f"{spell.dry_bulb_k:+g} K, dew point {spell.dew_point_k:+g} K, "
            f"after {spell.start_h:g} h for {spell.hours:g} h",
        )
        for spell in weather.spells
    ]
    for name, plan in (("price", scenario.price), ("carbon", scenario.carbon)):
        words = plan.file or ("by the hour of the day" if plan.hours else "the site's tariff")
        lines.append((name, words))
    lines += [("fault", _fault(fault)) for fault in scenario.faults]
    if scenario.excited:
        lines.append(("setpoints", "all moved jointly and each on its own, at the panels"))
    return lines


def _fault(fault: PlannedFault) -> str:
    until = "until the end" if fault.end is None else f"to {fault.end:g} s"
    how = "" if fault.severity is None else f", severity {fault.severity:g}"
    grows = f", growing for {fault.grows_s:g} s" if fault.grows_s else ""
    return f"{fault.kind} at {fault.place} from {fault.start:g} s {until}{how}{grows}"


def run_run(args: argparse.Namespace) -> int:
    """Run a scenario; exit status 2 where it cannot be run."""
    from controller.cli.demo import ProgressLine
    from sim.faults import FaultError
    from sim.plant.reading import InputError
    from sim.scenarios import ScenarioError, run_scenario

    scenario = _found(args.name)
    if args.hours is not None and not args.hours > 0.0:
        raise CommandError(f"--hours must be above 0, not {args.hours:g}")
    if args.controller:
        return _run_controlled(scenario, args)
    line = ProgressLine()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        done = run_scenario(
            scenario,
            local_control=args.local,
            seed=args.seed,
            hours=args.hours,
            data=args.data,
            progress=lambda share: line(f"{scenario.name} under {args.local}", share),
        )
        line(f"{scenario.name} under {args.local}", 1.0)
        written = done.write(args.out, args.format)
    except (ScenarioError, InputError, FaultError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"cannot write to {args.out}: {error.strerror}") from None
    if args.json:
        print_json(done.summary())
        return 0
    print_table(("", "", ""), results(done))
    message(f"wrote {', '.join(str(path) for path in written)}")
    return 0


def _run_controlled(scenario: Scenario, args: argparse.Namespace) -> int:
    """The whole controller over the scenario's plant, in this process."""
    from controller.cli.demo import ProgressLine
    from controller.evaluation import headline, write_report
    from controller.evaluation.in_process import InProcessError, run_in_process
    from facility.commands import Mode
    from sim.faults import FaultError
    from sim.plant.reading import InputError
    from sim.scenarios import ScenarioError, prepare

    line = ProgressLine()
    try:
        ready = prepare(scenario, seed=args.seed, hours=args.hours, data=args.data)
        model = args.model or _kept_model(ready, line)
        run_in_process(ready, model, args.out, mode=Mode(args.mode), progress=line)
        report = write_report(args.out)
    except (ScenarioError, InputError, FaultError, InProcessError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"cannot write to {args.out}: {error.strerror}") from None
    if args.json:
        print_json(report)
    else:
        print(headline(report))
    message(f"wrote {args.out / 'report.html'}")
    return 0


def _kept_model(prepared: Prepared, line: ProgressLine) -> Path:
    """The kept model of a scenario's site; trained on the first call, which takes minutes."""
    from controller.demo.model import ensure_model
    from controller.evaluation.in_process import lay_site

    with tempfile.TemporaryDirectory(prefix="isotherm-") as folder:
        lay_site(prepared, Path(folder))
        return ensure_model(Path(folder) / "site", seed=MODEL_SEED, progress=line)[0]


def results(done: ScenarioRun) -> list[tuple[str, str, str]]:
    """A run's accounts as lines of name, figure and unit."""
    accounts, plan = done.accounts, done.prepared
    lines: list[tuple[str, Any, str]] = [
        ("IT energy", f"{accounts.it_energy_kwh:,.0f}", "kWh"),
        ("cooling energy", f"{accounts.cooling_energy_kwh:,.0f}", "kWh"),
        *((f"  {name}", f"{kwh:,.0f}", "kWh") for name, kwh in accounts.energy_kwh.items()),
        ("PUE of cooling", "–" if accounts.pue is None else f"{accounts.pue:.4f}", ""),
        ("peak of cooling", f"{accounts.peak_cooling_kw:,.0f}", "kW"),
        ("peak of the facility", f"{accounts.peak_facility_kw:,.0f}", "kW"),
        ("cost of cooling", f"{done.cooling_cost:,.0f}", plan.site.tariff.currency),
        ("carbon of the facility", f"{done.facility_carbon_kg:,.0f}", "kg"),
        ("water evaporated", f"{accounts.water_m3:,.1f}", "m³"),
        ("above limits", f"{accounts.limit_violation_degree_minutes:,.1f}", "K min"),
        ("highest excess", f"{accounts.peak_excess_k:.2f}", "K"),
        ("above recommended", f"{accounts.over_recommended_degree_minutes:,.1f}", "K min"),
        ("throttled", f"{accounts.throttled_kwh:,.1f}", "kWh"),
        ("energy balance", f"{1e6 * accounts.balance_error:+.1f}", "ppm"),
        ("simulated", f"{plan.hours:g} h in {done.seconds:.1f} s", ""),
    ]
    return lines


def _found(name: str) -> Scenario:
    from sim.scenarios import ScenarioError, find

    try:
        return find(name)
    except ScenarioError as error:
        raise CommandError(str(error)) from None
