"""Stand-in of Salesforce: one org, in which deals are worked and the help desk has its cases."""

from __future__ import annotations

import random
from collections.abc import Sequence

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
    Standing,
    Vendor,
)
from meterstone.sandbox.kit.query import QueryProblem
from meterstone.sandbox.salesforce import edits, outbound, signin
from meterstone.sandbox.salesforce.answers import ApiError, error, trouble
from meterstone.sandbox.salesforce.api import Api
from meterstone.sandbox.salesforce.org import Org
from meterstone.sandbox.salesforce.schema import OBJECTS

DAILY = Rate(100_000, 86_400, by="app")
"""Calls in 24 hours of an Enterprise org without further licences; source: Salesforce's cheat sheet
of limits. The limit of 25 long calls at once is not imitated: no call here is long."""
_USER = "integration@meterstone.example"


def vendor(books: Books, seed: int, clock: Clock | None = None) -> Vendor:
    """The stand-in.

    Args:
        books: of the simulated network.
        seed: of ids, tokens and faults.
        clock: default: the real time.
    """
    clock = clock or Clock()
    accounts = Accounts(clock, signin.RULES, seed=seed, name="salesforce")
    faults = Faults(clock, seed=seed, accounts=accounts)
    org = Org(books, clock, seed)
    sender = Sender(
        clock, faults, outbound.SCHEDULE, outbound.sign, seed=seed,
        media_type=outbound.MEDIA_TYPE, accepts=outbound.accepts,
    )  # fmt: skip
    messages = outbound.Messages(sender, org)
    for entity in org.entities.values():
        entity.listen(messages.tell)
    client = accounts.register()
    first = accounts.grant(org.id, client.id, signin.SCOPES)
    limits = Limits(clock, [DAILY], headers=_used, retry_after="never")
    signs_in = signin.SignIn(accounts, clock, client, org=org.id, user=org.user, name=_USER)
    return Vendor(
        name="salesforce", title="Salesforce", clock=clock, faults=faults,
        routes=[*signs_in.routes(), *Api(org, accounts, clock, limits).routes()],
        entities=org.entities,
        listed=[Account(org.id, "Simulated org", first.access, more={"username": _USER})],
        client=client, settings=("login_url",), accounts=accounts, sender=sender,
        trouble=trouble, limits=limits,
        live=Live(6, lambda chance: _happen(org, chance)),
        exception_handlers=dict.fromkeys((ApiError, Refused, QueryProblem), error),
    )  # fmt: skip


def _used(standings: Sequence[Standing]) -> dict[str, str]:
    """How many of the day's calls are used, as every answer says."""
    remaining = standings[0].remaining
    return {"Sforce-Limit-Info": f"api-usage={DAILY.requests - remaining}/{DAILY.requests}"}


def _happen(org: Org, chance: random.Random) -> None:
    """A deal that is open is won or lost, or a new one is opened."""
    deals = org.entities["Opportunity"]
    if len(deals) == 0:
        return
    held = deals.get(deals.id_at(chance.randrange(len(deals))))
    if held is None:
        return
    if not held["IsClosed"]:
        stage = "won" if chance.random() < 0.6 else "lost"
        edits.update(org, OBJECTS["Opportunity"], held["Id"], {"StageName": stage})
        return
    number = chance.randrange(10**9)
    edits.create(org, OBJECTS["Opportunity"], {
        "Name": f"Simulated deal {number}", "AccountId": held["AccountId"], "StageName": "open",
        "Amount": held["Amount"], "CloseDate": held["CloseDate"], "Type": held["Type"],
        "External_Id__c": f"live-{number}", "Dedupe_Key__c": f"live-{number}",
    })  # fmt: skip
