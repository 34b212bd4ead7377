"""Limits of an edited site: tighter ones hold at once, wider ones wait for two people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.gateway.door import Refusal
from adapters.gateway.house import House
from adapters.gateway.limit_book import LimitBookError
from facility.commands import WriteResult
from facility.site import Site
from safety.journal import read
from tests.gateway_kit import small_site
from tests.gateway_world import World

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"


def with_maximum(more_k: float) -> Site:
    """The small site whose first CDU may go ``more_k`` warmer."""
    site = small_site()
    own = site.actuators[SUPPLY]
    wider = replace(own, rate_away_per_min=own.rate_away_per_min * (1.0 + more_k / 10.0))
    return replace(site, actuators={**site.actuators, SUPPLY: wider})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    world = World(state=tmp_path)
    world.settle()
    world.close()
    return tmp_path


def restarted(state: Path, site: Site) -> World:
    world = World(site=site, state=state)
    world.settle()
    return world


def house(world: World) -> House:
    return world.gateway.house


def approve(world: World, who: str, digest: str = "") -> dict[str, object]:
    arguments = {
        "who": who,
        "why": "the new exchanger is in",
        "hash": digest or house(world).core.limit_book.hash,
    }
    told: dict[str, object] = json.loads(house(world).office.approve_limits(arguments, world.now_s))
    return told


def moved(world: World) -> tuple[WriteResult, str]:
    (receipt,) = world.move({SUPPLY: world.in_force(SUPPLY) + 0.4})
    return receipt.result, receipt.verdict.check


def test_the_first_limits_of_a_site_are_version_1(state: Path) -> None:
    world = restarted(state, small_site())
    assert house(world).core.limit_book.told()["version"] == 1
    assert moved(world) == (WriteResult.WRITTEN, "")
    world.close()


def test_tighter_limits_hold_at_once_and_count_as_a_version(state: Path) -> None:
    world = restarted(state, with_maximum(-1.0))
    assert house(world).core.limit_book.version == 2
    assert house(world).core.envelope.limits.version == 2
    assert moved(world)[0] is WriteResult.WRITTEN
    world.close()
    again = restarted(state, with_maximum(-1.0))
    assert house(again).core.limit_book.version == 2
    again.close()


def test_while_wider_limits_wait_no_byte_is_sent_and_the_refusal_says_what_to_do(
    state: Path,
) -> None:
    world = restarted(state, with_maximum(1.0))
    (receipt,) = world.move({SUPPLY: world.in_force(SUPPLY) + 0.4})
    assert (receipt.result, receipt.verdict.check) == (WriteResult.REFUSED, "limits")
    assert "rate_away_per_min" in receipt.verdict.detail
    assert "isotherm limits approve" in receipt.verdict.detail
    world.run(30)
    assert world.received() == []
    world.close()


def test_wider_limits_need_two_different_people_over_restarts_too(state: Path) -> None:
    world = restarted(state, with_maximum(1.0))
    assert "1 more person" in str(approve(world, "Ada")["doubt"])
    with pytest.raises(Refusal, match="another person must"):
        approve(world, "Ada")
    assert moved(world)[1] == "limits"
    world.close()
    world = restarted(state, with_maximum(1.0))
    told = approve(world, "Grace")
    assert (told["version"], told["doubt"]) == (2, "")
    assert moved(world)[0] is WriteResult.WRITTEN
    with pytest.raises(Refusal, match="nothing waits"):
        approve(world, "Joan")
    world.close()
    approved = [r for r in read(state / "journal.jsonl") if r.kind == "limits_approved"]
    assert [r.data["who"] for r in approved] == ["Ada", "Grace"]
    assert [r.data["agreed"] for r in approved] == [False, True]


def test_an_approval_is_for_the_very_limits_that_were_read(state: Path) -> None:
    world = restarted(state, with_maximum(1.0))
    approve(world, "Ada")
    with pytest.raises(Refusal, match="read them again"):
        approve(world, "Grace", digest="0" * 64)
    world.close()
    another = restarted(state, with_maximum(2.0))
    assert "2 more people" in str(approve_status(another))
    another.close()


def approve_status(world: World) -> object:
    return house(world).core.limit_book.told()["doubt"]


def test_going_back_to_the_agreed_limits_needs_nobody(state: Path) -> None:
    restarted(state, with_maximum(1.0)).close()
    world = restarted(state, small_site())
    assert (house(world).core.limit_book.version, approve_status(world)) == (1, "")
    world.close()


def test_a_damaged_book_stops_the_start_and_names_the_mend(state: Path) -> None:
    (state / "limits.json").write_text('{"version": 1}')
    with pytest.raises(LimitBookError, match="restore it, or delete it"):
        World(state=state)


def test_an_approval_that_cannot_be_kept_counts_for_nothing(state: Path) -> None:
    world = restarted(state, with_maximum(1.0))
    approve(world, "Ada")
    book = house(world).core.limit_book
    book._path = state / "gone" / "limits.json"
    with pytest.raises(OSError, match="gone"):
        approve(world, "Grace")
    assert [each.who for each in book.approvals] == ["Ada"]
    assert (book.version, moved(world)[1]) == (1, "limits")
    world.close()
