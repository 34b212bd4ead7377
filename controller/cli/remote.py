"""How commands reach a controller that runs: its address, a token, and its answers."""

from __future__ import annotations

import argparse
import json
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from controller.cli.base import CommandError, message, print_json, print_table

URL = "http://127.0.0.1:8420"
TIMEOUT_S = 30.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that asks a controller."""
    parser.add_argument(
        "--state",
        type=Path,
        default=os.environ.get("ISOTHERM_STATE"),
        help="state directory of the controller: tells its address, and the token of its "
        "administrator (or set ISOTHERM_STATE)",
    )
    parser.add_argument(
        "--url", default=os.environ.get("ISOTHERM_URL"), help=f"its address (default {URL})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


class Remote:
    """A controller's REST interface."""

    def __init__(self, url: str, token: str, release: str) -> None:
        self._url, self._token, self._release = url.rstrip("/"), token, release

    @classmethod
    def of(cls, args: argparse.Namespace) -> Remote:
        """By the options and the environment (``ISOTHERM_TOKEN``)."""
        state = Path(args.state) if args.state else None
        return cls(args.url or _told_url(state) or URL, _token(state), _release(state))

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a question."""
        return self.ask("GET", path, params=parameters)[0]

    def ask(self, method: str, path: str, **options: Any) -> tuple[Any, dict[str, str]]:
        """An answer with its headers.

        Raises
        ------
        CommandError
            Nobody answers, or the answer is a problem.
        """
        import httpx

        headers = {"Authorization": f"Bearer {self._token}", **options.pop("headers", {})}
        try:
            trusts = _trusts()
            answer = httpx.request(
                method,
                f"{self._url}/v1{path}",
                headers=headers,
                timeout=TIMEOUT_S,
                verify=trusts,
                **options,
            )
        except httpx.HTTPError as error:
            raise CommandError(
                f"no controller answers at {self._url} ({error}): start one with `isotherm serve`, "
                "or name another with --url or --state. Without one the gateway hands the "
                f"devices back by itself; to give the plant back for good: `{self._release}`",
                status=1,
            ) from error
        try:
            body = answer.json()
        except json.JSONDecodeError as error:
            raise CommandError(f"{self._url} is no controller of Isotherm", status=1) from error
        if answer.is_error:
            raise CommandError(str(body.get("detail", answer.reason_phrase)), status=1)
        return body, dict(answer.headers)


def show_list(
    args: argparse.Namespace,
    path: str,
    head: Sequence[str],
    row: Callable[[dict[str, Any]], Sequence[object]],
    *,
    none: str,
    **parameters: Any,
) -> list[dict[str, Any]]:
    """Print what a list holds, as a table or as JSON; ``none`` says that there is nothing."""
    found: list[dict[str, Any]] = Remote.of(args).get(path, **parameters)["items"]
    if args.json:
        print_json(found)
    elif found:
        print_table(head, [row(item) for item in found])
    else:
        message(none)
    return found


def act(
    args: argparse.Namespace, path: str, body: dict[str, Any], said: Callable[[Any], str]
) -> int:
    """Ask for something to be done, and say what was done."""
    answer, _ = Remote.of(args).ask("POST", path, json=body)
    if args.json:
        print_json(answer)
    else:
        message(said(answer))
    return 0


def _trusts() -> ssl.SSLContext:
    """Whom to believe under TLS: the system's authorities, or those that ISOTHERM_CA names."""
    file = os.environ.get("ISOTHERM_CA")
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise CommandError(f"ISOTHERM_CA names {file}, which is no certificate: {error}") from error


def _release(state: Path | None) -> str:
    """The command that gives the plant back and needs no controller."""
    return "isotherm release" if state is None else f"isotherm release --state {state}"


def _told_url(state: Path | None) -> str | None:
    if state is None:
        return None
    try:
        return str(json.loads((state / "serve.json").read_text(encoding="utf-8"))["url"])
    except FileNotFoundError:
        raise CommandError(
            f"no controller runs on {state} (there is no serve.json in it). To give the plant "
            f"back without one: `{_release(state)}`",
            status=1,
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"{state / 'serve.json'}: {error}") from error


def _token(state: Path | None) -> str:
    if token := os.environ.get("ISOTHERM_TOKEN"):
        return token.strip()
    if state is not None:
        try:
            return (state / "admin.token").read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandError(
                f"{state / 'admin.token'}: {error.strerror}; set ISOTHERM_TOKEN to a token of yours"
            ) from error
    raise CommandError(
        "this needs a token: set ISOTHERM_TOKEN, or name the controller's directory with --state"
    )
