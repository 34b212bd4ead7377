"""Log-in through a real provider of identities, and what such a log-in cannot be made to do."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from controller.authority.roles import Scope
from controller.service.oidc import Provider
from controller.service.settings import Oidc
from tests.peer_programs import node_script
from tests.service_world import World, made_world

SITE = "http://127.0.0.1:8420"
"""Where browsers find the service; in this test they find it in this process."""
SECRET = "a secret between the two that nobody else knows"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [*node_script("oidc_provider.js"), str(port), f"{SITE}/v1/oidc/callback", SECRET]
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        stack.callback(process.terminate)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def world(tmp_path: Path, issuer: str) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        roles = {"plant-operators": Scope.OPERATOR, "everybody": Scope.VIEWER}
        provider = Provider(Oidc(issuer, "isotherm", SECRET, SITE, roles=roles))
        made.app.state.context = replace(made.here, oidc=provider)
        yield made


async def walk(world: World, name: str, begin: str = "/v1/oidc/login?next=/proposals") -> str:
    """Go through the provider's pages as a browser does; answer the address that leads back."""
    start = await world.client.get(f"{SITE}{begin}")
    assert start.status_code == 303, start.text
    address = start.headers["location"]
    async with httpx.AsyncClient() as browser:
        for _ in range(10):
            answer = await browser.get(address)
            while answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(SITE):
                    return address
                answer = await browser.get(address)
            action = re.search(r'action="([^"]+)"', answer.text)
            assert action is not None, answer.text
            prompt = "login" if 'value="login"' in answer.text else "consent"
            form = {"prompt": prompt, "login": name, "password": "any"}
            answer = await browser.post(action[1], data=form)
            address = urljoin(str(answer.url), answer.headers["location"])
    raise AssertionError("the provider goes round in circles")


async def test_who_the_provider_vouches_for_is_logged_in_in_their_role(world: World) -> None:
    back = await walk(world, "ann")
    answer = await world.client.get(back)
    assert answer.status_code == 200, answer.text
    assert 'content="0;url=/proposals"' in answer.text
    who = (await world.client.get(f"{SITE}/v1/sessions/current")).json()
    assert (who["user"], who["scope"]) == ("ann", "operator")
    assert "httponly" in answer.headers["set-cookie"].lower()
    audit = (await world.ask("GET", "/audit")).json()["items"][0]["body"]
    assert (audit["who"], audit["action"], audit["why"]) == ("ann", "logged in", "oidc")


async def test_a_code_is_used_once_and_in_the_browser_that_began(world: World) -> None:
    back = await walk(world, "ann")
    cookies = dict(world.client.cookies)
    world.client.cookies.clear()
    elsewhere = await world.client.get(back)
    assert elsewhere.status_code == 401
    assert "this browser" in elsewhere.json()["detail"]
    for name, value in cookies.items():
        world.client.cookies.set(name, value, domain="127.0.0.1", path="/")
    assert (await world.client.get(back)).status_code == 200
    replayed = await world.client.get(back)
    assert replayed.status_code == 401


async def test_who_has_no_role_here_does_not_come_in(world: World) -> None:
    answer = await world.client.get(await walk(world, "stranger"))
    assert answer.status_code == 401
    assert "none of the roles" in answer.json()["detail"]


async def test_a_name_of_somebody_else_opens_nothing(world: World) -> None:
    world.user("bob", Scope.ADMIN)
    answer = await world.client.get(await walk(world, "bob"))
    assert answer.status_code == 401
    world.here.users.from_outside("eve", Scope.VIEWER, "another issuer's eve")
    answer = await world.client.get(await walk(world, "eve"))
    assert answer.status_code == 401
    world.here.users.from_outside("dan", Scope.VIEWER, "x")
    login = {"name": "dan", "password": ""}
    assert (await world.client.post("/v1/sessions", json=login)).status_code == 422


@pytest.mark.parametrize(
    "next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_a_log_in_leads_to_pages_of_ours_alone(world: World, next_: str) -> None:
    back = await walk(world, "ann", f"/v1/oidc/login?next={next_}")
    answer = await world.client.get(back)
    assert 'content="0;url=/"' in answer.text


async def test_a_provider_that_is_away_or_another_one_is_told(world: World, issuer: str) -> None:
    oidc = world.app.state.context.oidc.settings
    for url in ("http://127.0.0.1:1", f"{issuer}/elsewhere"):
        provider = Provider(replace(oidc, issuer=url))
        world.app.state.context = replace(world.here, oidc=provider)
        answer = await world.client.get("/v1/oidc/login")
        assert answer.status_code == 502
    wrong = Provider(replace(oidc, client_secret="wrong"))
    world.app.state.context = replace(world.here, oidc=wrong)
    answer = await world.client.get(await walk(world, "ann"))
    assert answer.status_code == 401
    world.app.state.context = world.here
    assert (await world.client.get("/v1/oidc/login")).status_code == 404
