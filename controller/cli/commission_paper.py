"""The paper side of ``isotherm commission``: witnessed tests, calibrations, the signed report."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.field import gateway_of, site_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.commissioning.live import Gateway
    from adapters.commissioning.records import Record
    from adapters.commissioning.report import Report
    from facility.site import Site

PASSPHRASE = "ISOTHERM_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


def add(parts: Commands, person: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the commands; ``person`` adds the options of who, why and where."""
    test = parts.add_parser("test", help="run a functional test by script, with a witness")
    test.add_argument(
        "script", help="a TOML file, or one of those shipped: " + ", ".join(shipped())
    )
    test.add_argument(
        "--with", dest="values", action="append", default=[], metavar="NAME=VALUE",
        help="fills {NAME} in the script (repeat)",
    )  # fmt: skip
    test.add_argument("--no-input", action="store_true", help="ask nobody: such steps fail")
    person(test)
    test.set_defaults(run=run_test)

    calibrate = parts.add_parser("calibrate", help="hold a sensor against an instrument")
    calibrate.add_argument("tag")
    calibrate.add_argument(
        "--reference", type=float, required=True, help="what the instrument shows"
    )
    calibrate.add_argument("--unit", help="the instrument's unit (default: the canonical one)")
    calibrate.add_argument(
        "--tolerance", type=float, required=True, help="largest error, in the same unit"
    )
    calibrate.add_argument("--instrument", required=True, help="make and serial number")
    calibrate.add_argument("--due", default="", help="when the instrument's certificate ends")
    calibrate.add_argument("--samples", type=int, default=10, help="a second apart (10)")
    person(calibrate)
    calibrate.set_defaults(run=run_calibrate)

    key = parts.add_parser("key", help="make a key to sign reports with")
    key.add_argument("file", type=Path)
    key.set_defaults(run=run_key)

    report = parts.add_parser("report", help="make a report of all that was kept, and sign it")
    report.add_argument("--site", type=Path, default=Path(), help="folder of the site (here)")
    report.add_argument("--records", type=Path, help="folder of records (SITE/commissioning)")
    report.add_argument("--out", type=Path, required=True, help="the report to be written")
    _signer(report)
    report.set_defaults(run=run_report)

    sign = parts.add_parser("sign", help="add a signature to a report, as a witness does")
    sign.add_argument("report", type=Path)
    _signer(sign)
    sign.set_defaults(run=run_sign)

    verify = parts.add_parser("verify", help="show a report and check its signatures")
    verify.add_argument("report", type=Path)
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(run=run_verify)


def _signer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, help=f"passphrase: {PASSPHRASE}")
    parser.add_argument("--who", default="", help="the signer's name (default: the user's)")
    parser.add_argument("--role", default="commissioning engineer", help="as what they sign")


def shipped() -> list[str]:
    """The names of the scripts that come with Isotherm."""
    folder = resources.files("adapters.commissioning") / "scripts"
    return sorted(
        item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")
    )


def run_test(args: argparse.Namespace) -> int:
    """Run a script; what was done by an interruption is kept as an unfinished test."""
    from adapters.commissioning.functional import Outcome, ScriptError, read_script, run_script
    from controller.cli.progress import Progress

    site = site_at(args.site)
    values = dict(item.partition("=")[::2] for item in args.values)
    try:
        script = read_script(_script(args.script), args.script, site, values)
    except ScriptError as error:
        raise CommandError(str(error)) from error
    outcomes: list[Outcome] = []
    stopped = False
    message(f"{script.name}: {script.purpose}")
    with gateway_of(args, site) as gateway, Progress(quiet=args.json) as progress:
        try:
            run_script(
                script, _nobody if args.no_input else _ask, _reader(gateway, site),
                time.sleep, progress, outcomes,
            )  # fmt: skip
        except (KeyboardInterrupt, EOFError):
            stopped = True
    done = len(outcomes) == len(script.steps)
    ok = done and all(outcome.ok for outcome in outcomes)
    content = {
        "name": script.name, "purpose": script.purpose, "who": _who(args), "why": args.why,
        "witness": args.witness, "outcomes": outcomes, "finished": done and not stopped, "ok": ok,
    }  # fmt: skip
    _keep(args, site, "functional_test", content)
    if args.json:
        from facility.wire import to_wire

        print_json(to_wire(content))
    else:
        rows = [("ok" if o.ok else "FAILED", o.text, o.seen) for o in outcomes]
        print_table(("outcome", "step", "seen"), rows)
        verdict = "passed" if ok else "FAILED" if done or not stopped else "not finished"
        print(f"{script.name}: {verdict}")
    return 130 if stopped else 0 if ok else 1


