"""A stand-in of IFPG, which has no documented API: 'Territory Check' mails of its members, the
JSON feed and the lead form that its own WordPress plugin uses, a CSV file behind a link, and signed
webhooks of an automation service. Of mails only subject, sender and the line ``Candidate:`` are
known; their other lines, the CSV and the webhooks are our exchange format."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from hashlib import sha1

from meterstone.sandbox.ifpg.feed import feed_routes
from meterstone.sandbox.kit import Account, Accounts, Books, Clock, Faults, Rules, Vendor, token
from meterstone.sandbox.kit.entity import Record
from meterstone.sandbox.kit.leads import Leads, labelled, plain_mail

BROKER = "4711"


def vendor(books: Books, seed: int) -> Vendor:
    """The stand-in, with the deals that IFPG brought."""
    clock = Clock()
    accounts = Accounts(clock, Rules(access=timedelta(days=365)), seed=seed, name="ifpg")
    client = accounts.register()
    faults = Faults(clock, seed=seed, accounts=accounts)
    leads = Leads("ifpg", books, seed, clock, faults, mail)
    granted = accounts.grant("simulated", client.id)
    secret = token(seed, "ifpg", "broker", length=16).lower()
    digest = sha1(secret.encode(), usedforsecurity=False).hexdigest()
    return Vendor(
        name="ifpg",
        title="IFPG",
        clock=clock,
        faults=faults,
        routes=[*leads.routes(accounts), *feed_routes(BROKER, digest, leads.entity, clock)],
        entities={"lead": leads.entity},
        listed=[
            Account(
                "simulated",
                "Simulated franchisor",
                granted.access,
                more={"broker_id": BROKER, "broker_secret": secret},
            )
        ],
        accounts=accounts,
        sender=leads.sender,
        live=leads.live(2.0),
    )


def mail(record: Record) -> EmailMessage:
    """A lead as the mail of a member: no address of the candidate, the consultant in Reply-To."""
    return plain_mail(
        "IFPG <no-reply@ifpg.org>",
        "Territory Check from IFPG Member Simulated Consultant",
        {"Candidate": f"Simulated Candidate {record['lead_id']}", **labelled(record)},
        record,
        Reply_To="Simulated Consultant <consultant@example.org>",
    )
