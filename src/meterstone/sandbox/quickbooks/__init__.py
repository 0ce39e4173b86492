"""Stand-in of QuickBooks Online: one company, that of the platform operator."""

from __future__ import annotations

import random
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Clock,
    Faults,
    Limits,
    Live,
    Rate,
    Refused,
    Sender,
    Vendor,
    token,
)
from meterstone.sandbox.kit.query import QueryProblem
from meterstone.sandbox.quickbooks import edits, signin
from meterstone.sandbox.quickbooks.answers import Answers, Fault
from meterstone.sandbox.quickbooks.api import Api
from meterstone.sandbox.quickbooks.company import Company
from meterstone.sandbox.quickbooks.webhooks import SCHEDULE, Form, Notices, sign

TITLE = "Simulated platform operator"
LIMITS = (Rate(500, 60), Rate(10, 1))
"""By realm and by realm and application; source: developer.intuit.com, limits and throttles. One
stand-in has one realm and one application, so both count by token."""
_FORMS: tuple[Form, ...] = ("cloudevents", "legacy")


def vendor(books: Books, seed: int, clock: Clock | None = None) -> Vendor:
    """The stand-in.

    Args:
        books: of the simulated network.
        seed: of ids, tokens and faults.
        clock: default: the real time.
    """
    clock = clock or Clock()
    realm = str(4_620_000_000_000_000_000 + int(token(seed, "realm", length=12), 16))
    accounts = Accounts(clock, signin.RULES, seed=seed, name="quickbooks")
    faults = Faults(clock, seed=seed, accounts=accounts)
    sender = Sender(clock, faults, SCHEDULE, sign, seed=seed)
    company = Company(books, clock, TITLE)
    notices = Notices(sender, realm, seed)
    for entity in company.entities.values():
        entity.listen(notices.tell)
    answers = Answers(clock)
    client = accounts.register()
    first = accounts.grant(realm, client.id, [signin.SCOPE])
    return Vendor(
        name="quickbooks", title="QuickBooks Online", clock=clock, faults=faults,
        routes=[
            *signin.SignIn(accounts, clock, realm, TITLE).routes(),
            *Api(company, accounts, clock, realm, answers).routes(),
            Route("/_sandbox/webhook_form", _form_route(notices), methods=["POST"]),
        ],
        entities=company.entities,
        listed=[Account(realm, TITLE, first.access, more={"realm_id": realm})],
        client=client, accounts=accounts, sender=sender,
        settings=("base_url", "sign_in_url", "tokens_url", "revoke_url"), trouble=answers.trouble,
        limits=Limits(clock, LIMITS, retry_after="never"),
        live=Live(12, lambda chance: _happen(company, chance)),
        middleware=[Middleware(_Traced, seed=seed)],
        exception_handlers=dict.fromkeys((Fault, Refused, QueryProblem), answers.fault),
    )  # fmt: skip


def _form_route(notices: Notices) -> Any:
    async def choose(request: Request) -> Response:
        """``{form: cloudevents | legacy}``: how webhooks look from now on."""
        asked = (await request.json()).get("form")
        if asked not in _FORMS:
            return JSONResponse({"error": f"known: {', '.join(_FORMS)}"}, 400)
        notices.form = asked
        return JSONResponse({"form": asked})

    return choose


class _Traced:
    """Every answer names the call, as Intuit's support asks for it."""

    def __init__(self, app: ASGIApp, seed: int) -> None:
        self._app, self._seed, self._nth = app, seed, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._nth += 1
        tid = token(self._seed, "tid", self._nth, length=32).lower()

        async def traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"intuit_tid", f"1-{tid}".encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, traced)


def _happen(company: Company, chance: random.Random) -> None:
    """A customer pays, or a new invoice is written like an older one."""
    invoices = company.entities["Invoice"]
    held = invoices.get(invoices.id_at(chance.randrange(len(invoices))))
    if held is None:
        return
    if held["Balance"] > 0:
        edits.save(company, "Payment", {
            "CustomerRef": held["CustomerRef"], "TotalAmt": held["Balance"],
            "Line": [{
                "Amount": held["Balance"],
                "LinkedTxn": [{"TxnId": held["Id"], "TxnType": "Invoice"}],
            }],
        })  # fmt: skip
        return
    again = {
        name: value for name, value in held.items()
        if name not in ("Id", "SyncToken", "TxnDate", "LinkedTxn", "CustomField", "PrivateNote")
    }  # fmt: skip
    lines = [
        line | {"Description": line["Description"].split(" (ref")[0]}
        for line in held["Line"]
        if line["DetailType"] == "SalesItemLineDetail" and line["Amount"] > 0
    ]
    if lines:
        edits.save(company, "Invoice", again | {"Line": lines, "DueDate": company.today(30)})