def run_calibrate(args: argparse.Namespace) -> int:
    """Hold a sensor against an instrument; exit status 1 beyond the tolerance."""
    from adapters.commissioning.calibration import CalibrationError, calibrate, samples_of
    from controller.cli.progress import Progress
    from facility.quantities import QUANTITIES
    from facility.units import UNITS
    from facility.wire import to_wire

    site = site_at(args.site)
    if args.tag not in site.points:
        raise CommandError(f"there is no tag {args.tag!r}")
    if not 1 <= args.samples <= 3600:
        raise CommandError("--samples is a number from 1 to 3600")
    point = site.points[args.tag]
    kind = QUANTITIES[point.quantity].kind
    unit = UNITS.get(args.unit or kind.unit)
    if unit is None or unit.kind is not kind:
        fitting = ", ".join(name for name, known in UNITS.items() if known.kind is kind)
        raise CommandError(f"--unit: {args.unit!r} is no unit of {args.tag}; use one of {fitting}")
    try:
        with gateway_of(args, site) as gateway, Progress(quiet=args.json) as progress:
            samples = samples_of(gateway, point, args.samples, time.sleep, progress)
        found = calibrate(
            point, samples,
            reference=unit.to_canonical(args.reference), tolerance=args.tolerance * unit.factor,
            instrument=args.instrument, due=args.due, who=_who(args), witness=args.witness,
        )  # fmt: skip
    except CalibrationError as error:
        raise CommandError(str(error), status=1) from error
    _keep(args, site, "calibration", {**to_wire(found), "why": args.why})
    if args.json:
        print_json(to_wire(found))
    else:
        print(
            f"{found.tag}: mean {found.mean:.4g} {found.unit} of {len(samples)} samples (spread "
            f"{found.spread:.3g}), reference {found.reference:.4g}: error {found.error:+.3g}, "
            f"{'within' if found.ok else 'BEYOND'} {found.tolerance:.3g}"
        )
        if not found.ok:
            message(
                f"an offset of {found.offset_for_zero_error:.4g} {point.unit} in the points list "
                f"(now {found.offset_now:g}) would set it right; look for the cause first"
            )
    return 0 if found.ok else 1


def run_key(args: argparse.Namespace) -> int:
    """Make a key."""
    from adapters.commissioning.report import ReportError, new_key

    try:
        fingerprint = new_key(args.file, os.environ.get(PASSPHRASE, ""))
    except ReportError as error:
        raise CommandError(str(error)) from error
    print(f"wrote {args.file}; fingerprint {fingerprint}")
    if not os.environ.get(PASSPHRASE):
        message(f"it has no passphrase: set {PASSPHRASE} before, to protect it")
    return 0


def run_report(args: argparse.Namespace) -> int:
    """Make a report and sign it."""
    from adapters.commissioning.records import RecordsError, load
    from adapters.commissioning.report import ReportError, make, read_key, sign, write

    site = site_at(args.site)
    if args.out.exists():
        raise CommandError(f"{args.out} exists; a report is never written over")
    try:
        key = read_key(args.key, os.environ.get(PASSPHRASE, ""))
        report = make(site, load(args.records or args.site / "commissioning"))
        write(args.out, sign(report, key, args.who or getpass.getuser(), args.role))
    except (RecordsError, ReportError) as error:
        raise CommandError(str(error), status=1) from error
    other = {record.site_hash for record in report.records} - {report.site_hash}
    if other:
        message("note: some records were made with other site files than those of today")
    print(f"wrote {args.out}: {len(report.records)} records, signed")
    return 0


