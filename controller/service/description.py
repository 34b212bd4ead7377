"""The description of the API (OpenAPI): what holds for many operations is said once, here."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from controller.service.problems import MEDIA_TYPE
from controller.service.replies import LONGEST_KEY, METHODS

EVERYWHERE = {
    "408": "The body did not arrive in time",
    "429": "Too many requests; `Retry-After` tells when to ask again",
}
CHANGING = {
    "400": "The body is no JSON",
    "403": "The role does not reach so far, or the CSRF token is missing",
    "409": "Not in the state that this needs, or the Idempotency-Key is in use",
    "422": "Something in the request cannot be used; the fields are named",
}
TAGS = {
    "site": "The site: halls, racks, units, points, and what Isotherm may set.",
    "telemetry": "Values of points: the latest, ranges, and the live stream.",
    "proposals": "What Isotherm would do, what was decided on it, and the way back.",
    "standing approvals": "A yes in advance, within stated bounds.",
    "two people": "What one person asked for and another has to agree to.",
    "overrides": "Setpoints that people hold; the optimiser plans around them.",
    "modes": "How far Isotherm may go, and giving the plant back.",
    "limits": "The limits that the gateway keeps.",
    "plans": "What is expected: plans with their horizons, and room for more load.",
    "models": "The learned model that plans with what it was trained on.",
    "alarms": "What asks for somebody (ISA-18.2).",
    "history": "Control steps, reports, and the audit.",
    "service": "How Isotherm itself is doing.",
    "sessions": "Log in and out, and one's own password.",
    "tokens": "Tokens of programs.",
    "users": "Who may log in.",
}


def describe(app: FastAPI) -> None:
    """Give an application its description."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=[{"name": name, "description": text} for name, text in TAGS.items()],
            )
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _complete(operation, path, method.upper())
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # the way to extend it


def _complete(operation: dict[str, Any], path: str, method: str) -> None:
    known = dict(EVERYWHERE)
    if method in METHODS:
        known |= CHANGING
        operation.setdefault("parameters", []).append(_key_parameter())
    if path == "/v1/sessions":
        operation["parameters"] = [p for p in operation["parameters"] if p["in"] != "header"]
        known.pop("409")
    too_large = {"description": "The body is larger than anything that is asked for"}
    operation["responses"].setdefault("413", too_large)
    answers = operation["responses"]
    for status, text in known.items():
        answers.setdefault(status, {"description": text})
    if operation.get("parameters"):
        answers.setdefault("422", {"description": CHANGING["422"]})
    for status, answer in answers.items():
        # FastAPI would promise its own shape of a validation error, and plain JSON.
        if status.startswith(("4", "5")) and status != "413":
            answers[status] = _problem(answer["description"])


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}


def _key_parameter() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A word of the client's own for this request: sent again with it, the "
        "request is answered as before and done once, for a day and over restarts.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    }
