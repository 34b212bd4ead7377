"""Everything that the description of the API allows is asked, and answered as it is described.

Schemathesis makes requests from the OpenAPI description, valid ones and others, and checks each
answer: no fault of ours, a described status, a body of the described shape. Behind the service
stand a real desk, real stores, and a gateway in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from controller.authority.roles import Scope
from controller.records import TickRecord
from controller.service.app import create_app
from facility.commands import Mode
from tests.controller_fakes import (
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
    snapshot,
)
from tests.service_world import UNHURRIED

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
ENDLESS = "/v1/stream"


class Service:
    """An application with something of every kind in it."""

    def __init__(self, folder: Path) -> None:
        self.link = FakeLink(small_site(), Mode.ADVISORY)
        self.here = context(folder, self.link, lambda: START_S)
        self.app = create_app(self.here, UNHURRIED)
        _, self.token = self.here.tokens.issue("schemathesis", Scope.ADMIN, 3650.0)
        self.here.users.add("admin", Scope.ADMIN)
        self.here.desk.decide(proposal(1), snapshot(START_S, self.link.modes), START_S)
        self.here.desk.decide(proposal(2), snapshot(START_S, self.link.modes), START_S)
        hot = snapshot(START_S, self.link.modes, {"rack1.case_temperature": 80.0})
        self.here.alarms.update(hot, self.here.live, START_S)
        self.here.telemetry.append(hot)
        empty = TickRecord.empty(1, hot, self.here.site, "m1", ())
        self.here.ticks.keep(empty)

    def close(self) -> None:
        self.here.telemetry.close()
        self.here.records.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        made = Service(Path(folder))
        yield made
        made.close()


def ask_everything(service: Service, chosen: settings) -> int:
    """Ask each operation as often as ``chosen`` says; answer how many operations there are."""
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", service.app)
    headers = {"Authorization": f"Bearer {service.token}"}
    count = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path == ENDLESS:
            continue
        count += 1

        @chosen
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        ask()
    return count


@pytest.mark.timeout(600)  # ten seconds of a processor; a busy machine takes its time
def test_every_operation_answers_as_described(service: Service) -> None:
    few = settings(
        max_examples=4,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    assert ask_everything(service, few) > 50


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_every_operation_answers_as_described_at_length(service: Service) -> None:
    many = settings(
        max_examples=300, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    assert ask_everything(service, many) > 50
