"""How commissioning commands reach the gateway, and agree with it on the site."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError
from controller.starting import GATEWAY_FILE

if TYPE_CHECKING:
    from adapters.gateway.client import SyncGatewayClient
    from facility.site import Site

PATIENCE_S = 45.0
"""The gateway itself waits 30 s for a device that is asked outside its scans."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that asks a gateway about its site."""
    parser.add_argument(
        "--gateway",
        type=Path,
        default=os.environ.get("ISOTHERM_GATEWAY"),
        help="the gateway's socket (or set ISOTHERM_GATEWAY)",
    )
    parser.add_argument(
        "--state", type=Path, default=os.environ.get("ISOTHERM_STATE"), help="or ask a controller's"
    )


def site_at(path: Path) -> Site:
    """The site in a folder; a `CommandError` with all that is wrong where it cannot be used."""
    from facility.loading import SiteError, load_site

    try:
        return load_site(path)
    except SiteError as error:
        raise CommandError(str(error), status=1) from error


INSTALLED_SOCKET = Path("/run/isotherm/gateway.sock")
"""Where the units of `deploy` put it."""


def socket_of(args: argparse.Namespace) -> Path:
    """The socket that the options name."""
    if args.gateway:
        return Path(args.gateway)
    if args.state is None:
        if INSTALLED_SOCKET.is_socket():
            return INSTALLED_SOCKET
        raise CommandError(
            "name the gateway's socket, --gateway PATH or ISOTHERM_GATEWAY, or the controller's "
            f"directory, --state DIR; there is none at {INSTALLED_SOCKET}"
        )
    file = Path(args.state) / GATEWAY_FILE
    try:
        return Path(file.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise CommandError(
            f"{file} does not tell the gateway's socket ({error.strerror}): name it with "
            "--gateway PATH"
        ) from error


@contextmanager
def gateway_of(args: argparse.Namespace, site: Site) -> Iterator[SyncGatewayClient]:
    """A client of the gateway, which must run this very site."""
    from adapters.gateway.client import GatewayError, GatewayRefusal, SyncGatewayClient
    from facility.wire import WireError

    try:
        with SyncGatewayClient(socket_of(args), PATIENCE_S) as client:
            told = client.call("hello", client="commissioning")
            same_site(site, str(told["site_hash"]))
            yield client
    except GatewayRefusal as error:
        raise CommandError(f"the gateway refuses: {error}", status=1) from error
    except GatewayError as error:
        raise CommandError(str(error), status=1) from error
    except WireError as error:
        raise CommandError(
            f"the gateway is of another version than this command ({error}): restart it", status=1
        ) from error


def same_site(site: Site, told_hash: str) -> None:
    """Refuse to judge one site by another's gateway."""
    if told_hash != site.content_hash:
        raise CommandError(
            f"the gateway runs other site files (hash {told_hash[:12]}) than these "
            f"({site.content_hash[:12]}): restart it with this site, or name the one it runs"
        )


def devices_of(site: Site, wanted: list[str] | None) -> list[str]:
    """The devices that are asked for, or all."""
    if not wanted:
        return list(site.devices)
    for device in wanted:
        if device not in site.devices:
            raise CommandError(
                f"there is no device {device!r}; there are {', '.join(site.devices)}"
            )
    return wanted
