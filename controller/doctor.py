"""What is wrong with an installation, each with its mend: nothing here changes anything."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from controller.storage.opening import Place, open_present
from controller.storage.ports import StorageError
from controller.storage.upgrading import levels
from facility.loading import SiteError, load_site
from facility.site import Site
from safety.journal import JournalError, verify
from safety.limits import LimitsError, limits_of

GIB = 1024.0**3
LEAST_GIB = 1.0
LEAST_DAYS = 30.0
"""Of telemetry that the disk must still hold; and until a certificate ends."""
SHOWN = 3


class State(Enum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result."""

    check: str
    state: State
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is to be looked at; None where it was not named."""

    site: Path | None = None
    place: Place | None = None
    model: Path | None = None
    gateway: Path | None = None
    """The gateway's socket."""
    gateway_state: Path | None = None
    pki: Path | None = None
    lock: Path | None = None
    """``requirements.lock``."""


Check = Callable[[Installation], Iterator[Finding]]


def examine(installation: Installation) -> Iterator[Finding]:
    """Every check, in the order in which faults cause one another."""
    for check in (
        python, packages, site_files, model, state_directory, disk, migrations, ticks, journal,
        clock, certificates, gateway,
    ):  # fmt: skip
        yield from check(installation)


def ok(check: str, what: str) -> Finding:
    """Nothing to mend."""
    return Finding(check, State.OK, what)


def left_out(check: str, option: str) -> Finding:
    """A check that needs something to be named."""
    return Finding(check, State.LEFT_OUT, f"not checked: name it with {option}")


def fault(check: str, what: str, mend: str) -> Finding:
    """Something to mend."""
    return Finding(check, State.FAULT, what, mend)


def python(_: Installation) -> Iterator[Finding]:
    """The interpreter's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield ok("python", found)
    else:
        yield fault("python", f"{found} runs", "install Python 3.11 and make the environment anew")


def packages(installation: Installation) -> Iterator[Finding]:
    """Installed versions against the lock file."""
    lock = installation.lock
    if lock is None or not lock.is_file():
        yield left_out("packages", "--lock requirements.lock")
        return
    wrong = []
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    for line in lines:
        name, _, expected = line.partition("==")
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if found != expected:
            wrong.append(f"{name} {found} (lock: {expected})")
    if wrong:
        yield fault(
            "packages",
            f"{len(wrong)} of {len(lines)} differ: {', '.join(wrong[:SHOWN])}",
            "install what the lock file says: pip install -r requirements.lock",
        )
    else:
        yield ok("packages", f"all {len(lines)} as locked")


def site_files(installation: Installation) -> Iterator[Finding]:
    """The site loads, and every limit has a guard."""
    if installation.site is None:
        yield left_out("site", "--site")
        return
    try:
        site = load_site(installation.site)
        unguarded = limits_of(site).unguarded
    except (SiteError, LimitsError) as error:
        lines = str(error).splitlines()
        yield fault("site", lines[0], f"isotherm site check {installation.site}")
        return
    yield ok("site", f"{site.id}: {len(site.points)} points, content {site.content_hash[:12]}")
    for gap in unguarded[:SHOWN]:
        yield Finding("site", State.NOTE, f"not guarded: {gap}", "see docs/safety.md")


def model(installation: Installation) -> Iterator[Finding]:
    """The model is whole and the site's."""
    site = _site(installation)
    if installation.model is None or site is None:
        yield left_out("model", "--model and a --site without faults")
        return
    from models.registry import Bundle, RegistryError

    try:
        bundle = Bundle.load(installation.model, site)
    except RegistryError as error:
        yield fault("model", str(error), "train it on this site, or take it from a backup")
        return
    yield ok("model", f"{bundle.version[:12]}, whole and of this site")


