"""``python -m adapters.gateway``: the gateway process."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from adapters.gateway.door import Door, DoorError, claim_socket, lock_state
from adapters.gateway.house import House, StateFolderError
from adapters.gateway.limit_book import LimitBookError
from adapters.gateway.modes import ModesError
from adapters.gateway.notify import Mail, Notifier, NotifyError
from adapters.gateway.service import AsyncRim, Service, ready_line
from facility.clock import Clock, SteppedClock, WallClock, iso
from facility.loading import SiteError, load_site
from facility.site import Site
from safety.journal import JournalError
from safety.limits import LimitsError

log = logging.getLogger("gateway")

CANNOT_START = 2
PARTICIPANT = "gateway"


class ClockFileError(Exception):
    """The clock file cannot be used; the message says why."""


def main(argv: list[str] | None = None) -> int:
    """Run the gateway; 0 after an orderly end, 1 after a failure, 2 where it cannot start."""
    args = _arguments(argv)
    _log_to_stderr()
    try:
        site = load_site(args.site)
        for device in site.devices.values():
            if device.security.partition(":")[0].strip() == "None":
                log.warning(
                    "%s: %s without security (%s)",
                    *(device.id, device.protocol.value, device.security),
                )
        with lock_state(args.state):
            claim_socket(args.socket)
            return asyncio.run(_run(site, args))
    except (
        SiteError, LimitsError, DoorError, ModesError, LimitBookError, StateFolderError,
        JournalError, NotifyError, ClockFileError, OSError,
    ) as error:  # fmt: skip
        for line in str(error).splitlines() or [type(error).__name__]:
            sys.stderr.write(f"gateway: cannot start: {line}\n")
        return CANNOT_START


async def _run(site: Site, args: argparse.Namespace) -> int:
    # Loaded only here: a mistake in the arguments or the site is told without waiting for it.
    from adapters.gateway.drivers import drivers_of
    from adapters.pki import Pki

    clock = await _clock(args.clock_file)
    rim = AsyncRim(waits_for_all=clock.stands_still)
    pki = Pki(args.pki or args.state / "pki")
    drivers = drivers_of(site, clock.now_s, pki, stands_still=clock.stands_still)
    house = House.build(site, drivers, rim, clock.now_s, args.state)
    notifier = _notifier(site, args)
    house.rounds.tell = notifier.tell
    service = Service(house, clock, rim)
    door = Door(service.answer, service.left, lambda c: c == house.core.watch.holder)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop, f"signal {number.name}")
    try:
        await door.open(args.socket, args.socket_group)
        sys.stdout.write(ready_line(site.id, site.content_hash, str(args.socket), os.getpid()))
        sys.stdout.write("\n")
        sys.stdout.flush()
        log.info("%s: %d devices, %d actuators, listening on %s; plant time %s",
                 site.id, len(site.devices), len(site.actuators), args.socket,
                 iso(clock.now_s()))  # fmt: skip
        return await service.run()
    finally:
        await door.close()
        await notifier.close()
        if isinstance(clock, SteppedClock):
            await clock.leave()
        await house.close()


def _notifier(site: Site, args: argparse.Namespace) -> Notifier:
    mail = None
    if args.notify_mail:
        sender = args.notify_from or args.notify_mail
        mail = Mail(args.notify_mail, args.notify_server, sender)
    return Notifier(site.name, args.notify_webhook, mail)


async def _clock(path: Path | None) -> Clock:
    """The clock that a clock file names, or the wall's.

    Raises
    ------
    ClockFileError
        There is no such file, it says something else, or nobody keeps the time there.
    """
    if path is None:
        return WallClock()
    try:
        told = json.loads(_text(path))["clock"]
        if "port" in told:
            return await SteppedClock.join(str(told["host"]), int(told["port"]), PARTICIPANT)
        return WallClock(
            float(told["start_s"]), float(told["start_monotonic_s"]), float(told["rate"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClockFileError(f"{path} is no clock file ({error!r})") from None
    except OSError as error:
        raise ClockFileError(f"{path}: {error}") from None


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="isotherm gateway",
        description="The only process that writes to the field. Starts silent, in the modes "
        "that the state folder keeps (shadow at first).",
    )
    parser.add_argument("--site", type=Path, required=True, help="folder of site.toml, points.csv")
    parser.add_argument("--state", type=Path, required=True, help="folder of modes and journal")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument(
        "--socket-group", metavar="GROUP", help="its users may connect, too (default: this user)"
    )
    parser.add_argument("--clock-file", type=Path, help="ready.json of a simulator: its clock")
    parser.add_argument("--pki", type=Path, help="folder of OPC UA certificates (STATE/pki)")
    tell = parser.add_argument_group(
        "telling somebody", "when the plant went back because its controller died"
    )
    tell.add_argument("--notify-webhook", default="", metavar="URL", help="gets JSON by POST")
    tell.add_argument("--notify-mail", default="", metavar="ADDRESS", help="gets a mail")
    tell.add_argument(
        "--notify-server",
        default="localhost:25",
        metavar="HOST:PORT",
        help="mail server (localhost:25); ISOTHERM_SMTP_USER and _PASSWORD where it asks",
    )
    tell.add_argument("--notify-from", default="", metavar="ADDRESS", help="sender of the mail")
    return parser.parse_args(argv)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)sZ %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("gateway")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


if __name__ == "__main__":
    sys.exit(main())
