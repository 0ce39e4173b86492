"""A stand-in of Tableau: one site, one personal access token, publishing with jobs, webhooks."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from meterstone.sandbox.kit import (
    Account,
    Accounts,
    Books,
    Clock,
    Faults,
    Limits,
    Rules,
    Schedule,
    Sender,
    Vendor,
    token,
)
from meterstone.sandbox.tableau import wire
from meterstone.sandbox.tableau.api import REST_VERSION, Server, routes
from meterstone.sandbox.tableau.site import Site

SITE = "simulated"
SESSION = timedelta(minutes=120)
SCHEDULE = Schedule((10.0, 60.0, 300.0))
"""Ours: the number of retries is known to be three, their waits are not."""


def vendor(_books: Books, seed: int) -> Vendor:
    """The stand-in. It holds what is published to it, and two simulated workbooks."""
    clock = Clock()
    accounts = Accounts(clock, Rules(access=SESSION, pkce="none"), seed=seed, name="tableau")
    client = accounts.register()
    faults = Faults(clock, seed=seed, accounts=accounts)
    sender = Sender(clock, faults, SCHEDULE, lambda _event, _nth: {}, seed=seed)
    site = Site(token(seed, "tableau", "site", length=32).lower(), SITE, clock)
    secret = f"{token(seed, 'pat', length=24)}:{token(seed, 'pat secret', length=32)}"
    server = Server(site, accounts, sender, client.id, "meterstone", secret)
    site.tell = server.tell
    return Vendor(
        name="tableau",
        title="Tableau",
        clock=clock,
        faults=faults,
        routes=routes(server),
        entities=site.entities,
        listed=[
            Account(
                SITE,
                "Simulated site",
                secret,
                more={
                    "token_name": "meterstone",
                    "token_secret": secret,
                    "site": SITE,
                    "api_version": REST_VERSION,
                },
            )
        ],
        accounts=accounts,
        limits=Limits(clock),
        sender=sender,
        trouble=_trouble,
    )


def _trouble(status: int, after_s: float | None) -> Response:
    error = wire.TableauError(f"{status}000", "Service Unavailable", "Try again later.")
    answer = wire.xml_answer(wire.error_content(error), status)
    if after_s is not None:
        answer.headers["retry-after"] = f"{after_s:.0f}"
    return answer
