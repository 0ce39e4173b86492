"""The API does what its document says, for every role: requests made from the schema by
schemathesis find no server error and no answer that the document does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import CheckFunction
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from meterstone.people.principals import can_give, principal_of
from meterstone.people.rights import Role
from visitors import person
from whole import OWN, House, whole_house

EXAMPLES = 4


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


CHECKS: list[CheckFunction] = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with whole_house(tmp_path_factory.mktemp("schema")) as served:
        served.home.evaluator.run_once()
        yield served


@pytest.mark.parametrize("role", list(Role))
def test_the_document_is_kept_to(house: House, role: Role) -> None:
    people = house.home.people
    who = person(people, role, [OWN] if role is Role.OWNER else [])
    with house.home.ledger.read() as seen:
        rights = can_give(principal_of(seen.people.get(who)))
    token = people.tokens.make(who, "a test", rights, 1)
    headers = {"Authorization": f"Bearer {token.secret}"}
    schema = schemathesis.openapi.from_asgi(
        "/api/v1/openapi.json", Begun(house.app), headers=headers
    )
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    told: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(data=st.data())
    def every_operation(data: st.DataObject) -> None:
        for operation in operations:
            case = data.draw(operation.as_strategy())
            answer = case.call_and_validate(headers=headers, checks=CHECKS)
            told[answer.status_code] += 1

    every_operation()
    assert told.total() > 100
    assert 401 not in told, "somebody is signed in"
    least = {200: 2, 403: 100} if role is Role.OWNER else {200: 40}
    assert all(told[status] >= number for status, number in least.items()), told
