"""The API judged by its own document: schemathesis makes requests from it, as people of a role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import CheckFunction
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from meterstone.people.principals import can_give, principal_of
from meterstone.people.rights import Role
from visitors import person
from whole import OWN, House

CHECKS: list[CheckFunction] = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip


def named(house: House, ids: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """What there is in a house that ``things.fill`` filled, by the name of a parameter of a path.

    Args:
        ids: what it returned.
    """
    board = house.home.board
    return {
        **{name: [each] for name, each in ids.items()},
        "alert": ["i2-a"],  # those of the first are acknowledged with it
        "endpoint": [endpoint_of(house)],
        "report": [ids["run"]],
        "metric": list(board.catalogue.metrics),
        "gate": list(board.catalogue.gates),
        "franchise": [OWN],
        "integration": [each.scope.key for each in board.scopes("integration")],
        "kind": ["network"],
        "key": ["*"],
        "study": ["capacity"],
        "GET /findings/{study}/{key} key": ["memory"],
        "system": ["RevenueGrowthMetrics"],
        "method": ["target_metrics"],
    }


def endpoint_of(house: House) -> str:
    """The id of an endpoint with a secret, added as a program adds one."""
    client, headers = TestClient(house.app), bearer_of(house, Role.ADMIN)
    answer = client.post(
        "/api/v1/webhooks", headers=headers, json={"url": "https://example.com/hook"}
    )
    return str(answer.json()["id"])


def fitting() -> Mapping[str, object]:
    """Bodies that are taken, by operation: what a document cannot say makes others be refused."""
    start, end = (datetime.now(UTC) + timedelta(days=days) for days in (1, 2))
    return {
        "POST /attestations/{fact}": {
            "columns": {"claim_key": "award", "statement": "It was given."}, "role": "analyst",
            "expires_at": end.isoformat(), "evidence_uri": "https://example.com/award",
        },
        "POST /discrepancies/{discrepancy}/assign": {"person": ""},
        "POST /maintenance": {
            "start": start.isoformat(), "end": end.isoformat(), "reason": "An update",
        },
        "POST /reports": {"kind": "daily"},
        "POST /webhooks": {"url": "https://example.com/other"},
    }  # fmt: skip


class Begun:
    """An application that has begun already: schemathesis begins what it calls again and again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        for _ in range(2):
            asked = (await receive())["type"]
            await send({"type": f"{asked}.complete"})


@dataclass
class Told:
    """What the API answered.

    Attributes:
        statuses: of all answers.
        reached: operations that answered with 2xx at least once.
        labels: of the operations.
        operations: of the document.
        failures: what its document does not allow, each with the request.
    """

    operations: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def bearer_of(house: House, role: Role, owned: Sequence[str] = (OWN,)) -> Mapping[str, str]:
    """A token with everything that somebody of a role can give to one."""
    people = house.home.people
    who = person(people, role, owned if role is Role.OWNER else [])
    with house.home.ledger.read() as seen:
        rights = can_give(principal_of(seen.people.get(who)))
    return {"Authorization": f"Bearer {people.tokens.make(who, 'a test', rights, 1).secret}"}


def judged(
    house: House,
    headers: Mapping[str, str],
    examples: int,
    *,
    valid: bool = True,
    known: Mapping[str, Sequence[str]] | None = None,
    bodies: Mapping[str, object] | None = None,
) -> Told:
    """Ask every operation so often.

    Args:
        house: whose application is asked.
        headers: of somebody.
        examples: requests of each operation.
        valid: requests keep to the document; else they break it.
        known: parameters of paths to what there is: the first and every second request names such,
            for one that is made up leads to 404 alone. One that goes with an operation, such as
            ``DELETE /webhooks/{endpoint} endpoint``, comes before the one of all.
        bodies: by operation, one that fits: the first request has it.
    """
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", Begun(house.app), headers=dict(headers)
    )
    schema.config.generation.update(with_security_parameters=False)  # strangers are asked apart
    mode = GenerationMode.POSITIVE if valid else GenerationMode.NEGATIVE
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    operations.sort(key=_ends)
    told = Told(len(operations), labels={each.label for each in operations})

    for operation in operations:
        try:
            _asked(operation, headers, examples, mode, known or {}, bodies or {}, told)
        except Unsatisfiable:  # one that takes any text cannot be broken
            if valid:
                raise
    return told


def _ends(operation: APIOperation[Any, Any, Any]) -> bool:
    """Whether it ends what others ask for: such come last."""
    return operation.method.upper() == "DELETE" or operation.path.endswith("/accept")


def _asked(
    operation: APIOperation[Any, Any, Any],
    headers: Mapping[str, str],
    examples: int,
    mode: GenerationMode,
    known: Mapping[str, Sequence[str]],
    bodies: Mapping[str, object],
    told: Told,
) -> None:
    strategy = operation.as_strategy(generation_mode=mode)
    fitting = [bodies[operation.label]] if operation.label in bodies else []

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(strategy)
        if known and not data.draw(st.booleans()):  # the simplest draw, which comes first: named
            for name in case.path_parameters:
                there = known.get(f"{operation.label} {name}") or known.get(name)
                if there:
                    case.path_parameters[name] = data.draw(st.sampled_from(there))
            if fitting and mode is GenerationMode.POSITIVE:
                case.query, case.body = {}, fitting.pop()
        answer = case.call(headers=dict(headers))
        told.statuses[answer.status_code] += 1
        if answer.status_code < 300:
            told.reached.add(operation.label)
        try:
            case.validate_response(answer, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            told.failures.append(f"{operation.label} {answer.status_code}: {failure}")

    ask()
