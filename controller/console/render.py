"""Pages from templates: autoescaped, strict about what is missing, with the head of every page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from controller.charts import Chart, draw
from controller.console import words
from controller.console.link import LoginLink
from controller.service.context import Context
from controller.service.moment import moment_of

NAVIGATION = (
    ("/", "Overview", ""),
    ("/proposals", "Proposals", "waiting"),
    ("/trends", "Trends", ""),
    ("/overrides", "Overrides", "overrides"),
    ("/alarms", "Alarms", "alarms.open"),
    ("/shadow", "Shadow report", ""),
    ("/model", "Model", ""),
    ("/audit", "Audit", ""),
    ("/users", "Users", ""),
)
STATIC = files("controller.console") / "static"


@dataclass(frozen=True)
class Facts:
    """What the console shows of the installation, and cannot see in `Context`."""

    release_command: str = "isotherm release"
    """For a person at the gateway's machine."""
    login_link: LoginLink | None = None
    """For a demonstration alone."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something said at the top of a page. ``kind``: ``good`` or ``bad``."""

    text: str
    kind: str = "good"


def _more_alarms(alarms: Mapping[str, Any]) -> str:
    if not alarms["open"]:
        return "No alarms"
    more = alarms["open"] - 1
    return f"{f'and {more} more · ' if more else ''}{alarms['unseen']} not acknowledged"


def _dig(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data[name]
    return data


@cache
def asset(name: str) -> str:
    """A static file's address with its content's hash, so that browsers may keep it for long."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{digest}/{name}"


@cache
def environment() -> jinja2.Environment:
    """Templates with our words as filters."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("controller.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        signed=words.signed,
        moment=words.moment,
        date=words.date,
        duration=words.duration,
        unit=words.unit,
        difference_unit=words.difference_unit,
        quantity=words.quantity,
        actuator=words.actuator,
        sentence=words.sentence,
        digits_of=words.digits_of,
        more_alarms=_more_alarms,
        dig=_dig,
    )
    made.globals.update(asset=asset)
    return made


def drawn(charts: Iterable[Chart]) -> tuple[Markup, ...]:
    """Charts as they stand on a page."""
    # `draw` escapes every text itself.
    return tuple(Markup(draw(chart)) for chart in charts)  # noqa: S704 - see above


def fragment(template: str, **values: Any) -> Markup:
    """A part of a page that is the same for everybody."""
    # Rendered by a template that escapes every text itself.
    return Markup(environment().get_template(template).render(**values))  # noqa: S704 - see above


def page(
    request: Request,
    template: str,
    here: Context,
    visitor: Any,
    *,
    status: int = 200,
    said: Note | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page with its head."""
    moment = moment_of(here) if visitor is not None else {}
    notes = [note for note in (said, _flash(request)) if note is not None]
    response = HTMLResponse(
        environment()
        .get_template(template)
        .render(
            page=template.removesuffix(".html"),
            here=request.url.path,
            site=here.site,
            organisation=here.oidc is not None,
            visitor=visitor,
            moment=moment,
            navigation=NAVIGATION,
            release_command=request.app.state.console.release_command,
            said=notes,
            marks=json.dumps(moment.get("marks", {})),
            **values,
        ),
        status,
    )
    if FLASH in request.cookies:
        response.delete_cookie(FLASH, path="/")
    return response


FLASH = "isotherm_said"


def _flash(request: Request) -> Note | None:
    """What the action before this page has to say; it came back in a cookie of a few seconds."""
    text = request.cookies.get(FLASH)
    if not text:
        return None
    try:
        kind, said = json.loads(bytes.fromhex(text))
    except (ValueError, TypeError):
        return None
    return Note(str(said)[:500], "bad" if kind == "bad" else "good")