def state_directory(installation: Installation) -> Iterator[Finding]:
    """Rights of the state directory and of the secrets in it."""
    place = installation.place
    if place is None:
        yield left_out("state", "--state")
        return
    if not place.state.is_dir():
        yield fault("state", f"{place.state} is no directory", "isotherm serve makes it at a start")
        return
    mode = place.state.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield fault(
            "state", f"{place.state} is open to everybody ({stat.filemode(mode)})",
            f"chmod o-rwx {place.state}",
        )  # fmt: skip
    else:
        yield ok("state", f"{place.state}, {stat.filemode(mode)}")
    for name in ("admin.token", "first-login"):
        path = place.state / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield fault("state", f"{path} can be read by others", f"chmod 600 {path}")


def disk(installation: Installation) -> Iterator[Finding]:
    """Room on the disk, in days of telemetry."""
    place = installation.place
    if place is None or not place.state.is_dir():
        yield left_out("disk", "--state")
        return
    free_gib = shutil.disk_usage(place.state).free / GIB
    text, days = f"{free_gib:.1f} GiB free at {place.state}", float("inf")
    growth = _growth_gib_per_day(place)
    if growth:
        days = free_gib / growth
        text += f", {days:.0f} days of telemetry at {growth * 1024.0:.1f} MiB a day"
    mend = "make room, or keep less: [serve.storage] keep_readings_days in isotherm.toml"
    if free_gib < LEAST_GIB:
        yield fault("disk", text, mend)
    elif days < LEAST_DAYS:
        yield Finding("disk", State.NOTE, text, mend)
    else:
        yield ok("disk", text)


def _growth_gib_per_day(place: Place) -> float:
    if place.database is not None or not place.exists:
        return 0.0
    try:
        stores = open_present(place)
    except StorageError:
        return 0.0
    try:
        usage = stores.telemetry.usage()
    finally:
        stores.close()
    if usage.first_s is None or usage.last_s is None or usage.last_s - usage.first_s < 86_400.0:
        return 0.0
    return (usage.bytes - usage.hot_bytes) / GIB / ((usage.last_s - usage.first_s) / 86_400.0)


def migrations(installation: Installation) -> Iterator[Finding]:
    """Each database is at this version's layout."""
    place = installation.place
    if place is None or not place.exists:
        yield left_out("migrations", "--state of an `isotherm serve` that ran, or --database")
        return
    try:
        found = levels(place)
    except StorageError as error:
        yield fault("migrations", str(error), "see the message")
        return
    for one in found:
        at = f"{one.chain} at {one.current or 'before migrations'}"
        if one.is_head:
            yield ok("migrations", at)
        else:
            yield fault(
                "migrations", f"{at}, this version needs {one.head}", "isotherm storage upgrade"
            )


def ticks(installation: Installation) -> Iterator[Finding]:
    """The index of recorded steps is whole."""
    place = installation.place
    if place is None or not place.exists:
        yield left_out("steps", "--state")
        return
    try:
        stores = open_present(place)
    except StorageError as error:
        yield fault("steps", str(error), "mend the migrations first")
        return
    try:
        breaks = stores.ticks.breaks()
    finally:
        stores.close()
    for words in breaks[:SHOWN]:
        yield fault("steps", words, "compare with a backup: isotherm backup verify")
    if not breaks:
        yield ok("steps", "no entry of the index was changed or is missing")


def journal(installation: Installation) -> Iterator[Finding]:
    """The gateway's journal is whole."""
    folder = installation.gateway_state
    if folder is None:
        yield left_out("journal", "--gateway-state (as a user who may read it)")
        return
    path = folder / "journal.jsonl"
    try:
        damage = verify(path)
    except (JournalError, OSError) as error:
        yield fault("journal", str(error), f"is {folder} the gateway's --state?")
        return
    if damage is None:
        yield ok("journal", f"{path}: every record is whole, and none is missing")
    else:
        yield fault(
            "journal",
            f"{path}: {damage}",
            "keep the file, find out who changed it, and compare with a backup",
        )


