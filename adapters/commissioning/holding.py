"""Holding the gateway while actuators are checked: whoever beats is answered for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from adapters.gateway.client import GatewayRefusal
from facility.site import Site


class CheckRefused(Exception):
    """The check does not begin; the message says why and the mend."""


class AsyncGateway(Protocol):
    """The gateway's socket (`adapters.gateway.client.GatewayClient`)."""

    async def call(self, op: str, **arguments: Any) -> Any:
        """Carry out an operation; raises `GatewayRefusal` where the gateway says no."""
        ...


@asynccontextmanager
async def holding(gateway: AsyncGateway, site: Site) -> AsyncIterator[None]:
    """Beat for the gateway while something is checked.

    Raises
    ------
    CheckRefused
        Somebody else holds it.
    """
    await gateway.call("hello", client="commissioning")
    try:
        await gateway.call("beat", plan_age_s=None)
    except GatewayRefusal as error:
        raise CheckRefused(
            f"{error}. While actuators are checked nothing else may move the plant: stop "
            "`isotherm serve` first"
        ) from None

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.5 * site.gateway.beat_s)
            await gateway.call("beat", plan_age_s=None)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait((beating,))
        if not beating.cancelled():
            beating.exception()  # seen: the calls of the check itself have failed for it
