"""Requests that no honest client sends: each is refused, and none is a fault of the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from controller.authority.roles import Scope
from controller.service.app import create_app
from facility.commands import Mode
from tests.controller_fakes import (
    CASE,
    CDU_SETPOINT,
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
    snapshot,
)

VALUES = [
    "\ud800",
    "a\x00b",
    "'; DROP TABLE records;--",
    "../../etc/passwd",
    "x" * 5000,
    "-1",
    "1e400",
    "NaN",
    "9" * 30,
    "",
    "null",
]
LISTS = ["/proposals", "/decisions", "/overrides", "/ticks", "/alarms", "/audit"]
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"]


class Asker:
    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client, self._token = client, token

    async def __call__(self, method: str, path: str, body: str | None = None) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "If-Match": '"hash1"',
            "Content-Type": "application/json",
        }
        content = None if body is None else body.encode()
        answer = await self._client.request(method, "/v1" + path, headers=headers, content=content)
        assert answer.status_code < 500, (method, path[:200], body, answer.text)
        if answer.is_error and answer.status_code != 413:  # that one the server itself gives
            assert answer.headers["content-type"] == "application/problem+json"
        return answer


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Asker]:
    link = FakeLink(small_site(), Mode.ADVISORY)
    here = context(tmp_path, link, lambda: 0.0)
    here.desk.decide(proposal(), snapshot(START_S, link.modes), START_S)
    _, token = here.tokens.issue("fuzz", Scope.ADMIN)
    transport = httpx.ASGITransport(create_app(here), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:
        yield Asker(client, token)
    here.telemetry.close()
    here.records.close()


@pytest.mark.parametrize("value", VALUES)
async def test_strange_words_are_answered_plainly(ask: Asker, value: str) -> None:
    quoted = quote(value.encode("utf-8", "surrogatepass"), safe="")
    for path in ("/proposals/", "/ticks/"):
        await ask("GET", path + quoted)
    for path in LISTS:
        for name in ("since", "until", "before", "limit", "state", "origin"):
            await ask("GET", f"{path}?{name}={quoted}")
    for name in ("tag", "start", "end", "every_s"):
        given = {"tag": CASE, "start": "0", "end": "3600"} | {name: quoted}
        await ask("GET", "/telemetry?" + "&".join(f"{k}={v}" for k, v in given.items()))
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/proposals/p1/approvals", {"why": "", "actuators": [CDU_SETPOINT]}),
        ("POST", "/proposals/p1/rejections", {"why": "no"}),
        (
            "POST",
            "/overrides",
            {"target": CDU_SETPOINT, "value": 25.0, "lasts_s": 60.0, "why": "w"},
        ),
        ("PUT", "/modes", {"mode": "shadow", "actuators": [CDU_SETPOINT], "why": "w"}),
        ("POST", "/releases", {"why": "w"}),
        ("POST", "/tokens", {"name": "n", "scope": "viewer", "life_days": 1.0}),
    ]
    for method, path, body in bodies:
        for name in body:
            await ask(method, path, json.dumps(body | {name: value}))
            await ask(method, path, json.dumps(body | {name: [value]}))
            await ask(method, path, json.dumps(body | {value[:50]: 1}))
        await ask(method, path, json.dumps(value))
    for path in [*LISTS, "/tokens"]:
        assert (await ask("GET", path)).status_code == 200


@pytest.mark.parametrize("number", NUMBERS)
async def test_numbers_that_are_none_are_refused(ask: Asker, number: str) -> None:
    for name in ("value", "lasts_s"):
        fields = {"value": "25", "lasts_s": "60"} | {name: number}
        body = f'"target":"{CDU_SETPOINT}","why":"w","value":{fields["value"]}'
        answer = await ask("POST", "/overrides", f'{{{body},"lasts_s":{fields["lasts_s"]}}}')
        assert answer.status_code == 422
    answer = await ask("POST", "/proposals/p1/approvals", f'{{"share":{number}}}')
    assert answer.status_code == 422
    assert (await ask("GET", f"/telemetry?tag={CASE}&start={number}")).status_code == 422


async def test_a_range_over_all_time_is_answered_or_refused(ask: Asker) -> None:
    wide = f"/telemetry?tag={CASE}&start=-99999999999&end=99999999999"
    assert (await ask("GET", wide)).status_code == 200
    assert (await ask("GET", wide + "&every_s=1")).status_code == 422


async def test_a_body_beyond_all_measure_is_refused(ask: Asker) -> None:
    answer = await ask("POST", "/releases", json.dumps({"why": "x" * (1 << 21)}))
    assert answer.status_code == 413
    assert (await ask("GET", "/audit")).json()["items"] == []
