"""``service.toml``: how the service is reached, who vouches for people, whom it tells of what.

Beside the site, since two installations of one site may differ in it. All problems are told at
once, each with its mend. Secrets lie in files of their own, named here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.authority.failures import InvalidError
from controller.authority.roles import Scope
from controller.authority.standing import hour, zone
from controller.notify.words import Mail, Quiet, Rules, Webhook
from controller.service.guard import Rates
from facility.loading.problems import Problem, SiteError
from facility.loading.table import TableReader
from facility.telemetry import Priority

FILE = "service.toml"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificate that the service shows."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Oidc:
    """The organisation's provider of identities (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str
    public_url: str
    """Under which browsers reach the service: the provider sends them back there."""
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, Scope] = field(default_factory=dict)
    """By value of the role claim. Who has none of them may not log in."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What ``service.toml`` says; without one, all of it is off or usual."""

    tls: Tls | None = None
    oidc: Oidc | None = None
    mail: Mail | None = None
    webhook: Webhook | None = None
    rules: Rules = field(default_factory=Rules)
    rates: Rates = field(default_factory=Rates)


def load_settings(path: Path) -> ServiceSettings:
    """Read and check a ``service.toml``.

    Raises
    ------
    SiteError
        It cannot be used; it holds every problem found.
    """
    problems: list[Problem] = []
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise SiteError([Problem(str(path), "", "", f"it cannot be read: {text}", "")]) from None
    tables = ("tls", "oidc", "mail", "webhook", "notify", "rates")
    root = TableReader(FILE, "", dict.fromkeys(data, "present"), problems)
    for name in tables:
        root.text(name, "")
    root.done()
    readers = {name: _table(data, name, problems) for name in tables}
    folder = path.parent
    tls, oidc = readers["tls"], readers["oidc"]
    found = ServiceSettings(
        tls=None if tls is None else _tls(tls, folder),
        oidc=None if oidc is None else _oidc(oidc, folder, data["oidc"].get("roles"), problems),
        mail=None if readers["mail"] is None else _mail(readers["mail"], folder),
        webhook=None if readers["webhook"] is None else _webhook(readers["webhook"], folder),
        rules=_rules(readers["notify"]) if readers["notify"] else Rules(),
        rates=_rates(readers["rates"]) if readers["rates"] else Rates(),
    )
    for reader in readers.values():
        if reader is not None:
            reader.done()
    if problems:
        raise SiteError(problems)
    return found


def _table(data: Mapping[str, Any], name: str, problems: list[Problem]) -> TableReader | None:
    table = data.get(name)
    if table is None:
        return None
    if not isinstance(table, dict):
        problems.append(Problem(FILE, f"[{name}]", "", "it is not a table", f"Write [{name}]."))
        return None
    fields = {key: value for key, value in table.items() if (name, key) != ("oidc", "roles")}
    return TableReader(FILE, f"[{name}]", fields, problems)


def _file(reader: TableReader, name: str, folder: Path) -> Path:
    text = reader.text(name)
    path = folder / text
    if text and not path.is_file():
        reader.problem(name, f"there is no file {path}", "Name one, from this file's folder on.")
    return path


def _secret(reader: TableReader, name: str, folder: Path) -> str:
    path = _file(reader, name, folder)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _tls(reader: TableReader, folder: Path) -> Tls:
    return Tls(_file(reader, "certificate", folder), _file(reader, "key", folder))


def _url(reader: TableReader, name: str) -> str:
    url = reader.text(name)
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        reader.problem(name, f"{url!r} is no address of the web", "Write https://HOST/...")
    elif url and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        reader.problem(name, f"{url!r} is not encrypted", "Write https:// for another machine.")
    return url.rstrip("/")


def _oidc(reader: TableReader, folder: Path, roles: object, problems: list[Problem]) -> Oidc:
    table = roles if isinstance(roles, dict) else {}
    names = TableReader(FILE, "[oidc.roles]", table, problems)
    found = {str(value): names.choice(str(value), Scope, Scope.VIEWER) for value in table}
    if not found:
        names.problem("", "no role is named", 'Add [oidc.roles] with lines as "group" = "viewer".')
    return Oidc(
        issuer=_url(reader, "issuer"),
        client_id=reader.text("client_id"),
        client_secret=_secret(reader, "client_secret_file", folder),
        public_url=_url(reader, "public_url"),
        name_claim=reader.text("name_claim", "preferred_username"),
        role_claim=reader.text("role_claim", "groups"),
        roles=found,
    )


def _mail(reader: TableReader, folder: Path) -> Mail:
    server = reader.text("server")
    host, _, port = server.rpartition(":")
    if server and (not host or not port.isdigit()):
        reader.problem("server", f"{server!r} is no mail server", "Write HOST:PORT.")
        port = "0"
    user = reader.text("user", "")
    to = reader.texts("to")
    if not to:
        reader.problem("to", "nobody is named", 'Write it as ["ops@example.org"].')
    return Mail(
        host=host,
        port=int(port or 0),
        sender=reader.text("sender"),
        to=to,
        user=user,
        password=_secret(reader, "password_file", folder) if user else "",
        starttls=reader.flag("starttls", host not in LOOPBACK),
    )


def _webhook(reader: TableReader, folder: Path) -> Webhook:
    has_key = "key_file" in reader.names
    return Webhook(_url(reader, "url"), _secret(reader, "key_file", folder) if has_key else "")


def _rules(reader: TableReader) -> Rules:
    normal = Rules()
    start, end = reader.text("quiet_from", ""), reader.text("quiet_to", "")
    zone_name = reader.text("time_zone", "UTC")
    quiet = None
    try:
        zone(zone_name)
        if start or end:
            quiet = Quiet(hour(start), hour(end), zone_name)
    except InvalidError as error:
        reader.problem("quiet_from", str(error), "Write quiet_from and quiet_to as HH:MM.")
    return Rules(
        least_priority=reader.choice("least_priority", Priority, normal.least_priority),
        quiet=quiet,
        proposal_after_s=reader.number("proposal_after_s", normal.proposal_after_s, minimum=0),
        most_per_hour=reader.whole("most_per_hour", normal.most_per_hour, minimum=1),
    )


def _rates(reader: TableReader) -> Rates:
    normal = Rates()
    return Rates(
        per_s=reader.number("per_s", normal.per_s, minimum=0.1),
        at_once=reader.number("at_once", normal.at_once, minimum=1),
        logins_per_s=reader.number("logins_per_s", normal.logins_per_s, minimum=0.001),
        logins_at_once=reader.number("logins_at_once", normal.logins_at_once, minimum=1),
    )
