"""Square, stood in for: one merchant whose locations are the shops of the network.

What Square does not document, and is ours here: the limit of 100 requests a second, Retry-After
with 429, the window of at most 31 days for bookings. The schedule of webhooks is that of Square's
page on delivery (72 hours); a newer one may exist.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from starlette.middleware import Middleware

from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Change,
    Clock,
    Consent,
    Entity,
    Event,
    Faults,
    Limits,
    Live,
    Rate,
    Rules,
    Schedule,
    Sender,
    Vendor,
    rfc3339,
    token,
)
from meterstone.sandbox.square.api import Api
from meterstone.sandbox.square.errors import Wrong, trouble, wrong
from meterstone.sandbox.square.forms import MERCHANT
from meterstone.sandbox.square.live import happen
from meterstone.sandbox.square.records import entities
from meterstone.sandbox.square.sign_in import SCOPES, SignIn
from meterstone.sandbox.square.subscriptions import Subscriptions, event_body
from meterstone.sandbox.square.version import Version

SCHEDULE = Schedule(
    waits_s=[60, 120, 240, 480, 960, 1920, *[3600] * 71],
    timeout_s=10,
    evidence="https://developer.squareup.com/docs/webhooks/troubleshooting",
)
RULES = Rules(
    access=timedelta(days=30), refresh=None, public_refresh=timedelta(days=90),
    code=timedelta(minutes=5), rotates="public", reuse="refuse", pkce="optional",
)  # fmt: skip
_EVENTS = {
    "payments": "payment", "orders": "order", "refunds": "refund", "bookings": "booking",
    "customers": "customer", "team_members": "team_member", "locations": "location",
}  # fmt: skip


def vendor(books: Books, seed: int) -> Vendor:
    """The stand-in of Square."""
    clock = Clock()
    accounts = Accounts(clock, RULES, seed=seed, name="square")
    faults = Faults(clock, seed=seed, accounts=accounts)
    sender = Sender(clock, faults, SCHEDULE, _signed, seed=seed)
    shops, records = entities(books, clock)
    for name, entity in records.items():
        if name in _EVENTS:
            entity.listen(partial(_tell, sender, clock, _EVENTS[name]))
    client = accounts.register(id_=f"sq0idp-{token(seed, 'square app')}")
    consent = Consent(
        "Square", "/oauth2/authorize", accounts, {MERCHANT: "Simulated network"},
        default_redirect="http://127.0.0.1/callback",
        more=lambda _account: {"response_type": "code"},
    )  # fmt: skip
    api = Api(records, shops.main, SignIn(accounts), Subscriptions(records, sender, clock), clock)
    return Vendor(
        "square", "Square", clock, faults,
        routes=[consent.route(), *api.routes()],
        entities=records,
        listed=[
            Account(
                MERCHANT, "Simulated network", accounts.grant(MERCHANT, client.id, SCOPES).access
            )
        ],
        client=client, accounts=accounts, limits=Limits(clock, [Rate(100, 1.0)]), sender=sender,
        trouble=trouble, live=_live(records, clock), middleware=[Middleware(Version)],
        exception_handlers={Wrong: wrong},
    )  # fmt: skip


def signature(url: str, body: bytes, key: str) -> str:
    """HMAC-SHA256 over the address and the body, base64."""
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _signed(event: Event, attempt: int) -> Mapping[str, str]:
    headers = {
        "x-square-hmacsha256-signature": signature(
            event.target.url, event.body, event.target.secret
        ),
        "square-environment": "Sandbox",
        "square-initial-delivery-timestamp": rfc3339(event.at),
    }
    if attempt:
        headers["square-retry-number"] = str(attempt)
        headers["square-retry-reason"] = event.last
    return headers


def _tell(sender: Sender, clock: Clock, kind: str, change: Change) -> None:
    if change.silent or (change.kind == "deleted" and kind not in ("customer",)):
        return  # Square tells of no other deletions
    type_ = f"{kind}.{change.kind}"
    id_ = token(type_, change.id, change.at, length=32).lower()
    body = event_body(type_, id_, change.record, clock)
    sender.send(type_, id_, change.id, lambda _target: body)


def _live(records: Mapping[str, Entity], clock: Clock) -> Live:
    def one(chance: random.Random) -> None:
        happen(records, clock, chance)

    return Live(per_minute=20.0, happen=one)
