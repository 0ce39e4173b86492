"""A stand-in of FranConnect: one tenant, its data services, as independent integrations describe
them.

The vendor's documentation is open to customers only. Where no public source says how something is,
the stand-in assumes, and docs/sandbox.md lists what.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from meterstone.sandbox.franconnect.api import Tenant, routes
from meterstone.sandbox.franconnect.records import moment, own, truth
from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Clock,
    Faults,
    Limits,
    Live,
    Rules,
    Vendor,
    token,
)

TENANT = "simulated.franconnect.example"
TOKEN_LIFE = timedelta(hours=1)
"""Ours: no public source names the lifetime of a token."""


def vendor(books: Books, seed: int) -> Vendor:
    """The stand-in, with what the simulated network keeps in FranConnect."""
    clock = Clock()
    accounts = Accounts(clock, Rules(access=TOKEN_LIFE, pkce="none"), seed=seed, name="franconnect")
    client = accounts.register()
    tenant = Tenant(TENANT, clock, books, accounts)
    granted = accounts.grant(TENANT, client.id)
    return Vendor(
        name="franconnect",
        title="FranConnect",
        clock=clock,
        faults=Faults(clock, seed=seed, accounts=accounts),
        routes=routes(tenant),
        entities=tenant.entities,
        listed=[
            Account(
                TENANT,
                "Simulated franchisor",
                granted.access,
                more={"tenant": TENANT},
            )
        ],
        client=client,
        accounts=accounts,
        limits=Limits(clock),
        settings=("base_url", "auth_url"),
        live=Live(4.0, lambda chance: _happen(tenant, seed, chance)),
    )


def _happen(tenant: Tenant, seed: int, chance: random.Random) -> None:
    """A lead is closed, or a new one comes in."""
    leads = tenant.entities["lead"]
    newest = leads.select(descending=True).page(0, 50)
    waiting = [lead for lead in newest if lead[own("outcome")] == "Open"]
    now = moment(datetime.now(UTC))
    if waiting and chance.random() < 0.5:
        won = chance.random() < 0.6
        leads.edit(
            chance.choice(waiting)["referenceId"],
            {
                "leadStatusID": "Won" if won else "Lost",
                "leadKilledReason": "" if won else "price",
                "isSold": truth(won),
                "isDead": truth(not won),
                own("outcome"): "Won" if won else "Lost",
                own("statusAt"): now,
                own("closedAt"): now,
            },
        )
    elif newest:
        id_ = f"D-live-{token(seed, now, length=8)}"
        leads.put({
            **newest[0], "referenceId": id_, "lastName": f"Lead {id_}", "leadStatusID": "Open",
            "emailID": f"{id_.lower()}@example.org", "leadKilledReason": "",
            "isSold": truth(False), "isDead": truth(False),
            own("outcome"): "Open", own("dedupeKey"): f"K-{id_}", own("createdAt"): now,
            own("qualifiedAt"): "", own("statusAt"): now, own("closedAt"): "",
        })  # fmt: skip
