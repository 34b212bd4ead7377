"""``service.toml``: what it can say, and how each mistake is told."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from controller.authority.roles import Scope
from controller.service.settings import load_settings
from facility.loading.problems import SiteError
from facility.telemetry import Priority

WHOLE = """
[tls]
certificate = "certificate.pem"
key = "key.pem"

[oidc]
issuer = "https://id.example.org/realm/"
client_id = "isotherm"
client_secret_file = "oidc.secret"
public_url = "https://isotherm.example.org"

[oidc.roles]
"plant operators" = "operator"

[mail]
server = "mail.example.org:587"
sender = "isotherm@example.org"
to = ["ops@example.org"]
user = "isotherm"
password_file = "mail.secret"

[webhook]
url = "https://chat.example.org/hook"
key_file = "hook.secret"

[notify]
least_priority = "low"
quiet_from = "22:00"
quiet_to = "06:00"
time_zone = "Europe/Berlin"
proposal_after_s = 300
most_per_hour = 4

[rates]
per_s = 20
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("certificate.pem", "key.pem", "oidc.secret", "mail.secret", "hook.secret"):
        (tmp_path / name).write_text(f"{name} inside\n")
    return tmp_path


def read(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text)
    return path


def test_all_of_it_is_read(folder: Path) -> None:
    found = load_settings(read(folder, WHOLE))
    assert found.tls is not None
    assert found.tls.key == folder / "key.pem"
    assert found.oidc is not None
    assert found.oidc.issuer == "https://id.example.org/realm"
    assert found.oidc.client_secret == "oidc.secret inside"
    assert found.oidc.roles == {"plant operators": Scope.OPERATOR}
    assert found.mail is not None
    assert (found.mail.host, found.mail.port, found.mail.starttls) == (
        "mail.example.org",
        587,
        True,
    )
    assert found.mail.password == "mail.secret inside"
    assert found.webhook is not None
    assert found.webhook.key == "hook.secret inside"
    assert found.rules.least_priority is Priority.LOW
    assert found.rules.quiet is not None
    assert found.rules.quiet.start == time(22)
    assert (found.rates.per_s, found.rates.at_once) == (20.0, 500.0)


def test_an_empty_file_leaves_all_of_it_off(folder: Path) -> None:
    found = load_settings(read(folder, ""))
    assert (found.tls, found.oidc, found.mail, found.webhook) == (None, None, None, None)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("[tls]", "[tsl]", "tsl"),
        ('key = "key.pem"', 'key = "nothing.pem"', "there is no file"),
        ('issuer = "https', 'issuer = "http', "is not encrypted"),
        ('"https://chat.example.org/hook"', '"chat.example.org"', "no address of the web"),
        ('= "operator"', '= "king"', "there is no 'king'"),
        ('"plant operators" = "operator"', "", "no role is named"),
        ("mail.example.org:587", "mail.example.org", "no mail server"),
        ('["ops@example.org"]', "[]", "nobody is named"),
        ('"22:00"', '"25:00"', "no hour of the day"),
        ('"Europe/Berlin"', '"Europe/Atlantis"', "no time zone"),
        ("most_per_hour = 4", "most_per_hour = 0", "out of range"),
        ("most_per_hour", "most_an_hour", "most_an_hour"),
        ("per_s = 20", "per_s = -1", "out of range"),
        ("[tls]", "[tls", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_field(
    folder: Path, before: str, after: str, says: str
) -> None:
    assert before in WHOLE
    with pytest.raises(SiteError, match=says):
        load_settings(read(folder, WHOLE.replace(before, after, 1)))


def test_a_file_that_is_away_is_told(folder: Path) -> None:
    with pytest.raises(SiteError, match="cannot be read"):
        load_settings(folder / "service.toml")
