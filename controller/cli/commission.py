"""``isotherm commission``: actuators, functional tests, calibrations, and the signed report."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli import commission_paper
from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.field import add_options, devices_of, gateway_of, same_site, site_at, socket_of

if TYPE_CHECKING:
    from adapters.commissioning.actuator import Checker
    from adapters.commissioning.actuator_result import Plan, Result
    from facility.site import Site


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("commission", help="check actuators, witness tests, sign a report")
    parts = parser.add_subparsers(title="commission commands", metavar="COMMAND", required=True)

    for name, says in (
        ("begin", "let a named person write to these devices, until `end`"),
        ("end", "give the devices back; their actuators fall to shadow"),
    ):
        part = parts.add_parser(name, help=says)
        part.add_argument("device", nargs="+", help="device ids")
        _person(part)
        part.set_defaults(run=run_begin if name == "begin" else run_end)

    check = parts.add_parser(
        "actuator", help="write back, step, watch, measure the time-out, restore"
    )
    check.add_argument("actuator", nargs="+", help="actuator ids, or device ids for all of theirs")
    check.add_argument(
        "--step", type=float, help="size of the step (default: 0.5 K, or 2 %% of the range)"
    )
    check.add_argument(
        "--effect", dest="effect_s", type=float, default=60.0, metavar="SECONDS",
        help="wait so long for an effect (60)",
    )  # fmt: skip
    check.add_argument(
        "--no-time-out", action="store_true", help="do not measure the device's own time-out"
    )
    _person(check)
    check.set_defaults(run=run_actuator)
    commission_paper.add(parts, _person)


def _person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", type=Path, default=Path(), help="folder of the site (here)")
    parser.add_argument("--who", default="", help="who does it (default: the user's name)")
    parser.add_argument("--why", required=True, help="the reason, for the journal")
    parser.add_argument("--witness", default="", help="who watches")
    parser.add_argument(
        "--records", type=Path, help="keep the result here (default: SITE/commissioning)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)


def who_of(args: argparse.Namespace) -> str:
    """Who acts, by name."""
    return str(args.who) or getpass.getuser()


def records_of(args: argparse.Namespace) -> Path:
    """The folder of records."""
    folder: Path = args.records or args.site / "commissioning"
    return folder


def run_begin(args: argparse.Namespace) -> int:
    """Lift the latches of the devices and let a person write to them."""
    site = site_at(args.site)
    actuators = _actuators(site, args.device)
    why = f"commissioning: {args.why}"
    with gateway_of(args, site) as gateway:
        gateway.call("arm", who=who_of(args), why=why)
        gateway.call("set_mode", mode="advisory", actuators=actuators, who=who_of(args), why=why)
    return _told(args, {"mode": "advisory", "actuators": actuators},
                 f"{len(actuators)} actuators take the commands of named people now; "
                 "`isotherm commission end` takes that back")  # fmt: skip


def run_end(args: argparse.Namespace) -> int:
    """Give the devices back; their actuators fall to shadow."""
    site = site_at(args.site)
    actuators = _actuators(site, args.device)
    with gateway_of(args, site) as gateway:
        answer = gateway.call("release", actuators=actuators, who=who_of(args), why=args.why)
    return _told(args, answer, "given back; nothing is written to them in shadow")


def _actuators(site: Site, devices: list[str]) -> list[str]:
    found = [a.id for device in devices_of(site, devices) for a in site.device_actuators(device)]
    if not found:
        raise CommandError(f"{', '.join(devices)} has no actuator")
    return found


def _told(args: argparse.Namespace, data: Any, words: str) -> int:
    if args.json:
        print_json(data)
    else:
        message(words)
    return 0


def run_actuator(args: argparse.Namespace) -> int:
    """Check actuators one after the other; exit status 1 where one fails."""
    from adapters.commissioning.actuator_result import Plan
    from adapters.commissioning.holding import CheckRefused
    from adapters.commissioning.records import RecordsError
    from adapters.gateway.client import GatewayError, GatewayRefusal
    from facility.wire import to_wire

    site = site_at(args.site)
    chosen = _chosen(site, args.actuator)
    if args.step is not None and args.step <= 0.0:
        raise CommandError("--step is a size above 0; which way is towards cooling is known")
    plan = Plan(args.step, args.effect_s, measure_time_out=not args.no_time_out)
    try:
        results = asyncio.run(_check_all(args, site, chosen, plan))
    except (CheckRefused, GatewayRefusal, GatewayError, RecordsError) as error:
        raise CommandError(str(error), status=1) from error
    if args.json:
        print_json([{**to_wire(vars(result)), "ok": result.ok} for result in results])
    return 0 if all(result.ok for result in results) and len(results) == len(chosen) else 1


async def _check_all(
    args: argparse.Namespace, site: Site, chosen: list[str], plan: Plan
) -> list[Result]:
    from adapters.commissioning.actuator import Checker
    from adapters.commissioning.actuator_result import Person
    from adapters.commissioning.holding import holding
    from adapters.commissioning.records import keep
    from adapters.gateway.client import GatewayClient
    from controller.cli.progress import Progress

    gateway = await GatewayClient.connect(socket_of(args))
    person = Person(who_of(args), args.why, args.witness)
    results: list[Result] = []
    try:
        told = await gateway.call("hello", client="commissioning")
        same_site(site, str(told["site_hash"]))
        async with holding(gateway, site):
            for number, actuator in enumerate(chosen, start=1):
                if number > 1 and site.actuators[actuator].device in {r.device for r in results}:
                    # The last check gave the device back, and its actuators to shadow.
                    await _begin_again(gateway, site, actuator, person.who, args.why)
                with Progress(quiet=args.json) as progress:
                    checker = Checker(gateway, site, person, progress)
                    result = await _interruptible(checker, actuator, plan)
                results.append(result)
                keep(records_of(args), "actuator_check", site,
                     {**vars(result), "ok": result.ok})  # fmt: skip
                if not args.json:
                    _print_result(result)
    finally:
        await gateway.close()
    return results


async def _begin_again(gateway: Any, site: Site, actuator: str, who: str, why: str) -> None:
    device = site.actuators[actuator].device
    ids = [a.id for a in site.device_actuators(device)]
    await gateway.call("arm", who=who, why=why)
    await gateway.call("set_mode", mode="advisory", actuators=ids, who=who, why=why)


async def _interruptible(checker: Checker, actuator: str, plan: Plan) -> Result:
    """A check that ends on Ctrl-C or a kill by giving the device back first."""
    task = asyncio.create_task(checker.check(actuator, plan))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise CommandError("interrupted; the device was given back", status=130) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _chosen(site: Site, names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        if name in site.actuators:
            found.append(name)
        elif name in site.devices:
            found += [a.id for a in site.device_actuators(name)]
        else:
            raise CommandError(f"there is no actuator or device {name!r}")
    if not found:
        raise CommandError(f"{', '.join(names)} has no actuator")
    return list(dict.fromkeys(found))


def _print_result(result: Result) -> None:
    words = {True: "ok", False: "FAILED", None: "not told"}
    print(f"{result.actuator}: {'passed' if result.ok else 'FAILED'}")
    rows = [(f"  {f.name}", words[f.ok], f.detail) for f in result.findings]
    print_table(("  what", "outcome", "seen"), rows)