def clock(installation: Installation) -> Iterator[Finding]:
    """The system's clock is set by a time server, and not behind what was kept."""
    command = shutil.which("timedatectl")
    answer = ""
    if command is not None:
        answer = subprocess.run(
            [command, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True, text=True, check=False, timeout=10.0,
        ).stdout.strip()  # fmt: skip
    if answer == "yes":
        yield ok("clock", "set by a time server")
    else:
        what = "no time server sets it" if answer == "no" else "nothing tells how it is set"
        yield Finding(
            "clock", State.NOTE, what, "set up chrony or systemd-timesyncd: times are evidence"
        )
    place = installation.place
    if place is None or not place.exists or place.database is not None:
        return
    try:
        stores = open_present(place)
    except StorageError:
        return
    try:
        extent = stores.telemetry.extent()
    finally:
        stores.close()
    ahead_s = extent[1] - time.time() if extent else 0.0
    if ahead_s > 3600.0:
        yield fault(
            "clock",
            f"telemetry of {ahead_s / 3600.0:.1f} hours in the future is on record",
            "set the clock; what was recorded meanwhile keeps its wrong times",
        )


def certificates(installation: Installation) -> Iterator[Finding]:
    """Ours and the devices' are not about to end."""
    folder = installation.pki
    if folder is None and installation.gateway_state is not None:
        folder = installation.gateway_state / "pki"
    if folder is None or not folder.is_dir():
        yield left_out("certificates", "--pki")
        return
    from cryptography import x509

    paths = [p for p in sorted(folder.rglob("*")) if p.suffix in (".der", ".pem", ".crt")]
    ends: list[tuple[datetime, Path]] = []
    for path in paths:
        try:
            data = path.read_bytes()
            if data.lstrip().startswith(b"-----BEGIN"):
                found = x509.load_pem_x509_certificates(data)
            else:
                found = [x509.load_der_x509_certificate(data)]
        except (OSError, ValueError):
            continue  # a key, or a revocation list
        ends += [(one.not_valid_after_utc, path) for one in found]
    now = datetime.now(UTC)
    for end, path in sorted(ends):
        days = (end - now).total_seconds() / 86_400.0
        if days < 0.0:
            yield fault("certificates", f"{path} ended on {end:%Y-%m-%d}", _renew(path))
        elif days < LEAST_DAYS:
            text = f"{path} ends on {end:%Y-%m-%d}, in {days:.0f} days"
            yield Finding("certificates", State.NOTE, text, _renew(path))
    if not ends:
        yield ok("certificates", f"none in {folder}")
    elif min(ends)[0] >= now:
        yield ok("certificates", f"{len(ends)} in {folder}, the first ends {min(ends)[0]:%Y-%m-%d}")


def _renew(path: Path) -> str:
    if "own" in path.parts:
        return "remove it and its key for a new one, and have every device trust that"
    return "have the device's owner renew it, and put the new one there"


def gateway(installation: Installation) -> Iterator[Finding]:
    """The gateway answers at its socket, for the same site."""
    path = installation.gateway
    if path is None:
        yield left_out("gateway", "--gateway")
        return
    from adapters.gateway.client import GatewayError, GatewayRefusal, SyncGatewayClient

    if path.exists() and path.stat().st_mode & stat.S_IWOTH:
        yield fault("gateway", f"{path} is open to everybody", "start it with --socket-group")
    try:
        with SyncGatewayClient(path) as client:
            answer = client.call("hello", client="isotherm doctor")
    except PermissionError as error:
        yield fault("gateway", str(error), "join the group of the socket")
        return
    except (GatewayError, GatewayRefusal) as error:
        yield fault("gateway", str(error), "systemctl status isotherm-gateway")
        return
    site = _site(installation)
    if site is not None and answer.get("site_hash") != site.content_hash:
        yield fault(
            "gateway",
            "it runs with other site files than these",
            "systemctl restart isotherm-gateway isotherm (the plant goes back to its own control)",
        )
    else:
        yield ok("gateway", f"answers at {path}")


def _site(installation: Installation) -> Site | None:
    if installation.site is None:
        return None
    try:
        return load_site(installation.site)
    except SiteError:
        return None
