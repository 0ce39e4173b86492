"""What senders of leads without an API have in common: one record a lead, written as CSV, as
e-mail, and into signed webhooks (Standard Webhooks, by way of an automation service)."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from standardwebhooks.webhooks import Webhook
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from meterstone.sandbox.kit.accounts import Accounts, Refused
from meterstone.sandbox.kit.books import Books, Row
from meterstone.sandbox.kit.clock import Clock, micros, token
from meterstone.sandbox.kit.entity import CHANGED, Change, Entity, Key, Record
from meterstone.sandbox.kit.faults import Faults
from meterstone.sandbox.kit.vendor import Live
from meterstone.sandbox.kit.webhooks import Event, Schedule, Sender, Target

COLUMNS: Mapping[str, str] = {
    "lead_id": "deal_id",
    "reference": "dedupe_key",
    "opportunity": "kind",
    "client": "client_id",
    "client_segment": "client_segment",
    "created_at": "created_at",
    "qualified_at": "qualified_at",
    "stage": "stage",
    "stage_at": "stage_at",
    "outcome": "outcome",
    "closed_at": "closed_at",
    "competitor": "competitor",
    "lost_reason": "lost_reason",
    "amount_usd": "amount_usd",
    "win_probability": "win_probability",
}
"""The columns of a lead in CSV, mail and webhook, and the column of the fact deal in each."""

SCHEDULE = Schedule(
    (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0),
    evidence="https://github.com/standard-webhooks/standard-webhooks",
)


class Leads:
    """The leads of one sender: what it knows, and the three ways in which it tells of them.

    Args:
        name: the connector's key, which is also the source of its rows.
        write: the e-mail of a lead.
    """

    def __init__(
        self,
        name: str,
        books: Books,
        seed: int,
        clock: Clock,
        faults: Faults,
        write: Callable[[Record], EmailMessage],
    ) -> None:
        self.name, self._seed, self._clock, self._write = name, seed, clock, write
        rows = books.rows("deal", name)
        gone = rows.retracted.to_pylist()
        kept = [_record(row) for row, away in zip(rows.all, gone, strict=True) if not away]
        self.entity = Entity(
            "lead",
            clock,
            ids=[record["lead_id"] for record in kept],
            keys={CHANGED: Key([_changed(record) for record in kept], _changed)},
            stamp=lambda _record, _at: None,
            rows=kept,
            id_of=lambda record: str(record["lead_id"]),
        )
        self.sender = Sender(clock, faults, SCHEDULE, _sign, seed=seed)
        self.entity.listen(self._tell)

    def all(self) -> list[Record]:
        """Every lead that was not taken back, in the order in which they last changed."""
        return self.entity.select().page(0, len(self.entity))

    def mails(self) -> list[bytes]:
        """One e-mail a lead, as it stands."""
        return [self._write(record).as_bytes(policy=SMTP) for record in self.all()]

    def routes(self, accounts: Accounts) -> list[BaseRoute]:
        """The CSV link of the customer, behind a bearer token; the mailbox, for tests."""

        async def export(request: Request) -> Response:
            scheme, _, access = request.headers.get("authorization", "").partition(" ")
            try:
                accounts.check(access if scheme.lower() == "bearer" else "")
            except Refused as refused:
                return JSONResponse({"error": refused.detail}, 401)
            return PlainTextResponse(csv_of(self.all()), media_type="text/csv")

        async def mailbox(_request: Request) -> Response:
            return JSONResponse([mail.decode("utf-8") for mail in self.mails()])

        return [
            Route("/leads.csv", export),
            Route("/_sandbox/mailbox", mailbox),
        ]

    def live(self, per_minute: float) -> Live:
        """A lead is closed, or a new one comes in."""

        def happen(chance: random.Random) -> None:
            known = self.all()
            waiting = [record for record in known if record["outcome"] == "open"]
            now = text_of(self._clock.now())
            if waiting and chance.random() < 0.5:
                outcome = "won" if chance.random() < 0.6 else "lost"
                self.entity.edit(
                    chance.choice(waiting)["lead_id"],
                    {
                        "stage": outcome,
                        "outcome": outcome,
                        "stage_at": now,
                        "closed_at": now,
                        "lost_reason": "price" if outcome == "lost" else "",
                    },
                )
            elif known:
                id_ = f"D-live-{token(self._seed, self.name, now, length=8)}"
                self.entity.put({
                    **known[0], "lead_id": id_, "reference": f"K-{id_}", "created_at": now,
                    "qualified_at": "", "stage": "open", "stage_at": now, "outcome": "open",
                    "closed_at": "", "lost_reason": "",
                })  # fmt: skip

        return Live(per_minute, happen)

    def _tell(self, change: Change) -> None:
        if change.silent:
            return
        id_ = f"msg_{token(self._seed, change.id, change.at, length=24).lower()}"
        kind = "lead.deleted" if change.kind == "deleted" else "lead.changed"
        told = {name: text for name, text in change.record.items() if text != ""}
        body = json.dumps({"type": kind, "timestamp": text_of(change.at), "data": told}).encode()
        self.sender.send(kind, id_, change.id, lambda _target: body)


def csv_of(records: Iterable[Record]) -> str:
    """RFC 4180 with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMNS), extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def plain_mail(
    sender: str, subject: str, lines: Mapping[str, str], record: Record, **headers: str
) -> EmailMessage:
    """An e-mail of labelled lines, dated when the lead last changed."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = "leads@example.org"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.fromisoformat(record["stage_at"]))
    mail["Message-ID"] = (
        f"<{record['lead_id']}.{token(record['stage_at'], record['stage'])}@example.org>"
    )
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("\n".join(f"{name}: {value}" for name, value in lines.items()) + "\n")
    return mail


def labelled(record: Record) -> dict[str, str]:
    """The columns of a lead as the lines of a mail: ``Win probability: 0.6``."""
    return {
        name.replace("_", " ").capitalize(): record[name] for name in COLUMNS if record[name] != ""
    }


def text_of(value: Any) -> str:
    """A value as CSV holds it; nothing is an empty text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def signing_secret(target: Target) -> str:
    """The secret of a target in the form of Standard Webhooks (``whsec_`` and base64)."""
    if target.secret.startswith("whsec_"):
        return target.secret
    return "whsec_" + base64.b64encode(target.secret.encode()).decode()


def _sign(event: Event, _nth: int) -> Mapping[str, str]:
    at = datetime.now(UTC)
    signed = Webhook(signing_secret(event.target)).sign(event.id, at, event.body.decode())
    return {
        "webhook-id": event.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }


def _record(row: Row) -> Record:
    return {name: text_of(row[column]) for name, column in COLUMNS.items()}


def _changed(record: Record) -> int:
    return micros(datetime.fromisoformat(record["stage_at"]))