def run_sign(args: argparse.Namespace) -> int:
    """Add a signature."""
    from adapters.commissioning.report import (
        ReportError,
        read,
        read_key,
        sign,
        why_not_valid,
        write,
    )

    try:
        report = read(args.report)
        for signature in report.signatures:
            if why := why_not_valid(report, signature):
                raise ReportError(f"the signature of {signature.who} does not stand: {why}")
        key = read_key(args.key, os.environ.get(PASSPHRASE, ""))
        write(args.report, sign(report, key, args.who or getpass.getuser(), args.role))
    except ReportError as error:
        raise CommandError(str(error), status=1) from error
    print(f"signed {args.report} as {args.role}")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Show a report; exit status 1 where a signature does not stand."""
    from adapters.commissioning.report import ReportError, read, why_not_valid

    try:
        report = read(args.report)
    except ReportError as error:
        raise CommandError(str(error), status=1) from error
    checked = [(s, why_not_valid(report, s)) for s in report.signatures]
    ok = bool(checked) and not any(why for _, why in checked)
    if args.json:
        signatures = [
            {"who": s.who, "role": s.role, "time": s.time, "key": s.fingerprint, "why_not": why}
            for s, why in checked
        ]
        print_json({"ok": ok, "site": report.site, "signatures": signatures})
        return 0 if ok else 1
    _show(report)
    for signature, why in checked:
        print(
            f"{'signed' if not why else 'NOT VALID'}: {signature.who}, {signature.role}, "
            f"{signature.time}, key {signature.fingerprint}{': ' + why if why else ''}"
        )
    if not checked:
        message("nobody has signed this report")
    else:
        message("that a key belongs to its signer: compare the fingerprint with them")
    return 0 if ok else 1


def _show(report: Report) -> None:
    print(f"{report.name} ({report.site}), site files {report.site_hash[:12]}, made {report.made}")
    rows = [(r.time, r.kind.replace("_", " "), *_summary(r)) for r in report.records]
    print_table(("time", "what", "outcome", "of"), rows)


def _summary(record: Record) -> tuple[str, str]:
    content = record.content
    if record.kind == "live_check":
        lines = content["lines"]
        wrong = sum(line["finding"] != "plausible" for line in lines)
        return ("passed" if not wrong else f"{wrong} not plausible", f"{len(lines)} points")
    words = "passed" if content["ok"] else "FAILED"
    names = {"actuator_check": "actuator", "functional_test": "name", "calibration": "tag"}
    return words, str(content[names[record.kind]])


def _script(name: str) -> str:
    if name in shipped():
        file = resources.files("adapters.commissioning") / "scripts" / f"{name}.toml"
        return file.read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{name}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}; give a TOML file, or "
            f"one of {', '.join(shipped())}"
        ) from error


def _reader(gateway: Gateway, site: Site) -> Callable[[str], float | None]:
    from adapters.gateway.client import GatewayRefusal
    from facility.telemetry import Reading
    from facility.wire import from_wire

    def read(tag: str) -> float | None:
        try:
            device = site.points[tag].device
            answer = gateway.call("probe_points", device=device, tags=[tag])
        except GatewayRefusal:
            return None  # it does not answer now: the step goes on waiting
        told = answer["readings"].get(tag)
        return None if told is None else from_wire(Reading, told).good

    return read


def _ask(text: str) -> tuple[bool, str]:
    sys.stderr.write(f"\n{text}\n  done and as it should be? [y/n, and a remark] ")
    sys.stderr.flush()
    while True:
        answer, _, remark = input().strip().partition(" ")
        if answer.lower() in ("y", "yes"):
            return True, remark
        if answer.lower() in ("n", "no"):
            return False, remark
        sys.stderr.write("  y or n, then a remark if there is one: ")
        sys.stderr.flush()


def _nobody(_text: str) -> tuple[bool, str]:
    return False, "it needs a person, and nobody was asked (--no-input)"


def _who(args: argparse.Namespace) -> str:
    return str(args.who) or getpass.getuser()


def _keep(args: argparse.Namespace, site: Site, kind: str, content: dict[str, object]) -> None:
    from adapters.commissioning.records import RecordsError, keep

    try:
        keep(args.records or args.site / "commissioning", kind, site, content)
    except RecordsError as error:
        raise CommandError(str(error), status=1) from error
