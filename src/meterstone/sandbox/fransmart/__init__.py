"""A stand-in of Fransmart, which has no API: it sends leads by e-mail, keeps them in a CSV file
behind a link, and tells of changes by signed webhook. The exchange format is ours."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

from meterstone.sandbox.kit import Account, Accounts, Books, Clock, Faults, Rules, Vendor
from meterstone.sandbox.kit.entity import Record
from meterstone.sandbox.kit.leads import Leads, labelled, plain_mail


def vendor(books: Books, seed: int) -> Vendor:
    """The stand-in, with the deals that Fransmart brought."""
    clock = Clock()
    accounts = Accounts(clock, Rules(access=timedelta(days=365)), seed=seed, name="fransmart")
    client = accounts.register()
    faults = Faults(clock, seed=seed, accounts=accounts)
    leads = Leads("fransmart", books, seed, clock, faults, mail)
    granted = accounts.grant("simulated", client.id)
    return Vendor(
        name="fransmart",
        title="Fransmart",
        clock=clock,
        faults=faults,
        routes=leads.routes(accounts),
        entities={"lead": leads.entity},
        listed=[Account("simulated", "Simulated franchisor", granted.access)],
        accounts=accounts,
        sender=leads.sender,
        live=leads.live(2.0),
    )


def mail(record: Record) -> EmailMessage:
    """A lead as a mail of labelled lines."""
    return plain_mail(
        "Simulated Fransmart <leads@fransmart.com>",
        f"Franchise lead {record['lead_id']}: {record['stage']}",
        labelled(record),
        record,
    )
