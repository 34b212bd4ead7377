"""What a site's files say of BACnet, Redfish, security, logins and packed status words."""

from __future__ import annotations

import csv
import io

import pytest

from facility.devices import Login, Protocol, Report
from facility.loading import SiteError, parse_site
from facility.points import Table
from facility.site import Site
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts

MODBUS = 'id = "cdu1"\nprotocol = "modbus"'


@pytest.fixture(scope="module")
def files() -> tuple[str, str]:
    made = texts(DESIGNS["campus"](), 15000)
    return made["site.toml"], made["points.csv"]


def with_row(points: str, tag: str, **cells: str) -> str:
    """The list with some cells of a row changed, in columns that it may not have yet."""
    rows = list(csv.DictReader(io.StringIO(points)))
    columns = [*rows[0], *(name for name in cells if name not in rows[0])]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows({**row, **(cells if row["tag"] == tag else {})} for row in rows)
    return out.getvalue()


def device(site_toml: str, *lines: str, protocol: str = "modbus") -> str:
    head = MODBUS.replace('"modbus"', f'"{protocol}"')
    return site_toml.replace(MODBUS, "\n".join((head, *lines)), 1)


def problems(site_toml: str, points: str) -> str:
    with pytest.raises(SiteError) as caught:
        parse_site(site_toml, points)
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_a_bit_of_a_status_word_may_share_its_register(files: tuple[str, str]) -> None:
    site_toml, points = files
    for tag, bit in (("cdu1.leak", "3"), ("cdu1.remote_active", "15")):
        row = {"table": "input", "address": "9", "data_type": "bool", "bit": bit}
        points = with_row(points, tag, **row)
    site = parse_site(site_toml, points)
    assert (site.points["cdu1.leak"].bit, site.points["cdu1.remote_active"].bit) == (3, 15)
    assert site.points["cdu1.tcs_flow"].bit is None


@pytest.mark.parametrize(
    ("tag", "cells", "said"),
    [
        ("cdu1.leak", {"bit": "16", "data_type": "bool"}, "bits 0 to 15"),
        ("cdu1.leak", {"bit": "3"}, "single bits of a register are bool"),
        (
            "cdu1.remote_enable",
            {"bit": "3", "data_type": "bool"},
            "writing one bit of a register would write its neighbours",
        ),
        ("cdu1.leak", {"bacnet_priority": "8"}, "8 is the operator's"),
        ("cdu1.leak", {"table": "object", "address": "analog-value,3"}, "as in «analog-value:3»"),
        ("cdu1.leak", {"table": "resource", "address": "/redfish/v1/x"}, "a JSON pointer"),
        ("cdu1.leak", {"table": "object", "address": "binary-input:3"}, "is not of modbus"),
    ],
)
def test_a_mistake_in_a_point_of_these_is_named(
    files: tuple[str, str], tag: str, cells: dict[str, str], said: str
) -> None:
    site_toml, points = files
    assert said in problems(site_toml, with_row(points, tag, **cells))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (('security = "SSL"',), "Modbus has no 'SSL'"),
        (('login = "password"', 'user = "ada"'), "modbus knows no login by password"),
        (('login = "secret"',), "there is no 'secret' here"),
        (('report = "sometimes"',), "there is no 'sometimes' here"),
        (('report = "exception"',), "modbus devices are read at every scan"),
        (("request_gap_s = 60",), "60 is out of range"),
    ],
)
def test_a_mistake_in_a_device_of_these_is_named(
    files: tuple[str, str], lines: tuple[str, ...], said: str
) -> None:
    assert said in problems(device(files[0], *lines), files[1])


def opcua(site_toml: str, *lines: str) -> str:
    head = 'id = "bms"\nprotocol = "opcua"'
    start = site_toml.index(head)
    rest = site_toml[start + len(head) :]
    security = next(line for line in rest.splitlines() if line.startswith("security"))
    return site_toml[:start] + head + rest.replace(security, "\n".join(lines), 1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (('security = ""',), "names no security policy"),
        (('security = "Basic256Sha256"', 'login = "password"'), "the login names no user"),
        (
            ('security = "None: a test"', 'login = "password"', 'user = "ada"'),
            "would cross the network in the clear",
        ),
    ],
)
def test_a_login_needs_a_user_and_a_policy(
    files: tuple[str, str], lines: tuple[str, ...], said: str
) -> None:
    assert said in problems(opcua(files[0], *lines), files[1])


def test_what_is_right_comes_through(files: tuple[str, str]) -> None:
    lines = ('security = "Aes256Sha256RsaPss"', 'login = "certificate"', 'user = "ada"')
    site: Site = parse_site(opcua(files[0], *lines), files[1])
    assert (site.devices["bms"].login, site.devices["bms"].user) == (Login.CERTIFICATE, "ada")
    secured = device(files[0], 'security = "TLS"', "request_gap_s = 0.05")
    found = parse_site(secured, files[1]).devices["cdu1"]
    assert (found.security, found.request_gap_s, found.report) == ("TLS", 0.05, Report.SCAN)
    assert Protocol.BACNET.tables == {Table.OBJECT}
    assert Protocol.REDFISH.tables == {Table.RESOURCE}
