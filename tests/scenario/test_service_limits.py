"""Wider limits are approved by two engineers over REST; each is asked by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.gateway.limit_book import LimitBook
from controller.authority.roles import Scope
from controller.service.app import create_app
from safety.guards import Limits
from tests.controller_fakes import FakeLink, context, small_site
from tests.safety_kit import envelope


def wider(limits: Limits) -> Limits:
    return replace(limits, command_max_age_s=limits.command_max_age_s * 2.0)


@pytest.fixture
def link(tmp_path: Path) -> FakeLink:
    """A gateway whose site file asks for more than people have agreed to."""
    link = FakeLink(small_site())
    limits = envelope().limits
    LimitBook(limits, tmp_path / "limits.json")
    link.limit_book = LimitBook(wider(limits), tmp_path / "limits.json")
    return link


@pytest.fixture
async def ask(tmp_path: Path, link: FakeLink) -> AsyncIterator[Any]:
    here = context(tmp_path, link, lambda: 1_000_000.0)
    tokens = {
        name: here.tokens.issue(name, scope)[1]
        for name, scope in {
            "ada": Scope.ENGINEER,
            "grace": Scope.ENGINEER,
            "joe": Scope.OPERATOR,
        }.items()
    }
    transport = httpx.ASGITransport(create_app(here), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:

        async def ask(who: str, method: str, path: str, **body: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {tokens[who]}"}
            return await client.request(method, f"/v1{path}", headers=headers, json=body or None)

        yield ask
    here.telemetry.close()
    here.records.close()


async def test_two_engineers_widen_the_limits_and_the_audit_names_both(ask: Any) -> None:
    told = (await ask("joe", "GET", "/limits")).json()
    assert told["version"] == 1
    assert [(c["where"], c["widens"]) for c in told["changes"]] == [("command_max_age_s", True)]
    assert "2 more people must approve" in told["doubt"]
    yes = {"hash": told["hash"], "why": "slower controller"}
    refused = await ask("joe", "POST", "/limits/approvals", **yes)
    assert refused.status_code == 403
    first = await ask("ada", "POST", "/limits/approvals", **yes)
    assert (first.status_code, first.json()["version"]) == (201, 1)
    again = await ask("ada", "POST", "/limits/approvals", **yes)
    assert again.status_code == 409
    assert "another person" in again.json()["detail"]
    second = await ask("grace", "POST", "/limits/approvals", **yes)
    assert (second.json()["version"], second.json()["doubt"]) == (2, "")
    audit = (await ask("joe", "GET", "/audit")).json()["items"]
    assert [item["body"]["who"] for item in audit if item["body"]["action"] == "approved"] == [
        "grace",
        "ada",
    ]


async def test_an_approval_without_a_reason_or_a_gateway_is_refused(
    ask: Any, link: FakeLink
) -> None:
    assert (await ask("ada", "POST", "/limits/approvals", hash="0")).status_code == 422
    link.away = True
    yes = {"hash": link.limit_book.hash, "why": "slower controller"}
    assert (await ask("ada", "POST", "/limits/approvals", **yes)).status_code == 503
    assert (await ask("ada", "GET", "/limits")).status_code == 503
