"""Clover, stood in for: one merchant a shop, one application that all of them may let in.

Clover documents no lifetimes (they are to be read from the answer), no order of lists, no schedule
of webhooks: 30 minutes, a year, oldest first, and three retries are ours. That lists which are
expanded come as ``{"elements": […]}`` is from Clover's pages; the third-party description that the
tests use has plain arrays there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from meterstone.sandbox.clover.api import Api, Wrong, trouble, wrong
from meterstone.sandbox.clover.live import happen
from meterstone.sandbox.clover.records import entities, merchants
from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Change,
    Clock,
    Concurrent,
    Consent,
    Event,
    Faults,
    Limits,
    Live,
    Rate,
    Rules,
    Schedule,
    Sender,
    Standing,
    Vendor,
    micros,
    token,
)
from meterstone.sandbox.kit.webhooks import VERIFICATION

RULES = Rules(
    access=timedelta(minutes=30), refresh=timedelta(days=365), code=timedelta(minutes=10),
    rotates="always", reuse="refuse", pkce="optional",
)  # fmt: skip
SCHEDULE = Schedule(waits_s=[30, 120, 600], timeout_s=10)
LIMITS = (Rate(16, 1.0), Rate(50, 1.0, by="app"), Concurrent(5), Concurrent(10, by="app"))
"""Evidence: https://docs.clover.com/docs/api-usage-rate-limits."""
_KEYS = {"payments": "P", "orders": "O", "customers": "C", "employees": "E", "items": "I"}
_TYPES = {"created": "CREATE", "updated": "UPDATE", "deleted": "DELETE"}


def vendor(books: Books, seed: int) -> Vendor:
    """The stand-in of Clover."""
    clock = Clock()
    accounts = Accounts(clock, RULES, seed=seed, name="clover")
    faults = Faults(clock, seed=seed, accounts=accounts)
    client = accounts.register(id_=token(seed, "clover app", length=13))
    known = merchants(books)
    records = entities(books, known, clock)
    sender = Sender(
        clock, faults, SCHEDULE, _headers, seed=seed,
        verification=lambda code: json.dumps({"verificationCode": code}).encode(),
    )  # fmt: skip
    for name, entity in records.items():
        entity.listen(partial(_tell, sender, client.id, _KEYS[name]))
    titles = {merchant: f"Shop {franchise}" for franchise, merchant in known.id_of.items()}
    consent = Consent(
        "Clover", "/oauth/v2/authorize", accounts, titles,
        default_redirect="http://127.0.0.1/callback",
        more=lambda merchant: {
            "merchant_id": merchant, "client_id": client.id,
            "employee_id": token("clover employee", merchant, 0, length=13),
        },
    )  # fmt: skip
    profiles = {
        merchant: {
            "id": merchant, "name": franchise, "defaultCurrency": known.currency_of[franchise]
        }
        for franchise, merchant in known.id_of.items()
    }  # fmt: skip
    return Vendor(
        "clover", "Clover", clock, faults,
        routes=[consent.route(), *Api(records, profiles, accounts, clock).routes()],
        entities=records,
        listed=[
            Account(merchant, titles[merchant], accounts.grant(merchant, client.id).access, name)
            for name, merchant in known.id_of.items()
        ],
        client=client, accounts=accounts, sender=sender, trouble=trouble,
        limits=Limits(clock, LIMITS, headers=_limit_headers, retry_after="concurrency"),
        live=Live(10.0, lambda chance: happen(records, known, clock, chance)),
        settings=("base_url", "authorize_base"), exception_handlers={Wrong: wrong},
    )  # fmt: skip


def _headers(event: Event, _attempt: int) -> Mapping[str, str]:
    """The same header with every delivery: no signature."""
    return {} if event.type == VERIFICATION else {"x-clover-auth": event.target.secret}


def _limit_headers(standings: Sequence[Standing]) -> Mapping[str, str]:
    names = ("tokenLimit", "crossTokenLimit", "tokenConcurrentLimit", "crossTokenConcurrentLimit")
    told = {}
    for name, standing in zip(names, standings, strict=True):
        limit = standing.limit
        most = limit.most if isinstance(limit, Concurrent) else limit.requests
        told[f"X-RateLimit-{name}"] = str(most)
    return told


def _tell(sender: Sender, app: str, key: str, change: Change) -> None:
    """A delivery names the record and does not carry it."""
    if change.silent:
        return
    event = {
        "objectId": f"{key}:{change.id}",
        "type": _TYPES[change.kind],
        "ts": micros(change.at) // 1000,
    }
    merchant = change.record["merchant"]["id"]
    body = json.dumps({"appId": app, "merchants": {merchant: [event]}}).encode()
    id_ = f"{event['objectId']}:{event['type']}:{event['ts']}"
    sender.send(key, id_, change.id, lambda _target: body)
